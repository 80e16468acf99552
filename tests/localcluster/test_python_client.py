"""The official Python client against the stand-in, typed and dynamic."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml
from kubernetes import client, config, dynamic, watch

from metrics_api.localcluster.apiserver import ApiServer
from metrics_api.localcluster.kubeconfig import admin_kubeconfig
from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.resources import NODES, PODS

T = TypeVar("T")
CAPTURED = Path(__file__).parent.parent / "data" / "kube-apiserver"
POD = {
    "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}},
    "spec": {"nodeName": "localhost", "containers": [{"name": "app", "image": "app"}]},
    "status": {"phase": "Running"},
}


@pytest.fixture
async def ask(server: ApiServer, objects: ObjectStore) -> Callable[..., Any]:
    """Run a function in a thread with a client of its own."""
    objects.create(NODES, json.loads((CAPTURED / "node-from-a-real-kubelet.json").read_text()))
    objects.create(PODS, POD)
    document = yaml.safe_load(admin_kubeconfig(server))

    def with_client(function: Callable[[client.ApiClient], T]) -> T:
        with config.new_client_from_config_dict(document) as api:  # type: ignore[no-untyped-call]
            try:
                return function(api)
            finally:
                api.rest_client.pool_manager.clear()

    async def run(function: Callable[[client.ApiClient], T]) -> T:
        return await asyncio.to_thread(with_client, function)

    return run


async def test_typed_lists_are_decoded(ask: Callable[..., Any]) -> None:
    nodes = await ask(lambda api: client.CoreV1Api(api).list_node())
    pods = await ask(lambda api: client.CoreV1Api(api).list_pod_for_all_namespaces(label_selector="app=web"))

    assert [node.metadata.name for node in nodes.items] == ["localhost"]
    assert nodes.items[0].status.node_info.kubelet_version
    assert [pod.spec.node_name for pod in pods.items] == ["localhost"]


async def test_dynamic_lists_are_decoded(ask: Callable[..., Any]) -> None:
    def names(api: client.ApiClient) -> list[str]:
        resources = dynamic.DynamicClient(api).resources  # type: ignore[no-untyped-call]
        nodes = resources.get(api_version="v1", kind="Node")
        return [node.metadata.name for node in nodes.get().items]

    assert await ask(names) == ["localhost"]


async def test_objects_are_created_and_deleted(ask: Callable[..., Any], objects: ObjectStore) -> None:
    def create_and_delete(api: client.ApiClient) -> tuple[Any, Any]:
        core = client.CoreV1Api(api)
        body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="one"), data={"a": "1"})
        created = core.create_namespaced_config_map("default", body)
        return created, core.delete_namespaced_config_map("one", "default")

    created, deleted = await ask(create_and_delete)

    assert created.data == {"a": "1"}
    assert deleted["status"] == "Success"


async def test_a_watch_ends_at_its_timeout(ask: Callable[..., Any], server: ApiServer, objects: ObjectStore) -> None:
    def first(api: client.ApiClient) -> tuple[str, str]:
        events = watch.Watch().stream(  # type: ignore[no-untyped-call]
            client.CoreV1Api(api).list_pod_for_all_namespaces, timeout_seconds=30
        )
        kind, name = next((event["type"], event["object"].metadata.name) for event in events)
        events.close()
        return kind, name

    assert await ask(first) == ("ADDED", "web")


async def test_errors_are_statuses(ask: Callable[..., Any]) -> None:
    with pytest.raises(client.ApiException) as caught:
        await ask(lambda api: client.CoreV1Api(api).read_node("absent"))

    assert caught.value.status == 404
    assert json.loads(caught.value.body or "")["message"] == 'nodes "absent" not found'


async def test_the_servers_version_is_read(ask: Callable[..., Any]) -> None:
    version = await ask(lambda api: client.VersionApi(api).get_code())

    assert version.major == "1"
