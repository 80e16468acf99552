"""When a node is asked next: pure functions over times, so that every rule can be read and tested by itself.

Each node has a phase within the period, taken from its uid: one of sixty, so that a sixtieth of the nodes is asked at
once. What a processor has at hand after one node serves the next, which takes a quarter off the CPU of a scrape. Load
on the network, on kube-apiserver's authorization and on ourselves stays even over the period. Replicas that never talk
to each other ask at the same moments.
"""

from __future__ import annotations

import zlib

FIRST_RETRY = (1.0, 2.0)
"""After a first failure: seconds, drawn evenly from this range. Most failures are over by then."""
APPEARANCE_JITTER = 2.0
"""A node that appears while we run is asked within this many seconds; a wave of new nodes is spread a little."""
MOST_EAGER = 1.0
"""A node is never asked again sooner than this many seconds after a scrape, however often its object changes."""
QUICK_FAILURE = 1.0
"""A scrape that failed within this many seconds held its slot no longer than one that went well."""
PHASES = 60
"""Into so many groups the nodes are divided."""
YOUNG_NODE = 120.0
"""Seconds from a node's creation in which it may still be waiting for its serving certificate or its CNI."""
_LEAST_FRACTION = 0.25
"""A phase that comes sooner after a scrape than this part of a period is left out: kubelets had no time to sample."""


def phase(uid: str, period: float) -> float:
    """Return a node's offset within the period, in seconds: the same in every process that is given that uid."""
    return (zlib.crc32(uid.encode()) * PHASES >> 32) * period / PHASES


def until_next_phase(uid: str, period: float, now: float) -> float:
    """Return the seconds from ``now`` (Unix time) to the node's next turn, at least a quarter of a period away."""
    wait = (phase(uid, period) - now) % period
    return wait if wait >= period * _LEAST_FRACTION else wait + period


def until_retry(failures: int, period: float, *, jitter: float, age: float | None) -> float:
    """Return the seconds to wait after a scrape that failed.

    Args:
        failures: Failed scrapes in a row, at least 1.
        period: Seconds between scrapes when all is well.
        jitter: A random number from 0 to 1.
        age: Seconds since the node object was created; ``None`` when unknown.

    A first failure is asked again at once (1 to 2 s), a second after a quarter of a period: neither costs a row;
    then the wait doubles from one period up to max(60 s, one period).
    """
    if failures == 1:
        low, high = FIRST_RETRY
        return min(low + (high - low) * jitter, period)
    if failures == 2:
        return period / 4 * (1 + 0.2 * jitter)
    ceiling = max(60.0, period)
    if age is not None and age < YOUNG_NODE:
        ceiling = period
    doubled: float = period * 2 ** min(failures - 3, 16)
    return min(doubled * (1 + 0.2 * jitter), ceiling)
