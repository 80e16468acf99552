"""The requests that well-known programs send, word for word, and what they read of the answers.

None of these programs runs here. Their requests go over TLS through the aggregation layer, and the answers are decoded
as theirs: protobuf by an independent decoder, JSON as JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from metrics_api.quantity import parse_quantity
from metrics_api.timetext import parse_duration, parse_rfc3339
from tests.api.protobuf import decode_object
from tests.e2e.asking import asking

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("demo"),
    pytest.mark.timeout(180),
]

OLD = "/apis/metrics.k8s.io/v1beta1"
PROTOBUF = "application/vnd.kubernetes.protobuf"
CLIENT_GO = f"{PROTOBUF}, */*"
CLIENT_GO_JSON = "application/json, */*"
WITH_JSON = f"{PROTOBUF},application/json"
DISCOVERY = ",".join(
    (
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
        "application/json",
    )
)
TABLE = ",".join(
    (
        "application/json;as=Table;v=v1;g=meta.k8s.io",
        "application/json;as=Table;v=v1beta1;g=meta.k8s.io",
        "application/json",
    )
)
NODES = [f"node-{number:05d}" for number in range(3)]
PODS = 30


class Client:
    """A program that is known by its User-Agent and its Accept."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self.agent = ""
        self.accept = ""

    def be(self, agent: str, accept: str) -> None:
        self.agent, self.accept = agent, accept

    async def send(self, path: str, *, accept: str | None = None, method: str = "GET", body: Any = None) -> Any:
        """Return the decoded body of a success."""
        headers = {"user-agent": self.agent, "accept": accept or self.accept, "accept-encoding": "gzip"}
        answer = await self._http.request(method, path, headers=headers, json=body)
        assert answer.is_success, answer.text
        if answer.headers["content-type"] == PROTOBUF:
            return decode_object(answer.content)
        return json.loads(answer.content)


@pytest_asyncio.fixture(loop_scope="session")
async def client(demo: Path) -> AsyncIterator[Client]:
    async with asking(demo) as http:
        yield Client(http)


def check_pods(items: list[dict[str, Any]]) -> None:
    """Read of PodMetrics what the HPA controller and the VPA recommender read."""
    for item in items:
        assert item["metadata"]["namespace"]
        assert parse_rfc3339(item["timestamp"]) > 1.7e9
        assert 0 < parse_duration(item["window"]) < 120
        assert item["containers"]
        for container in item["containers"]:
            assert set(container["usage"]) == {"cpu", "memory"}
            assert parse_quantity(container["usage"]["cpu"]) >= 0
            assert parse_quantity(container["usage"]["memory"]) > 0


async def test_kubectl_top(client: Client) -> None:
    client.be("kubectl/v1.36.0 (linux/amd64) kubernetes/abcdef0", CLIENT_GO)
    groups = await client.send("/apis", accept=DISCOVERY)
    metrics = next(group for group in groups["items"] if group["metadata"]["name"] == "metrics.k8s.io")
    assert "v1beta1" in [version["version"] for version in metrics["versions"]]
    nodes = await client.send(f"{OLD}/nodes")
    assert [item["metadata"]["name"] for item in nodes["items"]] == NODES
    assert (await client.send(f"{OLD}/nodes/{NODES[0]}"))["kind"] == "NodeMetrics"
    assert len((await client.send(f"{OLD}/pods"))["items"]) == PODS
    selected = await client.send(f"{OLD}/namespaces/kube-system/pods?labelSelector=component%3Detcd")
    named = await client.send(f"{OLD}/namespaces/kube-system/pods?fieldSelector=metadata.name%3Detcd-node-00000")
    assert _names(selected) == _names(named) == ["etcd-node-00000"]
    check_pods(selected["items"])


async def test_kubectl_get(client: Client) -> None:
    client.be("kubectl/v1.36.0 (linux/amd64) kubernetes/abcdef0", TABLE)
    table = await client.send(f"{OLD}/pods?limit=500")
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "cpu", "memory", "Window"]
    assert len(table["rows"]) == PODS
    assert table["metadata"] == {}


@pytest.mark.parametrize("accept", [CLIENT_GO, CLIENT_GO_JSON])
async def test_horizontal_pod_autoscaler(client: Client, accept: str) -> None:
    agent = "kube-controller-manager/v1.36.0 (linux/amd64) kubernetes/abcdef0/horizontal-pod-autoscaler"
    client.be(agent, accept)
    for _ in ("cpu", "memory"):
        pods = await client.send(f"{OLD}/namespaces/kube-system/pods?labelSelector=tier%3Dcontrol-plane")
        assert pods["kind"] == "PodMetricsList"
        assert len(pods["items"]) == 4
        check_pods(pods["items"])
    assert (await client.send(f"{OLD}/namespaces/kube-system/pods?labelSelector=app%3Dnothing"))["items"] == []


async def test_vertical_pod_autoscaler(client: Client) -> None:
    client.be("recommender/v0.0.0 (linux/amd64) kubernetes/$Format", CLIENT_GO_JSON)
    every = (await client.send(f"{OLD}/pods"))["items"]
    assert len(every) == PODS
    check_pods(every)
    check_pods((await client.send(f"{OLD}/namespaces/kube-system/pods"))["items"])


async def test_descheduler_and_load_watcher(client: Client) -> None:
    client.be("load-watcher/v0.0.0 (linux/amd64) kubernetes/$Format", CLIENT_GO_JSON)
    for name in _names(await client.send(f"{OLD}/nodes")):
        node = await client.send(f"{OLD}/nodes/{name}")
        assert parse_quantity(node["usage"]["cpu"]) > 0
    check_pods([await client.send(f"{OLD}/namespaces/kube-system/pods/etcd-node-00000")])


async def test_dashboards_metrics_scraper(client: Client) -> None:
    client.be("dashboard-metrics-scraper/v0.0.0 (linux/amd64) kubernetes/$Format", CLIENT_GO_JSON)
    nodes, pods = await client.send(f"{OLD}/nodes"), await client.send(f"{OLD}/pods")
    assert all(parse_quantity(node["usage"]["memory"]) > 2**20 for node in nodes["items"])
    check_pods(pods["items"])
    check_pods((await client.send(f"{OLD}/namespaces/kube-system/pods"))["items"])  # with --namespaces


async def test_k9s(client: Client) -> None:
    client.be("k9s/v0.50.0 (linux/amd64) kubernetes/$Format", CLIENT_GO_JSON)
    groups = await client.send("/apis", accept="application/json, */*")
    versions = {
        version["groupVersion"]
        for group in groups["groups"]
        if group["name"] == "metrics.k8s.io"
        for version in group["versions"]
    }
    assert "metrics.k8s.io/v1beta1" in versions
    for resource in ("nodes", "pods"):
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {"group": "metrics.k8s.io", "resource": resource, "verb": "list"}},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        assert (await client.send(path, method="POST", body=review))["status"]["allowed"] is True
    assert _names(await client.send(f"{OLD}/nodes")) == NODES
    names = _names(await client.send(f"{OLD}/namespaces/kube-system/pods"))
    pod = await client.send(f"{OLD}/namespaces/kube-system/pods/{names[0]}")
    check_pods([pod])


async def test_headlamp_and_lens(client: Client) -> None:
    # A browser's name makes the answer indented; its Accept is what fetch sends.
    client.be("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", "*/*")
    nodes, pods = await client.send(f"{OLD}/nodes"), await client.send(f"{OLD}/pods")
    usages = [node["usage"] for node in nodes["items"]]
    usages += [container["usage"] for pod in pods["items"] for container in pod["containers"]]
    for usage in usages:
        assert re.fullmatch(r"\d+[num]?", usage["cpu"])
        assert re.fullmatch(r"\d+([KMGTPE]i)?", usage["memory"])
    client.be("OpenLens", "application/json, text/plain, */*")
    assert (await client.send(f"{OLD}/namespaces/kube-system/pods"))["kind"] == "PodMetricsList"


def _names(document: dict[str, Any]) -> list[str]:
    return [item["metadata"]["name"] for item in document["items"]]
