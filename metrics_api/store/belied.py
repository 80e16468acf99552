"""What was taken over from another replica gives way where the first samples of our own belie it.

Else samples from the future would keep our own out until their time has come: a served time never goes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from metrics_api.model import NodeSamples, PodSample, Row
from metrics_api.store.history import NO_HISTORY, unpack
from metrics_api.store.nodes import Node
from metrics_api.store.pods import Pod
from metrics_api.store.usage import SHORT_DELTA, Span

_STEP_BACK = SHORT_DELTA  # seconds; a young container's sample may be this much older than the one before

ByName = Callable[[str, PodSample], Pod | None]
"""Finds the pod on a node that a sample without uid is of."""


def belied(
    state: Node, samples: NodeSamples, bound: Mapping[str, Pod], span: Span, by_name: ByName
) -> Iterator[Node | Pod]:
    """Yield what must not be served on: what was taken over of it lies ahead of its first samples here.

    Its history is dropped. A sample out of ``span`` proves nothing.
    """
    state.inherited = {uid for uid in state.inherited if uid in bound or uid == state.info.uid}
    oldest, newest = span
    sample = samples.node
    if (
        sample is not None
        and oldest <= sample.time <= newest
        and _was_inherited(state, state.info.uid)
        and (_is_ahead(state.history.time, sample.time) or _is_row_ahead(state.row, sample.time))
    ):
        state.history = NO_HISTORY
        yield state
    for said in samples.pods:
        pod = bound.get(said.uid) if said.uid is not None else by_name(state.info.name, said)
        own = {name: each.time for name, each in said.containers.items() if oldest <= each.time <= newest}
        if pod is not None and own and _was_inherited(state, pod.info.uid) and _is_pod_ahead(pod, own):
            pod.forget()
            yield pod


def _was_inherited(state: Node, uid: str) -> bool:
    """Return, once, whether something was taken over."""
    if uid not in state.inherited:
        return False
    state.inherited.discard(uid)
    return True


def _is_pod_ahead(pod: Pod, own: Mapping[str, float]) -> bool:
    taken = zip(pod.names, unpack(pod.packed), strict=True)
    is_history_ahead = any(_is_ahead(history.time, own[name]) for name, history in taken if name in own)
    return is_history_ahead or _is_row_ahead(pod.row, max(own.values()))


def _is_row_ahead(row: Row | None, own: float) -> bool:
    return row is not None and _is_ahead(row.kept.time, own)


def _is_ahead(taken: float, own: float) -> bool:
    return taken > own + _STEP_BACK
