"""Which pods the API server has bound to which node, by every uid under which the node's kubelet may speak of them."""

from __future__ import annotations

from collections.abc import Mapping

from metrics_api.model import PodInfo
from metrics_api.store.pods import Pod

_NONE: Mapping[str, Pod] = {}


class Bindings:
    """Pods by node name and uid. A node that is not known yet may have some."""

    def __init__(self) -> None:
        self._nodes: dict[str, dict[str, Pod]] = {}

    def of(self, node_name: str) -> Mapping[str, Pod]:
        """Return uid -> pod of one node; a static pod is there under all its uids."""
        return self._nodes.get(node_name, _NONE)

    def bind(self, pod: Pod) -> None:
        """Add a pod, as its ``info`` says now."""
        bound = self._nodes.setdefault(pod.info.node_name, {})
        for uid in _uids(pod.info):
            bound[uid] = pod

    def unbind(self, pod: Pod) -> None:
        """Remove a pod that was added and whose ``info`` has not changed since; another with its uid stays."""
        bound = self._nodes[pod.info.node_name]
        for uid in _uids(pod.info):
            if bound.get(uid) is pod:
                del bound[uid]
        if not bound:
            del self._nodes[pod.info.node_name]


def _uids(info: PodInfo) -> tuple[str, ...]:
    return *info.static_uids, info.uid
