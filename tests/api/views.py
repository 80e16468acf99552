"""A view of made-up nodes and pods, and a client that talks to the application in-process."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from metrics_api.api.app import Gate, MetricsAPI, build_api
from metrics_api.api.probes import PING, Probes
from metrics_api.api.resources import MetricsView
from metrics_api.clock import Clock
from metrics_api.model import ContainerUsage, Row, Usage
from metrics_api.quantity import parse_quantity
from metrics_api.timetext import parse_duration, parse_rfc3339

DATA = Path(__file__).parent.parent / "data/metrics-server"
V1BETA1 = "/apis/metrics.k8s.io/v1beta1"
V1 = "/apis/metrics.k8s.io/v1"


def make_row(namespace: str, name: str, labels: dict[str, str], *, cpu: str = "250m", memory: str = "64Mi") -> Row:
    """Return a row of one container, or of a node."""
    place = {"namespace": namespace} if namespace else {}
    usage = {"cpu": cpu, "memory": memory}
    return document_row(
        {
            "metadata": {
                "name": name,
                **place,
                "creationTimestamp": "2026-01-01T00:00:30Z",
                **({"labels": labels} if labels else {}),
            },
            "timestamp": "2026-01-01T00:00:20Z",
            "window": "15s",
            **({"containers": [{"name": "app", "usage": usage}]} if namespace else {"usage": usage}),
        }
    )


def document_row(document: dict[str, Any]) -> Row:
    """Return the row of a list's item as JSON has it."""
    metadata = document["metadata"]
    containers = document.get("containers") or [{"name": "", "usage": document["usage"]}]
    usage = Usage(
        parse_rfc3339(document["timestamp"]),
        parse_duration(document["window"]),
        tuple(_container_usage(one["name"], one["usage"]) for one in containers),
    )
    item = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    created = parse_rfc3339(metadata["creationTimestamp"])
    return Row(metadata.get("namespace", ""), metadata["name"], metadata.get("labels", {}), usage, created, item)


def _container_usage(name: str, usage: dict[str, str]) -> ContainerUsage:
    return ContainerUsage(name, int(parse_quantity(usage["cpu"]) * 10**9), int(parse_quantity(usage["memory"])))


def captured_row(document: str) -> Row:
    """Return the row of an object that metrics-server answered with."""
    body = json.loads((DATA / document).read_text())
    del body["kind"], body["apiVersion"]
    return document_row(body)


class FakeView:
    """Serves the rows it is given; ``known`` are nodes, and pods as ``namespace/name``, that have no row."""

    def __init__(self, nodes: Sequence[Row] = (), pods: Sequence[Row] = (), known: Sequence[str] = ()) -> None:
        self._nodes = sorted(nodes, key=lambda row: row.name)
        self._pods = sorted(pods, key=lambda row: (row.namespace, row.name))
        self._known = known

    def node(self, name: str) -> Row | None:
        return next((row for row in self._nodes if row.name == name), None)

    def knows_node(self, name: str) -> bool:
        return name in self._known

    def nodes(self) -> Sequence[Row]:
        return self._nodes

    def pod(self, namespace: str, name: str) -> Row | None:
        return next((row for row in self._pods if (row.namespace, row.name) == (namespace, name)), None)

    def knows_pod(self, namespace: str, name: str) -> bool:
        return f"{namespace}/{name}" in self._known

    def pods(self, namespace: str | None) -> Sequence[Row]:
        return [row for row in self._pods if namespace is None or row.namespace == namespace]


def small_view() -> FakeView:
    """Two nodes and four pods in two namespaces; node n3 and pod default/young are known and have no metrics."""
    return FakeView(
        nodes=[captured_row("node.json"), make_row("", "n2", {"zone": "b"})],
        pods=[
            captured_row("pod.json"),
            make_row("default", "db-0", {"app": "db"}),
            make_row("default", "web-2", {"app": "web", "track": "canary"}),
            make_row("shop", "web-1", {"app": "web"}),
        ],
        known=["n3", "default/young"],
    )


def make_api(
    view: MetricsView | None = None,
    probes: Probes | None = None,
    gate: Gate | None = None,
    clock: Clock | None = None,
) -> MetricsAPI:
    """Return an application over the small view unless told otherwise."""
    view = small_view() if view is None else view
    probes = Probes((PING,), (PING,), (PING,)) if probes is None else probes
    return build_api(view, probes, version="0.1.0", gate=gate, clock=clock)


def connect(api: MetricsAPI) -> httpx.AsyncClient:
    """Return a client without a network; an exception that leaves the application is the test's."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="https://metrics")


async def get(path: str, api: MetricsAPI | None = None, **headers: str) -> httpx.Response:
    """Send one GET; a header's underscores stand for hyphens."""
    async with connect(make_api() if api is None else api) as client:
        return await client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})
