"""What is handed to another replica of a node and its pods, and what is believed of what another hands over.

It is believed as a kubelet is: of pods that the API server has bound to that node, within what its hardware allows,
neither too old nor from the future. A kubelet speaks for its own clock alone, a replica for those of all nodes: so a
clock is believed from a replica only where it is near ours. And nothing that was taken over stands against what was
learned here, be that before or after.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from msgspec.structs import astuple

from metrics_api.clock import Clock
from metrics_api.handover import Counter, NodeHandover, PodHandover, Served
from metrics_api.model import ContainerUsage, Usage
from metrics_api.store.history import NO_HISTORY, History, Lack, pack, unpack
from metrics_api.store.nodes import FUTURE_TOLERANCE, Node, node_usage, span_of
from metrics_api.store.pods import NamePool, Pod, whole_usage
from metrics_api.store.usage import Span, most_cpu, most_memory

_LACKS = frozenset(Lack)
_COARSEST = 60.0  # seconds of granularity


class Succession:
    """Hands over and takes over.

    Args:
        clock: Ours.
        max_age: Seconds after which usage is no longer served.
        pool: Where container names are shared.
    """

    def __init__(self, clock: Clock, max_age: float, pool: NamePool) -> None:
        self._clock = clock
        self._max_age = max_age
        self._pool = pool

    def hand_over(self, state: Node, pods: Iterable[Pod]) -> NodeHandover:
        """Return what there is of a node that has been scraped, and of its pods; one may come more than once."""
        monotonic = self._clock.monotonic()
        clock = monotonic - state.expiry + self._max_age
        return hand_over(state, pods, self._moment(state, monotonic), clock=clock)

    def take_over(
        self, state: Node, bound: Mapping[str, Pod], offered: NodeHandover, delay: float
    ) -> Iterator[tuple[Node | Pod, Usage]]:
        """Take over what there is nothing of yet, and yield what to serve; nothing where the clock is not believed.

        Args:
            state: The node.
            bound: uid -> pod that the API server has bound to it.
            offered: What the other replica says of it.
            delay: Seconds, at most, since it was written.
        """
        monotonic = self._clock.monotonic()
        if not state.expiry:
            shown = offered.clock + delay
            # The minute that a kubelet without a Date is believed; negated, so that no number is refused as well
            if not abs(shown - self._clock.now()) <= FUTURE_TOLERANCE:
                return
            state.expiry = monotonic - shown + self._max_age
        limits = Limits.of(state, self._moment(state, monotonic))
        usage = take_node(state, offered, limits)
        if usage is not None:
            yield state, usage
        yield from take_pods(state, bound, offered.pods, limits, self._pool)

    def _moment(self, state: Node, monotonic: float) -> Moment:
        return Moment(monotonic, span_of(state, monotonic=monotonic, max_age=self._max_age))


class Moment(NamedTuple):
    """When a handover is written or taken, and what may be served then."""

    monotonic: float
    span: Span
    """By the clock of the node in question."""


# Giving.


def hand_over(state: Node, pods: Iterable[Pod], moment: Moment, *, clock: float) -> NodeHandover:
    """Return what there is of a node that has been scraped.

    Args:
        state: The node.
        pods: Those bound to it; one may come more than once.
        moment: Now.
        clock: What the node's clock shows now.
    """
    span = moment.span
    return NodeHandover(
        state.info.name,
        state.info.uid,
        clock,
        _counter("", state.history, moment),
        tuple(_pod(pod, moment) for pod in {id(pod): pod for pod in pods}.values() if pod.packed),
        _still_served(state, node_usage(state.history, span), span),
    )


def _pod(pod: Pod, moment: Moment) -> PodHandover:
    histories = unpack(pod.packed)
    return PodHandover(
        pod.info.uid,
        tuple(_counter(name, each, moment) for name, each in zip(pod.names, histories, strict=True)),
        _still_served(pod, whole_usage(pod.info, pod.names, histories, moment.span), moment.span),
    )


def _counter(name: str, history: History, moment: Moment) -> Counter:
    return Counter(
        name,
        history.time,
        history.total,
        history.prev_time,
        history.prev_total,
        history.cpu,
        history.memory,
        history.window_ms,
        history.step,
        history.prev_step,
        max(int(moment.monotonic) - history.accepted, 0) if history.time else 0,
        history.lack,
        history.stamped,
        history.born,
    )


def _still_served(entry: Node | Pod, derived: Usage | None, span: Span) -> Served | None:
    """Return the row's usage where the counters do not lead to it."""
    row = entry.row
    if row is None or (derived is not None and derived.time == row.usage.time):
        return None
    usage = row.usage
    if not span.oldest <= usage.time <= span.newest:
        return None
    containers = tuple((each.name, each.cpu, each.memory) for each in usage.containers)
    return Served(usage.time, int(usage.window * 1000 + 0.5), containers)


# Taking.


class Limits(NamedTuple):
    """What is believed of one node; the same as of its kubelet's samples."""

    span: Span
    now: int
    """Our monotonic clock in whole seconds."""
    most_cpu: float
    most_memory: int

    @classmethod
    def of(cls, state: Node, moment: Moment) -> Limits:
        """Return those of a node."""
        return cls(moment.span, math.ceil(moment.monotonic), most_cpu(state.info), most_memory(state.info))


def take_node(state: Node, offered: NodeHandover, limits: Limits) -> Usage | None:
    """Take over a node's counter where there is none yet; return what to serve, ``None`` for nothing new."""
    history = _believed(offered.counter, limits)
    if history.time and not state.history.time:
        state.history = history
        state.inherited.add(state.info.uid)
    if state.row is not None:
        return None
    usage = node_usage(history, limits.span) or _served(offered.served, {""}, limits)
    if usage is not None:
        state.inherited.add(state.info.uid)
    return usage


def take_pods(
    state: Node, bound: Mapping[str, Pod], offered: Iterable[PodHandover], limits: Limits, pool: NamePool
) -> Iterator[tuple[Pod, Usage]]:
    """Take over the counters of pods that have none yet, and yield what to serve of those that have no row.

    Args:
        state: The node.
        bound: uid -> pod that the API server has bound to it.
        offered: What the other replica says; pods that are not bound change nothing.
        limits: What is believed.
        pool: Where names are shared.
    """
    for each in offered:
        pod = bound.get(each.uid)
        if pod is None or pod.info.uid != each.uid or (pod.packed and pod.row is not None):
            continue
        # One that is not believed stays, without usage: its pod must not be served without it.
        taken = {counter.name: _believed(counter, limits) for counter in each.counters}
        names = tuple(sorted(filter(None, taken)))
        histories = [taken[name] for name in names]
        if names and not pod.packed:
            pod.names, pod.packed = pool.share(names), pack(histories)
            pod.learn_shape()
            state.inherited.add(each.uid)
        if pod.row is None:
            usage = whole_usage(pod.info, names, histories, limits.span)
            if usage is None:
                usage = _served(each.served, {*pod.info.required} or {*names}, limits)
            if usage is not None:
                state.inherited.add(each.uid)
                yield pod, usage


def _believed(counter: Counter, limits: Limits) -> History:
    """Return a history that our own scrapes could have left; ``NO_HISTORY`` for any other."""
    (oldest, newest), now, most_cpu, most_memory = limits
    _, time, total, prev_time, prev_total, cpu, memory, window_ms, step, prev_step, age, lack, stamped, born = astuple(
        counter
    )
    if not (
        oldest <= time <= newest
        and 0 <= prev_time < time
        and 0 <= step <= _COARSEST
        and 0 <= prev_step <= _COARSEST
        and cpu <= most_cpu
        and memory <= most_memory
        and (window_ms if not lack else lack in _LACKS)
    ):
        return NO_HISTORY
    accepted = max(now - age, 0)
    return History(
        time, total, prev_time, prev_total, cpu, memory, window_ms, step, prev_step, accepted, lack, stamped, born
    )


def _served(offered: Served | None, wanted: set[str], limits: Limits) -> Usage | None:
    """Return usage that the other replica serves from before; it must be of all the containers that are wanted."""
    if offered is None or not offered.window_ms:
        return None
    oldest, newest = limits.span
    names = {name for name, _, _ in offered.containers}
    if not oldest <= offered.time <= newest or len(names) != len(offered.containers) or not wanted <= names:
        return None
    if any(cpu > limits.most_cpu or memory > limits.most_memory for _, cpu, memory in offered.containers):
        return None
    containers = tuple(ContainerUsage(*each) for each in offered.containers)
    return Usage(offered.time, offered.window_ms / 1000, containers) if containers else None
