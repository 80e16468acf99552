"""The Python ``kubernetes`` client over the aggregation layer: typed, custom objects, dynamic with its discovery."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config, dynamic
from kubernetes.client.exceptions import ApiException

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("demo"),
    pytest.mark.timeout(180),
]

GROUP = "metrics.k8s.io"
NODES = [f"node-{number:05d}" for number in range(3)]
PODS = 30


async def _called(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call what blocks, in a thread."""
    return await asyncio.to_thread(function, *arguments, **named)


@pytest.fixture
def api(demo: Path) -> Iterator[client.ApiClient]:
    with config.new_client_from_config(str(demo)) as made:  # type: ignore[no-untyped-call]  # it has no types
        yield made


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_custom_objects_are_listed_and_read(api: client.ApiClient, version: str) -> None:
    objects = client.CustomObjectsApi(api)
    nodes = await _called(objects.list_cluster_custom_object, GROUP, version, "nodes")
    pods = await _called(
        objects.list_namespaced_custom_object, GROUP, version, "kube-system", "pods", label_selector="component=etcd"
    )
    pod = await _called(objects.get_namespaced_custom_object, GROUP, version, "kube-system", "pods", "etcd-node-00000")
    assert nodes["kind"] == "NodeMetricsList"
    assert [item["metadata"]["name"] for item in nodes["items"]] == NODES
    assert [item["metadata"]["name"] for item in pods["items"]] == [pod["metadata"]["name"]] == ["etcd-node-00000"]
    assert pod["apiVersion"] == f"{GROUP}/{version}"


async def test_custom_objects_are_listed_in_pages(api: client.ApiClient) -> None:
    objects = client.CustomObjectsApi(api)
    names: list[str] = []
    following = ""
    sizes = []
    while True:
        more = {"_continue": following} if following else {}
        page = await _called(objects.list_cluster_custom_object, GROUP, "v1beta1", "pods", limit=12, **more)
        sizes.append((len(page["items"]), page["metadata"].get("remainingItemCount")))
        names += [item["metadata"]["name"] for item in page["items"]]
        following = page["metadata"].get("continue", "")
        if not following:
            break
    assert sizes == [(12, 18), (12, 6), (6, None)]
    assert len(set(names)) == PODS


async def test_a_missing_object_is_the_clients_404(api: client.ApiClient) -> None:
    objects = client.CustomObjectsApi(api)
    with pytest.raises(ApiException) as raised:
        await _called(objects.get_cluster_custom_object, GROUP, "v1beta1", "nodes", "nope")
    assert (raised.value.status, raised.value.reason) == (404, "Not Found")
    assert b'node \\"nope\\" not found' in str(raised.value.body).encode()


async def test_the_typed_client_reads_the_apiservice(api: client.ApiClient) -> None:
    found = await _called(client.ApiregistrationV1Api(api).read_api_service, f"v1beta1.{GROUP}")
    assert (found.spec.service.name, found.spec.service.port) == ("metrics-server", 443)
    assert [(each.type, each.status) for each in found.status.conditions] == [("Available", "True")]


async def test_the_dynamic_client_finds_the_resources_also_from_its_cache(
    api: client.ApiClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # where it keeps its cache
    for _ in ("asked", "cached"):
        found = await _called(dynamic.DynamicClient, api)
        for version in ("v1", "v1beta1"):
            resource = await _called(found.resources.get, api_version=f"{GROUP}/{version}", kind="NodeMetrics")
            assert (resource.name, resource.namespaced, sorted(resource.verbs)) == ("nodes", False, ["get", "list"])
            listed = await _called(resource.get)
            assert [item.metadata.name for item in listed.items] == NODES
        pods = await _called(found.resources.get, api_version=f"{GROUP}/v1beta1", kind="PodMetrics")
        every = (await _called(pods.get)).items
        assert len(every) == PODS
        assert all(item.containers for item in every)
        one = await _called(pods.get, name="etcd-node-00000", namespace="kube-system")
        assert one.containers[0].name == "etcd"
    assert [name for name in os.listdir(tmp_path) if name.startswith("osrcp-")]
