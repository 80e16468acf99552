"""The values that pass between the rooms. They hold facts and import nothing of ours.

Units: times are seconds since the Unix epoch (``float``; a kubelet's milliseconds stay exact), CPU is nanocores or
core-nanoseconds, memory is bytes. ``None`` means *not known*, never zero.

``gc=False`` tells Python's collector not to follow these structs: they cannot be part of a reference cycle, and there
are hundreds of thousands of them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, Protocol

import msgspec


class PodKey(NamedTuple):
    """What names a pod in the API; its ``uid`` says which of several lives of that name is meant."""

    namespace: str
    name: str


class Endpoint(StrEnum):
    """Which of a kubelet's two documents a sample came from."""

    SUMMARY = "summary"
    RESOURCE = "resource"


class NodeInfo(msgspec.Struct, frozen=True, gc=False):
    """What we keep of a Node object."""

    name: str
    uid: str
    labels: dict[str, str]
    addresses: tuple[tuple[str, str], ...] = ()
    """(type, address) in the order of ``status.addresses``."""
    kubelet_port: int | None = None
    """``status.daemonEndpoints.kubeletEndpoint.Port``; ``None`` when absent or 0."""
    ready: bool | None = None
    """Condition Ready; ``None`` when Unknown or absent."""
    operating_system: str = ""
    """``status.nodeInfo.operatingSystem``: ``linux``, ``windows`` or empty."""
    cpu_cores: float | None = None
    """``status.capacity.cpu`` in cores."""
    memory_capacity: int | None = None
    """``status.capacity.memory`` in bytes."""
    max_pods: int | None = None
    """``status.allocatable.pods``."""
    resource_metrics_path: str | None = None
    """Annotation ``metrics.k8s.io/resource-metrics-path``, not validated."""
    created: float | None = None
    """``metadata.creationTimestamp``."""


class PodInfo(msgspec.Struct, frozen=True, gc=False):
    """What we keep of a Pod whose phase is Running."""

    namespace: str
    name: str
    uid: str
    labels: dict[str, str]
    node_name: str
    """``spec.nodeName``; empty when not scheduled."""
    static_uids: tuple[str, ...] = ()
    """Other uids a kubelet may report a static pod under: annotations ``config.hash``, ``config.mirror``."""
    required: tuple[str, ...] = ()
    """Containers that pod status says are running, sidecars (restartable init containers) included.

    All of them must have usage before the pod is served.
    """
    finished: tuple[str, ...] = ()
    """Containers that will not run again: never served, whatever the kubelet says of them.

    Init containers that are not running (but sidecars), and app and ephemeral containers that have ended for good.
    """
    started: float | None = None
    """``status.startTime``."""

    @property
    def key(self) -> PodKey:
        """Return the namespace and name."""
        return PodKey(self.namespace, self.name)


class Sample(msgspec.Struct, frozen=True, gc=False):
    """What one scrape said of one container, or of the node itself."""

    time: float
    """The kubelet's time of the CPU reading (of the memory reading when there is no CPU)."""
    cpu_total: int | None = None
    """Cumulative core-nanoseconds since ``start_time``."""
    cpu_rate: int | None = None
    """The kubelet's own mean in nanocores over a window of its own (``usageNanoCores``)."""
    working_set: int | None = None
    """Bytes."""
    start_time: float | None = None
    """When the container (for a node: its root cgroup) started."""


class PodSample(msgspec.Struct, frozen=True, gc=False):
    """One pod in one scrape."""

    namespace: str
    name: str
    uid: str | None
    """As the kubelet says; ``None`` from the resource endpoint, which does not say."""
    containers: dict[str, Sample]
    """Container name -> sample."""


class NodeSamples(msgspec.Struct, frozen=True, gc=False):
    """All that one scrape of one kubelet said."""

    node: Sample | None
    """``None`` when the document says nothing usable of the node itself."""
    pods: list[PodSample]
    endpoint: Endpoint
    time_step: float
    """Granularity of every ``Sample.time`` in seconds: 1.0 for Summary (whole seconds, cut), 0.001 for resource."""
    received: float
    """Our clock when the answer had arrived."""
    requested: float
    """Our clock when the request was sent; stands in for the time of series that carry none."""
    unstamped: bool = False
    """True when sample times are ours, because the document has none (KWOK): ages and skew say nothing then."""
    server_time: float | None = None
    """The ``Date`` header, whole seconds; for estimating the node's clock."""
    dropped: dict[str, int] = {}
    """Reason -> how many points of this document were dropped."""
    dropped_at: dict[str, str] = {}
    """Reason -> the first pod of which a point was dropped, ``namespace/name``; none where it was the node's own."""


class ContainerUsage(msgspec.Struct, frozen=True, gc=False):
    """What is served for one container."""

    name: str
    cpu: int
    """Nanocores, mean over the window."""
    memory: int
    """Working set in bytes."""


class Usage(msgspec.Struct, frozen=True, gc=False):
    """What is served for one node or pod. A node has one container with an empty name."""

    time: float
    """End of the window, the kubelet's time."""
    window: float
    """Seconds that the CPU mean covers."""
    containers: tuple[ContainerUsage, ...]


class CompactUsage(Protocol):
    """Usage in the form in which it is kept: spelled out when somebody asks for it."""

    @property
    def time(self) -> float:
        """End of the window."""
        ...

    def usage(self) -> Usage:
        """Return it spelled out."""
        ...

    def item(self, row: Row, former: bytes | None) -> bytes:
        """Return the item of a row that serves this; a former item of that row spares some work."""
        ...


READ_AGAIN = 8
"""So many changes after it was read, an object is still encoded before it is asked for: two minutes at 15 s."""


class Row(msgspec.Struct, gc=False):
    """One served object: a NodeMetrics (empty namespace) or a PodMetrics."""

    namespace: str
    name: str
    labels: dict[str, str]
    kept: Usage | CompactUsage
    """Its usage in either form; who reads it asks for ``usage``."""
    created: float
    """``metadata.creationTimestamp``: when this object was last changed."""
    encoded: bytes | None
    """``item``, when it has been made: always, where ``kept`` cannot make it."""
    protobuf: bytes | None = None
    """The same as an element of a list in protobuf. Made when first asked for; whoever changes ``kept`` clears it."""
    eager: int = 0
    """At how many more changes the item is made without being asked for: it was read not long ago."""
    version: int = 0
    """``metadata.resourceVersion``: the number of its latest change; 0, and not served, unless changes are numbered."""

    @property
    def usage(self) -> Usage:
        """What is served of it."""
        kept = self.kept
        return kept if isinstance(kept, Usage) else kept.usage()

    @usage.setter
    def usage(self, usage: Usage) -> None:
        self.kept = usage

    @property
    def item(self) -> bytes:
        """The object as an item of a list: compact JSON without ``kind`` and ``apiVersion``, alike in every version."""
        self.eager = READ_AGAIN
        item = self.encoded
        if item is None:
            kept = self.kept
            if isinstance(kept, Usage):
                raise ValueError(f"the row of {self.namespace}/{self.name} was given no item")
            item = self.encoded = kept.item(self, None)
        return item

    @item.setter
    def item(self, item: bytes) -> None:
        self.encoded = item

    @property
    def time(self) -> float:
        """The end of the window of its usage."""
        return self.kept.time


class Change(NamedTuple):
    """What became of one row."""

    version: int
    before: Row | None
    """``None`` when the row has come. When its labels have changed, a copy with the old ones; otherwise ``after``."""
    after: Row | None
    """``None`` when the row has gone."""


class ConfigMapInfo(msgspec.Struct, frozen=True, gc=False):
    """What we keep of a ConfigMap."""

    namespace: str
    name: str
    uid: str
    data: dict[str, str]
