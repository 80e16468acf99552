"""The resource document, ``/metrics/resource`` (Prometheus text), into samples.

A kubelet writes this text by fixed rules, so one regular expression over the bytes finds all that is used, thirty times
faster than a general parser. Label sets are the same at every scrape; what they say is remembered per node.
Rules: Kubernetes' ``pkg/kubelet/metrics/collectors/resource_metrics.go`` and the Prometheus text format 0.0.4.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from metrics_api.errors import DecodeError, ScrapeError
from metrics_api.kubelet.dropped import Dropped, DropReason
from metrics_api.kubelet.names import is_pod_name, shared_label
from metrics_api.kubelet.summary import MOST_CONTAINERS, most_pods
from metrics_api.model import Endpoint, NodeInfo, NodeSamples, PodSample, Sample

_TIME_STEP = 0.001
_GREATEST_NUMBER = 2**64 - 1
_NANOSECONDS = 1_000_000_000
_MOST_LINES = 300_000
_EARLIEST_MS, _LATEST_MS = 1_000_000_000_000, 253_402_300_799_999  # the years 2001 to 9999
_EARLIEST_START = 1e9  # below, it is an age (KWOK) and no time
_START_TOLERANCE = 60.0

# Groups: c, m or s for a container's CPU, memory or start; its label set; c or m for the node's; the error gauge; the
# value; the time; a line that begins like one of these and is none. Names without "_total" are those of 1.18.0. A label
# set that holds a brace within quotes is cut short here, and then is no label set: dropped, not misread.
_LINES = re.compile(
    rb"\n(?:container_(c|m|s)(?:pu_usage_seconds(?:_total)?|emory_working_set_bytes|tart_time_seconds)\{([^}\n]*+)\}"
    rb"|node_(c|m)(?:pu_usage_seconds(?:_total)?|emory_working_set_bytes)"
    rb"|((?:resource_)?scrape_error))"
    rb"[ \t]++([0-9A-Za-z+.-]++)(?:[ \t]++([0-9A-Za-z+.-]++))?+[ \t]*+(?=[\r\n]|\Z)"
    rb"|\n((?:container|node)_(?:cpu_usage_seconds(?:_total)?|memory_working_set_bytes|start_time_seconds))"
    rb"(?=[{ \t\r\n]|\Z)"
)
_LABELS_AS_KUBELETS_WRITE = re.compile(
    rb'container="([-a-z0-9]{1,63})",namespace="([-a-z0-9]{1,63})",pod="([-.a-z0-9]{1,253})"'
).fullmatch
_LABEL = re.compile(rb'[ \t]*([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*"([^"\\]*)"[ \t]*(?:,[ \t]*|\Z)')


class _Key(NamedTuple):
    namespace: str
    pod: str
    container: str

    @property
    def name(self) -> str:
        """Return the pod's name."""
        return self.pod


_NODE = _Key("", "", "")
_Points = dict[_Key, tuple[float | None, int]]
"""Time, ``None`` when the series carries none, and value."""


class _Scan:
    """What one document says."""

    __slots__ = ("_labels", "_received", "cpu", "dropped", "ended", "failed", "memory", "starts")

    def __init__(self, labels: dict[bytes, _Key], received: float) -> None:
        self._labels = labels
        self._received = received
        self.cpu: _Points = {}
        self.memory: _Points = {}
        self.starts: dict[_Key, float] = {}
        self.dropped = Dropped()
        self.ended = False
        """Whether the error gauge was there, which is the last series in what a kubelet writes."""
        self.failed = False
        """Whether the error gauge says that the kubelet could not collect."""

    def read(self, body: bytes) -> None:
        """Read all lines that matter."""
        if body.count(b"\n") > _MOST_LINES:
            raise ScrapeError("too_large", f"the answer has more than {_MOST_LINES} lines")
        labels = self._labels
        for kind, label_set, node_kind, gauge, value, stamp, broken in _LINES.findall(b"\n" + body):
            if kind:
                key = labels.get(label_set) or self._learn(label_set)
                if key is not None:
                    self._take(kind, key, value, stamp)
            elif node_kind:
                self._take(node_kind, _NODE, value, stamp)
            elif gauge:
                self.ended = True
                self.failed = value not in (b"0", b"0.0")
            elif broken:
                self._drop("bad_line", None)

    def _take(self, kind: bytes, key: _Key, value: bytes, stamp: bytes) -> None:
        try:
            number = float(value)
        except ValueError:
            self._drop("bad_number", key)
            return
        if kind == b"s":
            # Its time stamp, where there is one (1.22 to 1.28), is the start itself and says nothing.
            if _EARLIEST_START < number <= self._received + _START_TOLERANCE:
                self.starts[key] = max(number, self.starts.get(key, 0))
            return
        points = self.memory
        if kind == b"c":
            number *= _NANOSECONDS
            points = self.cpu
        if not 0 <= number <= _GREATEST_NUMBER:  # nor is NaN
            self._drop("bad_number", key)
            return
        time = None
        if stamp:
            time = _time(stamp)
            if time is None:
                self._drop("bad_time", key)
                return
        if key in points:
            self._drop("duplicate", key)
            if (points[key][0] or 0) > (time or 0):
                return
        points[key] = time, round(number)

    def _drop(self, reason: DropReason, key: _Key | None) -> None:
        self.dropped.place = None if key is _NODE else key
        self.dropped[reason] += 1

    def _learn(self, label_set: bytes) -> _Key | None:
        key = _key(label_set)
        if key is None:
            self._drop("bad_name", None)
        else:
            self._labels[label_set] = key
        return key

    def sample(self, key: _Key, requested: float) -> Sample | None:
        """Return what is known of a container or the node; ``None`` when that is nothing, or only a start."""
        cpu, memory = self.cpu.get(key), self.memory.get(key)
        first = cpu or memory
        if first is None:
            return None
        time = requested if first[0] is None else first[0]
        return Sample(time, cpu and cpu[1], None, memory and memory[1], self.starts.get(key))

    def pods(self, node: NodeInfo, requested: float) -> list[PodSample]:
        """Return the pods that something is known of."""
        limit = most_pods(node)
        found: dict[tuple[str, str], dict[str, Sample]] = {}
        for key in self.cpu | self.memory:
            namespace, name, container = key
            sample = self.sample(key, requested)
            if sample is None or key is _NODE:
                continue
            pod = found.get((namespace, name))
            if pod is None:
                if len(found) >= limit:
                    self._drop("too_many", key)
                    continue
                pod = found[namespace, name] = {}
            if len(pod) >= MOST_CONTAINERS:
                self._drop("too_many", key)
                continue
            pod[container] = sample
        return [PodSample(namespace, name, None, containers) for (namespace, name), containers in found.items()]

    @property
    def stamped(self) -> bool:
        """Tell whether any reading carries a time."""
        return any(time is not None for points in (self.cpu, self.memory) for time, _ in points.values())


def _time(stamp: bytes) -> float | None:
    try:
        milliseconds = int(stamp)
    except ValueError:
        return None
    return milliseconds / 1000 if _EARLIEST_MS <= milliseconds <= _LATEST_MS else None


def _key(label_set: bytes) -> _Key | None:
    """Return whom a label set means, in whatever order and spacing; ``None`` when it means no container."""
    usual = _LABELS_AS_KUBELETS_WRITE(label_set)
    if usual is not None:
        container, namespace, pod = usual.groups()
    else:
        labels: dict[bytes, bytes] = {}
        at = 0
        while at < len(label_set):
            label = _LABEL.match(label_set, at)
            if label is None:
                return None
            labels[label[1]] = label[2]
            at = label.end()
        container, namespace, pod = (labels.get(name, b"") for name in (b"container", b"namespace", b"pod"))
    shared_container = shared_label(container.decode("latin-1"))
    shared_namespace = shared_label(namespace.decode("latin-1"))
    name = pod.decode("latin-1")
    if shared_container is None or shared_namespace is None or not is_pod_name(name):
        return None
    return _Key(shared_namespace, name, shared_container)


class ResourceDecoder:
    """Decodes one node's documents."""

    __slots__ = ("_labels",)

    def __init__(self) -> None:
        self._labels: dict[bytes, _Key] = {}

    @property
    def remembered(self) -> int:
        """Return how many label sets are remembered: never many more than the node has containers."""
        return len(self._labels)

    def decode(
        self, body: bytes, node: NodeInfo, *, requested: float, received: float, server_time: float | None = None
    ) -> NodeSamples:
        """Return what the document says.

        Args:
            body: The document.
            node: Who was asked. The document does not name it.
            requested: Our clock when the request was sent; the time of series that carry none.
            received: Our clock when the answer had come.
            server_time: The ``Date`` header.

        Raises:
            DecodeError: it is cut off, or no such document.
            ScrapeError: ``no_data``, the kubelet says that it could not collect; ``too_large``, too many lines.
        """
        scan = _Scan(self._labels, received)
        scan.read(body)
        if not (scan.cpu or scan.memory or scan.dropped):
            if scan.failed:
                raise ScrapeError(
                    "no_data", "the kubelet answered resource_scrape_error 1: its container runtime fails, see its log"
                )
            if not scan.ended:
                raise DecodeError(f"no resource metrics in the answer; it begins {body[:60]!r}")
        elif not scan.ended and not body.endswith(b"\n"):
            raise DecodeError("the answer is cut off: it ends within a line")
        pods = scan.pods(node, requested)
        self._prune(len(scan.cpu))
        return NodeSamples(
            node=scan.sample(_NODE, requested),
            pods=pods,
            endpoint=Endpoint.RESOURCE,
            time_step=_TIME_STEP,
            received=received,
            requested=requested,
            unstamped=not scan.stamped,
            server_time=server_time,
            dropped=scan.dropped.counts(),
            dropped_at=scan.dropped.places(),
        )

    def _prune(self, in_use: int) -> None:
        if len(self._labels) > 2 * in_use + 100:
            self._labels.clear()
