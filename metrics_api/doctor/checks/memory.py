"""Memory: that of nodes beside what kubectl divides it by, and the server's own beside what it is given."""

from __future__ import annotations

from collections.abc import Iterator

from metrics_api.doctor.checks.pods import servers
from metrics_api.doctor.checks.telling import when_told
from metrics_api.doctor.facts import Facts, known
from metrics_api.doctor.findings import Finding, info, some, warning
from metrics_api.doctor.objects import Node, memory_in
from metrics_api.doctor.workloads import Container
from metrics_api.reports import StatusReport

_MIB = 1 << 20
_NEAR = 0.8
"""Part of a limit from which the next burst of reads may be one too many."""
_HEADROOM = 1.45
_STEP = 10 * _MIB


def above_allocatable(facts: Facts) -> Iterator[Finding]:
    """Nodes of which ``kubectl top`` says more than 100 %."""
    memory = facts.node_memory
    lines = [_above(node, memory.get(node.metadata.name)) for node in known(facts.nodes) or ()]
    yield from above_hundred([line for line in lines if line is not None])


def of_node(node: Node, memory: int | None) -> Iterator[Finding]:
    """Yield the same of one node; ``memory`` is what it uses, in bytes."""
    line = _above(node, memory)
    yield from above_hundred([] if line is None else [line])


def above_hundred(lines: list[str]) -> Iterator[Finding]:
    """Yield the finding of these nodes, one line for each."""
    if lines:
        yield info(
            "node-memory-above",
            "kubectl top shows more than 100 % of memory: it divides by what pods may have, not by what the node has",
            *some(lines),
            remedy="The values are right, and nothing is wrong where the system's own programs use what is "
            "reserved for them. Near the node's capacity pods are evicted: let it have fewer of them, or more memory",
        )


@when_told
def short(status: StatusReport, facts: Facts) -> Iterator[Finding]:
    """The server itself, near its limit or above its request."""
    used, container = status.memory, _server(status, facts)
    if used is None or container is None or container.resources is None:
        return
    limit, request = memory_in(container.resources.limits), memory_in(container.resources.requests)
    size = f"it serves {status.rows['nodes'].expected} nodes and {status.rows['pods'].expected} pods"
    wanted = f"{-(-int(used * _HEADROOM) // _STEP) * _STEP // _MIB}Mi"
    if limit is not None and used >= _NEAR * limit:
        yield warning(
            "server-memory-short",
            f"the server has taken {_mib(used)} of the {_mib(limit)} MiB that it may have",
            size,
            remedy=f"Raise resources.limits.memory to {wanted} or more; above the limit it is killed",
        )
    elif request is not None and used > request:
        yield info(
            "server-memory-short",
            f"the server has taken {_mib(used)} MiB and requests {_mib(request)}",
            size,
            remedy=f"Raise resources.requests.memory to {wanted}: a node evicts pods above their request first",
        )


def _above(node: Node, used: int | None) -> str | None:
    allocatable, capacity = memory_in(node.status.allocatable), memory_in(node.status.capacity)
    if used is None or not allocatable or used <= allocatable:
        return None
    whole = "" if capacity is None else f", capacity {_gib(capacity)}"
    return (
        f"{node.metadata.name}: {100 * used / allocatable:.0f} %: {_gib(used)} used, "
        f"allocatable {_gib(allocatable)}{whole}"
    )


def _server(status: StatusReport, facts: Facts) -> Container | None:
    """Return the container that told of itself; the first server's where no pod has that name."""
    found = list(servers(facts))
    own = (container for pod, container in found if pod.metadata.name == status.instance)
    return next(own, found[0][1] if found else None)


def _mib(size: int) -> str:
    return f"{size / _MIB:.0f}"


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB"
