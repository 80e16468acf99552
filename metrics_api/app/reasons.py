"""Why a node or pod has no metrics, in words, and when they are expected.

Who may read a pod's metrics may not know nodes' addresses, so a pod's reason names the class of its node's fault only.
A node's own reason says all that is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from metrics_api.clock import Clock
from metrics_api.model import PodKey
from metrics_api.scraper.node_state import Situation
from metrics_api.store.history import Lack
from metrics_api.store.lacks import PodLack
from metrics_api.store.store import Store

_FAULTS = {
    "no_address": "it has no address that can be used",
    "denied_address": "its address is one of those that are never connected to",
    "dns": "its name cannot be resolved",
    "refused": "it refuses the connection",
    "unreachable": "it cannot be reached",
    "timeout": "no answer in time",
    "reset": "the connection broke off",
    "tls": "its certificate is not accepted",
    "no_serving_cert": "its kubelet has no serving certificate yet",
    "unauthorized": "its kubelet does not accept the metrics server's credentials",
    "forbidden": "its kubelet forbids the metrics server to read statistics",
    "not_found": "its kubelet offers no statistics",
    "redirect": "its kubelet answers with a redirect",
    "too_large": "its kubelet's answer is too large",
    "protocol": "its kubelet's answer is no HTTP",
    "decode": "its kubelet's answer cannot be understood",
    "wrong_node": "another node answers at its address",
    "no_data": "its kubelet's answer holds no data",
}
_LACKS = {
    Lack.NOTHING: "its sample is too old",
    Lack.NEW: "one sample does not say a rate yet",
    Lack.NO_CPU: "no CPU usage was reported",
    Lack.NO_MEMORY: "no working set was reported",
    Lack.ABSENT: "the kubelet does not report it",
    Lack.STALE: "the kubelet repeats a sample that is too old",
    Lack.FUTURE: "its sample lies in the node's future",
    Lack.CPU_BOUND: "more CPU was reported than the node has",
    Lack.MEMORY_BOUND: "more memory was reported than the node has",
}
_MOST_CONTAINERS = 3
_YOUNG = 60.0
_HOUR, _DAY = 3600.0, 86_400.0
_NOT_ASKED = "not_asked"
_FIRST_SAMPLE = "first_sample"
_UNSELECTED = "it is not selected by --node-selector"


class Reasons:
    """Says why.

    Args:
        store: What samples there are.
        situation: How the scraping of a node stands, by its name; ``None`` when it is not scraped.
        clock: Time.
    """

    def __init__(self, store: Store, situation: Callable[[str], Situation | None], clock: Clock) -> None:
        self._store = store
        self._situation = situation
        self._clock = clock

    def node(self, name: str) -> str | None:
        """Return why a node has no metrics, ``None`` when it is not known."""
        found = self._store.node_lack(name)
        if found is None:
            return None
        if not found.selected:
            return _UNSELECTED
        situation = self._situation(name)
        if situation is None or situation.since_asked is None:
            return "it has not been asked yet" + _next(situation)
        if situation.reason is not None:
            return f"{_unscraped(situation)}: {situation.reason}: {situation.message}{_next(situation)}"
        return _LACKS[found.lack] + _next(situation)

    def pod(self, namespace: str, name: str) -> str | None:
        """Return why a running pod has no metrics, ``None`` when it is not known."""
        found = self._store.pod_lack(namespace, name)
        if found is None:
            return None
        node = f"node {found.node_name}"
        if found.node is None:
            return f"its {node} is not known"
        if not found.node.selected:
            return f"its {node}: {_UNSELECTED}"
        situation = self._situation(found.node_name)
        if situation is None or situation.since_asked is None:
            return f"{self._age(found)}{node} has not been asked yet{_next(situation)}"
        if situation.reason is not None:
            fault = _FAULTS.get(situation.reason, "an error")
            return f"{node} {_unscraped(situation)}: {situation.reason}: {fault}{_next(situation)}"
        return self._age(found) + self._of_samples(found, situation)

    def kind_of_node(self, name: str) -> str:
        """Return the class of why a node has no metrics, for counting."""
        found, situation = self._store.node_lack(name), self._situation(name)
        if found is None or situation is None or situation.since_asked is None:
            return _NOT_ASKED
        return situation.reason or found.lack.name.lower()

    def kinds_of_pods(self, node_name: str, pods: Sequence[PodKey]) -> Counter[str]:
        """Return the classes of why pods of one node have no metrics, counted."""
        situation = self._situation(node_name)
        if situation is not None and situation.reason is not None:  # then it is the same for all, and cheap
            return Counter({situation.reason: len(pods)} if pods else {})
        return Counter(self.kind_of_pod(*key) for key in pods)

    def kind_of_pod(self, namespace: str, name: str) -> str:
        """Return the class of why a running pod has no metrics, for counting."""
        found = self._store.pod_lack(namespace, name)
        if found is None or found.node is None:
            return "no_node"
        situation = self._situation(found.node_name)
        if situation is None or situation.since_asked is None:
            return _NOT_ASKED
        if situation.reason is not None:
            return situation.reason
        if not found.seen:
            return _FIRST_SAMPLE if self._is_young(found) else "not_reported"
        lacking = [lack for _, lack in found.containers if lack]
        if all(lack is Lack.NEW for lack in lacking):
            return _FIRST_SAMPLE
        return next(lack for lack in lacking if lack is not Lack.NEW).name.lower()

    def _is_young(self, found: PodLack) -> bool:
        return found.started is not None and self._clock.now() - found.started < _YOUNG

    def _of_samples(self, found: PodLack, situation: Situation) -> str:
        soon = _in(situation.until_next)
        if not found.seen:
            if self._is_young(found):
                return f"first sample expected {soon}"
            return f"the kubelet of node {found.node_name} does not report it; asked again {soon}"
        lacking = [(name, lack) for name, lack in found.containers if lack]
        if lacking and all(lack is Lack.NEW for _, lack in lacking):
            return f"one sample does not say a rate yet; the next is expected {soon}"
        said = [f"container {name}: {_LACKS[lack]}" for name, lack in (lacking or found.containers)[:_MOST_CONTAINERS]]
        return "; ".join([*said, f"next sample {soon}"])

    def _age(self, found: PodLack) -> str:
        if found.started is None:
            return ""
        return f"started {_ago(max(self._clock.now() - found.started, 0))} ago; "


def _ago(seconds: float) -> str:
    """Return a time as a reader wants it: to the second while that matters."""
    if seconds < _HOUR:
        return f"{seconds:.0f} s"
    return f"{seconds / _HOUR:.0f} h" if seconds < 2 * _DAY else f"{seconds / _DAY:.0f} d"


def _unscraped(situation: Situation) -> str:
    if situation.since_answer is None:
        return "was never scraped"
    return f"not scraped for {situation.since_answer:.0f} s"


def _next(situation: Situation | None) -> str:
    return "" if situation is None else f"; asked again {_in(situation.until_next)}"


def _in(seconds: float | None) -> str:
    return "now" if seconds is None or seconds < 1 else f"in {seconds:.0f} s"
