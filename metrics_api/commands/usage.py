"""Nodes' and pods' usage, asked of a cluster the way ``kubectl top`` asks: discovery, metrics, then objects."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol, TypeVar

import msgspec

from metrics_api.errors import KubeError, KubeStatusError
from metrics_api.quantity import parse_quantity
from metrics_api.timetext import parse_rfc3339

KNOWN_VERSIONS = ("v1", "v1beta1")
_GROUP = "/apis/metrics.k8s.io"


class KubeReader(Protocol):
    """Reads from kube-apiserver."""

    async def get(self, path: str, *, query: Sequence[tuple[str, str]] = ()) -> bytes:
        """Return the body of a successful answer, or raise ``KubeError``."""
        ...


class Container(msgspec.Struct, frozen=True):
    """One container's usage: nanocores and bytes."""

    name: str
    cpu: int
    memory: int


class PodRow(msgspec.Struct, frozen=True):
    """One pod's usage."""

    namespace: str
    name: str
    containers: tuple[Container, ...]

    @property
    def cpu(self) -> int:
        """Return the pod's nanocores."""
        return sum(container.cpu for container in self.containers)

    @property
    def memory(self) -> int:
        """Return the pod's working set in bytes."""
        return sum(container.memory for container in self.containers)


class NodeRow(msgspec.Struct, frozen=True):
    """One node: usage, ``None`` when the API has none, and what of it pods may take."""

    name: str
    cpu: int | None
    memory: int | None
    allocatable_cpu: int | None
    allocatable_memory: int | None


class Measured(msgspec.Struct, frozen=True):
    """The usage of a node or a whole pod, and when it was measured."""

    name: str
    """Of a pod ``namespace/name``."""
    time: float
    """Unix seconds."""
    cpu: int
    memory: int


class _Metadata(msgspec.Struct):
    name: str
    namespace: str = ""


class _Usage(msgspec.Struct):
    cpu: str = "0"
    memory: str = "0"


class _NodeMetrics(msgspec.Struct):
    metadata: _Metadata
    usage: _Usage
    timestamp: str = ""


class _ContainerMetrics(msgspec.Struct):
    name: str
    usage: _Usage


class _PodMetrics(msgspec.Struct):
    metadata: _Metadata
    containers: list[_ContainerMetrics]
    timestamp: str = ""


class _NodeMetricsList(msgspec.Struct):
    items: list[_NodeMetrics]


class _PodMetricsList(msgspec.Struct):
    items: list[_PodMetrics]


class _Allocatable(msgspec.Struct):
    allocatable: _Usage = msgspec.field(default_factory=_Usage)


class _Node(msgspec.Struct):
    metadata: _Metadata
    status: _Allocatable


class _NodeList(msgspec.Struct):
    items: list[_Node]


class _GroupVersion(msgspec.Struct):
    version: str


class _Group(msgspec.Struct):
    versions: list[_GroupVersion]


async def served_version(kube: KubeReader) -> str:
    """Return the first version of ``metrics.k8s.io`` that the cluster advertises and we know.

    Raises:
        KubeError: there is none; the message says what kubectl says, and what to look at.
    """
    try:
        group = _decode(await kube.get(_GROUP), _Group)
    except KubeStatusError as error:
        if error.code != 404:
            raise
        group = _Group([])
    for entry in group.versions:
        if entry.version in KNOWN_VERSIONS:
            return entry.version
    raise KubeError("Metrics API not available: no APIService of group metrics.k8s.io (kubectl get apiservices)")


async def node_rows(kube: KubeReader, version: str, *, name: str = "", selector: str = "") -> list[NodeRow]:
    """Return the cluster's nodes by name, those without metrics too; one node when ``name`` is given."""
    query = (("labelSelector", selector),) if selector else ()
    metrics_path, nodes_path = f"{_GROUP}/{version}/nodes", "/api/v1/nodes"
    if name:
        metrics, node = await asyncio.gather(kube.get(f"{metrics_path}/{name}"), kube.get(f"{nodes_path}/{name}"))
        used, nodes = [_decode(metrics, _NodeMetrics)], [_decode(node, _Node)]
    else:
        metrics, listed = await asyncio.gather(kube.get(metrics_path, query=query), kube.get(nodes_path, query=query))
        used, nodes = _decode(metrics, _NodeMetricsList).items, _decode(listed, _NodeList).items
    usage = {item.metadata.name: item.usage for item in used}
    return [_node_row(node, usage.get(node.metadata.name)) for node in sorted(nodes, key=lambda n: n.metadata.name)]


async def pod_rows(
    kube: KubeReader, version: str, *, namespace: str, name: str = "", selector: str = ""
) -> list[PodRow]:
    """Return pods with metrics, by namespace and name.

    Args:
        kube: The API server.
        version: The API version to ask.
        namespace: One namespace; empty for all.
        name: One pod.
        selector: A label selector.
    """
    path = f"{_GROUP}/{version}/namespaces/{namespace}/pods" if namespace else f"{_GROUP}/{version}/pods"
    if name:
        items = [_decode(await kube.get(f"{path}/{name}"), _PodMetrics)]
    else:
        query = (("labelSelector", selector),) if selector else ()
        items = _decode(await kube.get(path, query=query), _PodMetricsList).items
    rows = [
        PodRow(
            item.metadata.namespace,
            item.metadata.name,
            tuple(Container(c.name, _nano(c.usage.cpu), _whole(c.usage.memory)) for c in item.containers),
        )
        for item in items
    ]
    return sorted(rows, key=lambda row: (row.namespace, row.name))


async def measured_nodes(kube: KubeReader, version: str) -> list[Measured]:
    """Return all nodes that have metrics, in the API's order."""
    items = _decode(await kube.get(f"{_GROUP}/{version}/nodes"), _NodeMetricsList).items
    return [Measured(i.metadata.name, _time(i.timestamp), _nano(i.usage.cpu), _whole(i.usage.memory)) for i in items]


async def measured_pods(kube: KubeReader, version: str) -> list[Measured]:
    """Return all pods that have metrics, in the API's order."""
    items = _decode(await kube.get(f"{_GROUP}/{version}/pods"), _PodMetricsList).items
    return [
        Measured(
            f"{item.metadata.namespace}/{item.metadata.name}",
            _time(item.timestamp),
            sum(_nano(container.usage.cpu) for container in item.containers),
            sum(_whole(container.usage.memory) for container in item.containers),
        )
        for item in items
    ]


def _node_row(node: _Node, usage: _Usage | None) -> NodeRow:
    return NodeRow(
        node.metadata.name,
        None if usage is None else _nano(usage.cpu),
        None if usage is None else _whole(usage.memory),
        _nano(node.status.allocatable.cpu) or None,
        _whole(node.status.allocatable.memory) or None,
    )


def _time(text: str) -> float:
    try:
        return parse_rfc3339(text)
    except ValueError as error:
        raise KubeError(f"the metrics API answered with a strange time: {error}") from error


def _nano(quantity: str) -> int:
    return _whole(quantity, Decimal(10**9))


def _whole(quantity: str, scale: Decimal = Decimal(1)) -> int:
    try:
        return int((parse_quantity(quantity) * scale).to_integral_value())
    except ValueError as error:
        raise KubeError(f"the metrics API answered with a strange quantity: {error}") from error


_Document = TypeVar("_Document", bound=msgspec.Struct)


def _decode(body: bytes, kind: type[_Document]) -> _Document:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise KubeError(f"the API server's answer is not the document asked for: {error}") from error
