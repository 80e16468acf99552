"""What a node or pod without usage lacks: worked out only when somebody asks why."""

from __future__ import annotations

from typing import NamedTuple

from metrics_api.model import NodeInfo, PodKey
from metrics_api.store.history import Lack, unpack
from metrics_api.store.nodes import Node
from metrics_api.store.pods import Pod


class NodeLack(NamedTuple):
    """A node."""

    selected: bool
    """Whether it is one of those that are scraped."""
    lack: Lack
    """Of its own sample; ``NEW`` also when there was none."""


class PodLack(NamedTuple):
    """A pod."""

    node_name: str
    """The node that the API server has bound it to."""
    node: NodeLack | None
    """``None`` when that node is not known."""
    started: float | None
    """Unix time, by the API server."""
    seen: bool
    """Whether the kubelet has mentioned it."""
    containers: tuple[tuple[str, Lack], ...]
    """The containers that must have usage, and what the latest scrape left them without."""


class NodePods(NamedTuple):
    """A node and the pods that the API server has bound to it."""

    info: NodeInfo
    served: bool
    """Whether the node has a row."""
    age: float | None
    """Of that row in seconds, by our clock; ``None`` when there is none."""
    skew: float
    """Our clock minus the node's, in seconds; 0 also when nothing is known of it."""
    lack: Lack
    """What the node's own latest sample lacked."""
    pods: int
    """How many run on it, as the API server says."""
    unserved: tuple[PodKey, ...]
    """Those that have no row, by namespace and name."""


def pod_lack(pod: Pod, node: Node | None) -> PodLack:
    """Return what a pod lacks.

    Args:
        pod: The pod.
        node: Its node.
    """
    info = pod.info
    known = {name: Lack(history.lack) for name, history in zip(pod.names, unpack(pod.packed), strict=True)}
    wanted = info.required or tuple(name for name in pod.names if name not in info.finished)
    return PodLack(
        info.node_name,
        None if node is None else NodeLack(node.selected, Lack(node.history.lack)),
        info.started,
        bool(pod.names),
        tuple((name, known.get(name, Lack.ABSENT)) for name in wanted),
    )
