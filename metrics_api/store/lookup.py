"""All that is looked up of nodes and pods: rows for readers, and what is lacking for those who wonder.

It changes nothing; ``Store`` does, on the same event loop. A row is changed in place by each new sample: a reader takes
what it needs of it before it next awaits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from metrics_api.clock import Clock
from metrics_api.model import Row
from metrics_api.store.bindings import Bindings
from metrics_api.store.changes import Changes
from metrics_api.store.encode import encode_node, encode_pod
from metrics_api.store.history import Lack
from metrics_api.store.lacks import NodeLack, NodePods, PodLack, pod_lack
from metrics_api.store.nodes import GAP_SLACK, Node
from metrics_api.store.pods import Pod
from metrics_api.store.tally import Tally
from metrics_api.store.view import View, due

_DROPS = {Lack.STALE: "stale", Lack.FUTURE: "future", Lack.CPU_BOUND: "cpu_bound", Lack.MEMORY_BOUND: "memory_bound"}


class Lookup:
    """What is known of nodes and pods, for whoever asks.

    Args:
        clock: Wall time for ``creationTimestamp``, monotonic time for ages.
        resolution: Seconds from scrape to scrape of one node.
        max_age: Seconds after which usage is no longer served, counted from the kubelet's sample.
        changes: Is told of every change of a row; ``None`` when nobody may watch.
    """

    def __init__(self, clock: Clock, *, resolution: float, max_age: float, changes: Changes | None = None) -> None:
        self._clock = clock
        self._resolution = resolution
        self._max_age = max_age
        self._nodes: View[Node] = View(encode_node, changes)
        self._pods: View[Pod] = View(encode_pod, changes)
        self._bindings = Bindings()
        self._lacks: Counter[int] = Counter()

    # Rows.

    def node(self, name: str) -> Row | None:
        """Return a node's row, ``None`` when the node is not known or has no usage."""
        return self._nodes.row("", name)

    def knows_node(self, name: str) -> bool:
        """Tell whether the API server has such a node, selected or not."""
        return self._nodes.get("", name) is not None

    def nodes(self) -> Sequence[Row]:
        """Return the rows of all nodes by name.

        The very same object until one comes, goes, or changes its labels. Not to be changed by the caller.
        """
        return self._nodes.rows("")

    def pod(self, namespace: str, name: str) -> Row | None:
        """Return a pod's row, ``None`` when the pod is not known or has no usage."""
        return self._pods.row(namespace, name)

    def knows_pod(self, namespace: str, name: str) -> bool:
        """Tell whether the API server has such a running pod."""
        return self._pods.get(namespace, name) is not None

    def pods(self, namespace: str | None) -> Sequence[Row]:
        """Return the rows of a namespace by name, or with ``None`` all of them by namespace and name.

        The very same object until one comes, goes, or changes its labels. Not to be changed by the caller.
        """
        return self._pods.rows(namespace)

    def rows(self, scope: str | None) -> Sequence[Row]:
        """Return the rows of the nodes (an empty scope), of the pods of a namespace, or of all pods (``None``)."""
        return self.nodes() if scope == "" else self.pods(scope)

    @property
    def served_nodes(self) -> int:
        """How many nodes have a row."""
        return self._nodes.served

    @property
    def served_pods(self) -> int:
        """How many pods have a row."""
        return self._pods.served

    # What is lacking.

    def node_lack(self, name: str) -> NodeLack | None:
        """Return what a node lacks; ``None`` when the API server has no such node."""
        state = self._nodes.get("", name)
        return None if state is None else NodeLack(state.selected, Lack(state.history.lack))

    def pod_lack(self, namespace: str, name: str) -> PodLack | None:
        """Return what a pod lacks; ``None`` when the API server has no such running pod."""
        pod = self._pods.get(namespace, name)
        return None if pod is None else pod_lack(pod, self._nodes.get("", pod.info.node_name))

    def node_pods(self, name: str) -> NodePods | None:
        """Return a node and its pods; ``None`` when the API server has no such node, or it is not selected."""
        state = self._nodes.get("", name)
        if state is None or not state.selected:
            return None
        pods = {id(pod): pod for pod in self._bindings.of(name).values()}.values()  # static ones have several uids
        unserved = sorted(pod.info.key for pod in pods if pod.row is None)
        age = None if state.row is None else self._clock.monotonic() + self._max_age - due(state)
        lack = Lack(state.history.lack)
        return NodePods(state.info, state.row is not None, age, state.skew, lack, len(pods), tuple(unserved))

    # Figures.

    @property
    def dropped(self) -> Mapping[str, int]:
        """Reason -> how many samples were not used: ``stale``, ``future``, ``cpu_bound``, ``memory_bound``."""
        return {reason: self._lacks[lack] for lack, reason in _DROPS.items()}

    def selected_nodes(self) -> list[str]:
        """Return the names of the nodes that are served when they have usage."""
        return [state.info.name for state in self._nodes if state.selected]

    def count(self, node_name: str, tally: Tally) -> None:
        """Add a node and its pods to a tally; a node that is gone adds nothing."""
        state = self._nodes.get("", node_name)
        if state is not None and state.selected:
            pods = self._bindings.of(node_name).values()
            tally.count(state, pods, monotonic=self._clock.monotonic(), max_age=self._max_age)

    def new_tally(self) -> Tally:
        """Return an empty tally. Rows older than a period and a kubelet's own slack count as stale."""
        return Tally(self._resolution + GAP_SLACK)

    def clock_ahead(self, node_name: str) -> float | None:
        """Return by how many seconds a node's clock is ahead of ours, negative when it is behind.

        ``None`` when the node is not known, or no answer of it had a ``Date``.
        """
        state = self._nodes.get("", node_name)
        return None if state is None or not state.dated else -state.skew
