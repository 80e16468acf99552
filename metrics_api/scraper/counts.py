"""What the scraper has counted: plain numbers, which whoever exports them reads when asked."""

from __future__ import annotations

from collections import Counter
from typing import Literal, NamedTuple, Protocol

from metrics_api.scraper.node_state import NodeState

Standing = Literal["new", "ok", "retrying", "backing_off"]
"""A node without an answer yet; one whose last scrape was good; one or two failures in a row; more."""

STANDINGS: tuple[Standing, ...] = ("new", "ok", "retrying", "backing_off")
_SOON = 2


class Durations(Protocol):
    """Takes how long things took."""

    def observe(self, value: float) -> None:
        """Count one more, in seconds."""
        ...


class StandingCounts(NamedTuple):
    """The nodes of one standing."""

    nodes: int = 0
    most_deadline: float = 0.0
    """The longest deadline among them, in seconds."""
    most_wait: float = 0.0
    """The longest wait for the next scrape among them, in seconds."""


class Cycles:
    """Durations of cycles: in each period the longest scrape, stored, as a scraper with a barrier would take.

    Args:
        period: Seconds.
        durations: Gets one duration for each period in which a scrape ended.
    """

    __slots__ = ("_durations", "_longest", "_number", "_period")

    def __init__(self, period: float, durations: Durations) -> None:
        self._period = period
        self._durations = durations
        self._number = -1
        self._longest = 0.0

    def note(self, monotonic: float, took: float) -> None:
        """Take note of a scrape that ended."""
        number = int(monotonic // self._period)
        if number != self._number:
            if self._number >= 0:
                self._durations.observe(self._longest)
            self._number, self._longest = number, took
        elif took > self._longest:
            self._longest = took


def standing(state: NodeState) -> Standing:
    """Return where a node stands."""
    if state.failures > _SOON:
        return "backing_off"
    if state.failures:
        return "retrying"
    return "new" if state.answered_at is None else "ok"


def count_standings(states: list[NodeState], monotonic: float) -> dict[Standing, StandingCounts]:
    """Return the counts for every standing, those without nodes included."""
    nodes: Counter[Standing] = Counter()
    deadlines: dict[Standing, float] = {}
    waits: dict[Standing, float] = {}
    for state in states:
        where = standing(state)
        nodes[where] += 1
        deadlines[where] = max(deadlines.get(where, 0.0), state.deadline.seconds)
        if state.sleeping:
            waits[where] = max(waits.get(where, 0.0), state.next_at - monotonic)
    return {each: StandingCounts(nodes[each], deadlines.get(each, 0.0), waits.get(each, 0.0)) for each in STANDINGS}
