"""What was really used: the answer that every served metric approximates."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from metrics_api.localcluster.fleet.inventory import FleetContainer, FleetNode, FleetPod
from metrics_api.localcluster.fleet.load import ContainerLoad
from metrics_api.model import PodKey


class Truth:
    """Means of CPU in nanocores and memory in bytes, of the nodes and pods that are there now.

    A pod is its containers, without the sandbox that its own cgroup counts too, as the metrics API has it.
    Each start of a container costs tens of milliseconds at once, and the mean over a time with a start has them.

    Every method raises ``LookupError`` for a node, pod or container that is not there.

    Args:
        nodes: Node name -> node; read at every question.
        node_of: The node that runs a pod; raises ``LookupError``.
    """

    def __init__(self, nodes: Mapping[str, FleetNode], node_of: Callable[[PodKey], FleetNode]) -> None:
        self._nodes = nodes
        self._node_of = node_of

    def node_cpu(self, name: str, start: float, end: float) -> float:
        """Return the mean nanocores of a node between two Unix times."""
        node = self._node(name)
        return _mean(node.cpu_used, start, end)

    def node_memory(self, name: str, at: float) -> int:
        """Return the working set of a node in bytes."""
        return self._node(name).memory_used(at)

    def pod_cpu(self, key: PodKey, start: float, end: float) -> float:
        """Return the mean nanocores of a pod's containers between two Unix times."""
        return _mean(self._pod(key).cpu_used, start, end)

    def pod_memory(self, key: PodKey, at: float) -> int:
        """Return the working sets of a pod's containers in bytes."""
        return sum(load.working_set(at) for load in self._pod(key).loads)

    def container_cpu(self, key: PodKey, container: str, start: float, end: float) -> float:
        """Return the mean nanocores of one container between two Unix times, over restarts."""
        return _mean(self._load(key, container).total, start, end)

    def container_memory(self, key: PodKey, container: str, at: float) -> int:
        """Return the working set of one container in bytes."""
        return self._load(key, container).working_set(at)

    def _node(self, name: str) -> FleetNode:
        node = self._nodes.get(name)
        if node is None:
            raise LookupError(f"the fleet has no node {name!r}")
        return node

    def _pod(self, key: PodKey) -> FleetPod:
        return self._node_of(key).pods[key]

    def _load(self, key: PodKey, name: str) -> ContainerLoad:
        return running_container(self._pod(key), name)[1]


def running_container(pod: FleetPod, name: str) -> tuple[FleetContainer, ContainerLoad]:
    """Return a container that runs, and its load.

    Raises:
        LookupError: The pod has no such container, or it is an init container that has finished.
    """
    for container in pod.containers:
        if container.name == name and container.load is not None:
            return container, container.load
    raise LookupError(f"pod {pod.key.namespace}/{pod.name} runs no container {name!r}")


def _mean(used: Callable[[float], float], start: float, end: float) -> float:
    if not start < end:
        raise ValueError(f"a mean needs a start before its end, got {start} and {end}")
    return (used(end) - used(start)) / (end - start)
