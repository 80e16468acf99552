"""The Python ``kubernetes`` client on the demo, unmodified: ``metrics.k8s.io`` typed, custom and dynamic."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config, dynamic

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("demo"),
    pytest.mark.timeout(180),
]

NODES, PODS = 3, 30
Ask = Callable[[Callable[[client.ApiClient], Any]], Awaitable[Any]]


@pytest.fixture
def ask(demo: Path) -> Ask:
    """Run a function in a thread with a client of its own."""

    def with_client(function: Callable[[client.ApiClient], Any]) -> Any:
        with config.new_client_from_config(str(demo)) as api:  # type: ignore[no-untyped-call]
            try:
                return function(api)
            finally:
                api.rest_client.pool_manager.clear()

    async def run(function: Callable[[client.ApiClient], Any]) -> Any:
        return await asyncio.to_thread(with_client, function)

    return run


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_node_metrics_are_custom_objects(ask: Ask, version: str) -> None:
    document = await ask(
        lambda api: client.CustomObjectsApi(api).list_cluster_custom_object("metrics.k8s.io", version, "nodes")
    )

    assert document["kind"] == "NodeMetricsList"
    assert len(document["items"]) == NODES


async def test_pod_metrics_of_a_namespace_are_custom_objects(ask: Ask) -> None:
    document = await ask(
        lambda api: client.CustomObjectsApi(api).list_namespaced_custom_object(
            "metrics.k8s.io", "v1beta1", "kube-system", "pods", label_selector="component=etcd"
        )
    )

    assert [item["metadata"]["name"] for item in document["items"]] == ["etcd-node-00000"]


async def test_the_dynamic_client_finds_them_by_kind(ask: Ask, tmp_path: Path) -> None:
    def containers(api: client.ApiClient) -> list[int]:
        # Without a file of its own it shares one with every program that asked a server on this port.
        cache = str(tmp_path / "discovery.json")
        resources = dynamic.DynamicClient(api, cache_file=cache).resources  # type: ignore[no-untyped-call]
        pods = resources.get(api_version="metrics.k8s.io/v1beta1", kind="PodMetrics")
        return [len(item.containers) for item in pods.get().items]

    found = await ask(containers)

    assert len(found) == PODS
    assert all(found)


async def test_the_typed_client_reads_the_apiservice(ask: Ask) -> None:
    found = await ask(lambda api: client.ApiregistrationV1Api(api).read_api_service("v1beta1.metrics.k8s.io"))

    assert (found.spec.service.name, found.spec.service.port) == ("metrics-server", 443)
    assert [(each.type, each.status) for each in found.status.conditions] == [("Available", "True")]


async def test_a_missing_node_is_an_api_exception_with_a_status(ask: Ask) -> None:
    with pytest.raises(client.ApiException) as caught:
        await ask(
            lambda api: client.CustomObjectsApi(api).get_cluster_custom_object(
                "metrics.k8s.io", "v1beta1", "nodes", "absent"
            )
        )

    assert caught.value.status == 404
