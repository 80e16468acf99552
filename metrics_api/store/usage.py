"""The rule by which samples become usage: pure functions over a history and a sample.

The difficulty: Summary cuts times to whole seconds, so a delta over 15 s can be wrong by 9.5 %. The kubelet's own rate
is exact but not to be believed blindly: it may be garbage, or 0 for "not measured yet". So the rate is taken where it
lies within what the delta allows, and where no delta can be made or one would dilute the answer over a long gap.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from metrics_api.model import NodeInfo, Sample
from metrics_api.store.history import NO_HISTORY, History, Lack

CONTAINER_RATE_WINDOW = 20.0
"""Upper bound of the window of a kubelet's own rate of a container: housekeeping every 10 s, jittered to twice that."""
NODE_RATE_WINDOW = 10.0
"""The same for the node, whose sample the eviction manager renews every 10 s."""

_HEADROOM = 1.1
_MEMORY_HEADROOM = 2
_MOST_CORES = 4096.0  # where the node does not say how many it has
_MOST_MEMORY = 1 << 50
COUNTER_END = 1 << 64
SHORT_DELTA = 5.0
"""Seconds below which a delta is taken since the sample before, if there is one."""
_LEAST_DELTA = 0.0005  # times have milliseconds at best
_FRESH_AGE = 10.0


class Span(NamedTuple):
    """From when to when a sample may be, by the node's clock; both ends belong to it."""

    oldest: float
    newest: float


class Terms(msgspec.Struct, frozen=True, gc=False):
    """What the samples of one scrape are judged by."""

    most_cpu: float
    """Nanocores that the hardware allows."""
    most_memory: int
    """Bytes of working set that the hardware allows."""
    period: float
    """Seconds from scrape to scrape."""
    gap: float
    """Seconds above which a mean over the samples' distance is worth less than the kubelet's own rate."""
    longest: float
    """Seconds above which two samples are not compared: the machine slept, or the clock was set forward."""
    span: Span
    """The times of samples that are believed; before they are stale, after they lie in the future."""
    monotonic: int
    """Our monotonic clock, the current second counted as over."""
    step: float
    """Granularity of the sample times in seconds."""
    stamped: bool
    """Whether the sample times are the kubelet's, not ours."""
    rate_window: float = CONTAINER_RATE_WINDOW
    """Window of the kubelet's own rate."""
    least_memory: int = 0
    """Smallest working set believed: a container may have 0, a node may not."""
    counts: bool = True
    """Whether the counter can be used: that of a Windows node advances at a tenth of the true rate."""


def most_cpu(node: NodeInfo) -> float:
    """Return the nanocores that no rate on a node can exceed; generous where it does not say how many cores it has."""
    cores = node.cpu_cores
    return _HEADROOM * 1e9 * (cores if cores is not None and 0 < cores < _MOST_CORES else _MOST_CORES)


def most_memory(node: NodeInfo) -> int:
    """Return the bytes that no working set on a node can exceed; generous where its capacity is not known."""
    capacity = node.memory_capacity
    return _MEMORY_HEADROOM * (capacity if capacity is not None and 0 < capacity < _MOST_MEMORY else _MOST_MEMORY)


def advance(history: History, sample: Sample, terms: Terms) -> History:
    """Return the history after a sample.

    The very object that was given means: this sample is known already and the usage stays as it was. Whether the
    result has usage is told by its ``lack``.
    """
    time = sample.time
    oldest, newest = terms.span
    if not oldest <= time <= newest:
        return lacking(history, Lack.STALE if time < oldest else Lack.FUTURE)
    if not terms.counts:
        return _by_rate_alone(history, sample, terms)
    total = sample.cpu_total
    if total is None or not 0 < total < COUNTER_END:
        return lacking(history, Lack.NO_CPU)
    last, start = history.time, sample.start_time
    if not last or history.stamped is not terms.stamped:
        return _first(sample, total, terms)
    if start is not None and start >= last and (start > last or not history.born):
        return _first(sample, total, terms)  # restarted
    elapsed = time - last
    if elapsed < _LEAST_DELTA:
        return _first(sample, total, terms) if _clock_stepped(history, elapsed, terms) else _known(history)
    if total < history.total or elapsed > terms.longest:
        return _first(sample, total, terms)
    return _delta(history, sample, total, terms)


def lacking(history: History, lack: Lack) -> History:
    """Return a new history that remembers the counter and says why the latest scrape gives no usage."""
    return msgspec.structs.replace(history, lack=lack)


def _known(history: History) -> History:
    """Return the history, its usage valid again if a scrape in between had none."""
    if history.lack and history.window_ms:
        return msgspec.structs.replace(history, lack=Lack.NOTHING)
    return history


def _clock_stepped(history: History, elapsed: float, terms: Terms) -> bool:
    """Tell a node's clock that was set back from a sample that steps back once.

    The latter happens when the kubelet's source for a young container changes from the runtime to cAdvisor. A time that
    stands still says nothing about the clock.
    """
    return elapsed <= -_LEAST_DELTA and terms.monotonic - history.accepted > 2 * terms.period


def _first(sample: Sample, total: int, terms: Terms) -> History:
    """Begin a history: the kubelet's rate if there is one, else the mean since a start not long ago."""
    start = sample.start_time
    age = sample.time - start if start is not None else 0.0
    rate = sample.cpu_rate
    if rate is not None and 0 < rate <= terms.most_cpu:
        return _moved(NO_HISTORY, sample, total, terms, rate, terms.rate_window, 0)
    if _FRESH_AGE <= age < max(2 * terms.period, 60.0) and total <= terms.most_cpu * (age + terms.step):
        return _moved(NO_HISTORY, sample, total, terms, int(total / age), age, 0)
    return _moved(NO_HISTORY, sample, total, terms, 0, 0.0, Lack.NEW)


def _delta(history: History, sample: Sample, total: int, terms: Terms) -> History:
    """Take the counter's rise since the last sample, or since the one before when the last is too near."""
    elapsed, used, base_step = sample.time - history.time, total - history.total, history.step
    if elapsed < SHORT_DELTA and history.prev_time:
        elapsed, used, base_step = sample.time - history.prev_time, total - history.prev_total, history.prev_step
    step = terms.step if terms.step > base_step else base_step
    if used > terms.most_cpu * (elapsed + step):
        return _moved(history, sample, total, terms, 0, 0.0, Lack.CPU_BOUND)
    rate = sample.cpu_rate
    if rate is not None and 0 < rate <= terms.most_cpu:
        if elapsed > terms.gap:
            return _moved(history, sample, total, terms, rate, terms.rate_window, 0)
        shortest = elapsed - step if elapsed > 1.5 * step else step / 2
        if rate * shortest <= used <= rate * (elapsed + step):
            return _moved(history, sample, total, terms, rate, elapsed, 0)
    return _moved(history, sample, total, terms, int(used / elapsed), elapsed, 0)


def _by_rate_alone(history: History, sample: Sample, terms: Terms) -> History:
    """Take the kubelet's rate and nothing else; its first 0 may mean that it has not measured yet."""
    if history.time and history.stamped is terms.stamped and sample.time < history.time + _LEAST_DELTA:
        if not _clock_stepped(history, sample.time - history.time, terms):
            return _known(history)
        history = NO_HISTORY
    rate = sample.cpu_rate
    if rate is None:
        return lacking(history, Lack.NO_CPU)
    if rate == 0 and not history.time:
        return _moved(history, sample, 0, terms, 0, 0.0, Lack.NEW)
    if not 0 <= rate <= terms.most_cpu:
        return _moved(history, sample, 0, terms, 0, 0.0, Lack.CPU_BOUND)
    return _moved(history, sample, 0, terms, rate, terms.rate_window, 0)


def _moved(history: History, sample: Sample, total: int, terms: Terms, cpu: int, window: float, lack: int) -> History:
    """Move a history on to a sample whose CPU is settled; without believable memory there is no usage after all."""
    memory, time = sample.working_set, sample.time
    if memory is None or memory < terms.least_memory:
        memory, window, lack = 0, 0.0, Lack.NO_MEMORY
    elif memory > terms.most_memory:
        memory, window, lack = 0, 0.0, Lack.MEMORY_BOUND
    return History(
        time,
        total,
        history.time,
        history.total,
        cpu,
        memory,
        int(window * 1000 + 0.5),
        terms.step,
        history.step,
        terms.monotonic,
        lack,
        terms.stamped,
        sample.start_time == time,
    )
