"""``/metrics/resource`` of one node at a moment, in Prometheus' text format as Go's ``expfmt`` writes it.

Families are sorted by name, series by their label values (container, namespace, pod), times are milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable

from metrics_api.localcluster.fleet.inventory import FleetNode
from metrics_api.localcluster.fleet.readings import Reading, read_container, read_node, read_pod
from metrics_api.localcluster.fleet.sampling import Sampling

_SWAP = "Reported only on non-windows systems"
_ERROR = "1 if there was an error while getting container metrics, 0 otherwise"


def _head(name: str, kind: str, stability: str, text: str) -> str:
    return f"# HELP {name} [{stability}] {text}\n# TYPE {name} {kind}\n"


def _cpu_head(what: str) -> str:
    text = f"Cumulative cpu time consumed by the {what} in core-seconds"
    return _head(f"{what}_cpu_usage_seconds_total", "counter", "STABLE", text)


def _memory_head(what: str) -> str:
    return _head(f"{what}_memory_working_set_bytes", "gauge", "STABLE", f"Current working set of the {what} in bytes")


def _swap_head(what: str) -> str:
    text = f"Current swap usage of the {what}" if what == "node" else f"Current amount of the {what} swap usage"
    return _head(f"{what}_swap_usage_bytes", "gauge", "ALPHA", f"{text} in bytes. {_SWAP}")


_CONTAINER_START_HEAD = _head(
    "container_start_time_seconds", "gauge", "STABLE", "Start time of the container since unix epoch in seconds"
)
_CONTAINER_SWAP_LIMIT_HEAD = _head(
    "container_swap_limit_bytes", "gauge", "ALPHA", f"Current amount of the container swap limit in bytes. {_SWAP}"
)
_TAIL = (
    f"{_head('resource_scrape_error', 'gauge', 'STABLE', _ERROR)}resource_scrape_error 0\n"
    f"{_head('scrape_error', 'gauge', 'ALPHA', _ERROR)}scrape_error 0\n"
)


class ResourceWriter:
    """Writes one node's resource metrics.

    Args:
        node: Whose.
        sample: Which samples its kubelet has.
    """

    def __init__(self, node: FleetNode, sample: Sampling) -> None:
        self._node = node
        self._sample = sample

    def document(self, now: float) -> bytes:
        """Return the whole text."""
        return "".join((*self._containers(now), *self._node_families(now), *self._pods(now), _TAIL)).encode("ascii")

    def _containers(self, now: float) -> Iterable[str]:
        series = sorted(
            (container.name, pod.workload.namespace, pod.name, reading)
            for pod in self._node.pods.values()
            for container in pod.containers
            if (reading := read_container(container, self._sample, now)) is not None
        )
        labelled = [
            (f'{{container="{name}",namespace="{namespace}",pod="{pod}"}}', reading)
            for name, namespace, pod, reading in series
        ]
        if not labelled:
            return ()
        starts = "".join(
            [f"container_start_time_seconds{labels} {go_float(reading.start)}\n" for labels, reading in labelled]
        )
        return (
            _cpu_head("container") + _cpu("container", labelled),
            _memory_head("container") + _memory("container", labelled),
            _CONTAINER_START_HEAD + starts,
            _CONTAINER_SWAP_LIMIT_HEAD + _zeros("container_swap_limit_bytes", labelled),
            _swap_head("container") + _zeros("container_swap_usage_bytes", labelled),
        )

    def _node_families(self, now: float) -> Iterable[str]:
        series = [("", read_node(self._node, self._sample, now).node)]
        return _usage_families("node", series)

    def _pods(self, now: float) -> Iterable[str]:
        series = sorted(
            (f'{{namespace="{pod.workload.namespace}",pod="{pod.name}"}}', read_pod(pod, self._sample, now))
            for pod in self._node.pods.values()
        )
        return _usage_families("pod", series) if series else ()


_Series = list[tuple[str, Reading]]
"""(Label text, reading)."""


def _usage_families(what: str, series: _Series) -> Iterable[str]:
    return (
        _cpu_head(what) + _cpu(what, series),
        _memory_head(what) + _memory(what, series),
        _swap_head(what) + _zeros(f"{what}_swap_usage_bytes", series),
    )


def _cpu(what: str, series: _Series) -> str:
    name = f"{what}_cpu_usage_seconds_total"
    return "".join([f"{name}{labels} {go_float(r.counter / 1e9)} {int(r.time * 1000)}\n" for labels, r in series])


def _memory(what: str, series: _Series) -> str:
    name = f"{what}_memory_working_set_bytes"
    return "".join([f"{name}{labels} {go_float(float(r.working_set))} {int(r.time * 1000)}\n" for labels, r in series])


def _zeros(name: str, series: _Series) -> str:
    return "".join([f"{name}{labels} 0 {int(r.time * 1000)}\n" for labels, r in series])


def go_float(value: float) -> str:
    """Return a number that is not negative as Go's ``strconv`` does with format ``g`` and the shortest precision.

    Both languages choose the shortest digits that read back as the same number; Go turns to an exponent at 1e+06
    (Python at 1e+16), leaves out ``.0``, and both turn to one below 1e-04.
    """
    text = repr(value)
    if value < 1e6:
        return text.removesuffix(".0")
    if value >= 1e16:
        return text
    whole, _, fraction = text.partition(".")
    digits = (whole + fraction).rstrip("0")
    exponent = len(whole) - 1
    return f"{digits[0]}.{digits[1:]}e+{exponent:02d}" if len(digits) > 1 else f"{digits}e+{exponent:02d}"
