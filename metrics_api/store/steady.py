"""The way that nearly all samples take: known containers, alive as before, with a newer sample or the same one again.

``usage.advance`` is the rule. What is here agrees with it wherever it gives an answer, and gives none as soon as a
sample is anything but ordinary. It works on the packed histories of a whole pod, without an object for each container,
sample and usage in between, and what is served is spelled out when somebody asks: a scrape costs a third of the rule's.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import msgspec

from metrics_api.model import ContainerUsage, Row, Sample, Usage
from metrics_api.store.encode import containers_template, encode_filled, encode_head
from metrics_api.store.history import HISTORY_SIZE, ORDINARY, POINT_SIZE, last_points, packer_of, parts_at, usages
from metrics_api.store.usage import COUNTER_END, SHORT_DELTA, Terms

_MOST_CONTAINERS = 16
_SHAPES = 4096

_Names: TypeAlias = tuple[str, ...]


class Shape(msgspec.Struct, frozen=True, gc=False):
    """What pods with the same containers share, where all of the containers are served."""

    names: _Names
    """Sorted."""
    pack: Callable[..., bytes]
    """Packs their histories from parts."""
    template: str
    """Of their items, for ``encode_filled``."""


@lru_cache(maxsize=_SHAPES)
def shape_of(names: _Names, required: Sequence[str], finished: Sequence[str]) -> Shape | None:
    """Return the shape of a pod that is served whole as soon as each container has usage.

    Args:
        names: The containers that have a history.
        required: Those that pod status says are running.
        finished: Those that are never served.

    Returns:
        ``None`` when a container is missing or must be left out, and for very many containers.
    """
    missing = len(required) - sum(name in required for name in names)
    if missing or not 0 < len(names) <= _MOST_CONTAINERS or any(name in finished for name in names):
        return None
    return Shape(names, packer_of(len(names)), containers_template(names))


class SteadyUsage(msgspec.Struct, frozen=True, gc=False):
    """What is served of a pod whose every container has usage: spelled out only when it is asked for."""

    time: float
    """Of the container whose sample is the oldest."""
    shape: Shape
    packed: bytes
    """The histories; the pod's own, so that they are kept once."""

    def usage(self) -> Usage:
        """Return it spelled out."""
        containers, window_ms, time = [], 0, math.inf
        for name, (sampled, cpu, memory, window, _) in zip(self.shape.names, usages(self.packed), strict=True):
            containers.append(ContainerUsage(name, cpu, memory))
            if sampled < time:
                time, window_ms = sampled, window
        return Usage(time, window_ms / 1000, tuple(containers))

    def item(self, row: Row, former: bytes | None) -> bytes:
        """Return the item of a row that serves this; a former item of that row spares making its head."""
        quantities, window_ms, time = [], 0, math.inf
        for sampled, cpu, memory, window, _ in usages(self.packed):
            quantities.append((cpu, memory))
            if sampled < time:
                time, window_ms = sampled, window
        head = former or encode_head(row.namespace, row.name, row.labels)
        return encode_filled(head, row.created, self.shape.template, time, window_ms / 1000, quantities)


class Ordinary(NamedTuple):
    """``Terms`` for an ordinary sample, put together once for a scrape."""

    oldest: float
    newest: float
    least_elapsed: float
    most_elapsed: float
    slack: float
    """Seconds by which the samples' distance may be wrong."""
    most_cpu: float
    least_memory: int
    most_memory: int
    step: float
    """As a packed history has it."""
    flags: int
    monotonic: int


def ordinary(terms: Terms) -> Ordinary | None:
    """Return these terms for ordinary samples, ``None`` where none are."""
    slack = max(terms.step, _packed(terms.step))
    if not terms.counts or 1.5 * slack >= SHORT_DELTA:
        return None
    return Ordinary(
        *terms.span,
        SHORT_DELTA,
        min(terms.gap, terms.longest),
        slack,
        terms.most_cpu,
        terms.least_memory,
        terms.most_memory,
        _packed(terms.step),
        ORDINARY[not terms.stamped],
        terms.monotonic,
    )


@lru_cache(maxsize=16)
def _packed(step: float) -> float:
    """Return a granularity as it comes back from a packed history, with single precision."""
    narrowed: float = struct.unpack("<f", struct.pack("<f", step))[0]
    return narrowed


def follow(
    shape: Shape, packed: bytes, containers: Mapping[str, Sample], terms: Ordinary
) -> tuple[bytes, float] | None:
    """Move a pod's histories on to a scrape.

    Args:
        shape: The pod's.
        packed: Its histories.
        containers: What the kubelet says.
        terms: What the samples are judged by.

    Returns:
        The histories after it and the time of the oldest sample in them; the very ``packed`` that was given when the
        scrape said nothing new. ``None`` when any sample is not ordinary; then nothing has happened.
    """
    names = shape.names
    if len(containers) != len(names):
        return None
    oldest, newest, least, most, slack, most_cpu, least_memory, most_memory, ordinary_step, ordinary_flags, now = terms
    parts: list[object] = []
    earliest, known, offset = math.inf, 0, 0  # how many said nothing new; where in ``packed`` the container stands
    for name, (last, last_total, step, flags) in zip(names, last_points(packed), strict=True):
        sample = containers.get(name)
        if sample is None or flags != ordinary_flags or step != ordinary_step:
            return None
        time, total, memory, start = sample.time, sample.cpu_total, sample.working_set, sample.start_time
        if total is None or memory is None or not oldest <= time <= newest or not 0 < total < COUNTER_END:
            return None
        if start is not None and start >= last:
            return None
        if time < earliest:
            earliest = time
        if time == last:
            parts += parts_at(packed, offset)
            known += 1
        else:
            elapsed, used = time - last, total - last_total
            longest = elapsed + slack
            if not least <= elapsed <= most or not least_memory <= memory <= most_memory:
                return None
            if not 0 <= used <= most_cpu * longest:
                return None
            cpu = sample.cpu_rate
            if cpu is None or not 0 < cpu <= most_cpu or not cpu * (elapsed - slack) <= used <= cpu * longest:
                cpu = int(used / elapsed)
            before = packed[offset : offset + POINT_SIZE]
            parts += time, total, step, flags, before, cpu, memory, int(elapsed * 1000 + 0.5), now
        offset += HISTORY_SIZE
    return (packed if known == len(names) else shape.pack(*parts)), earliest
