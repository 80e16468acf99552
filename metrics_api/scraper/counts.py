"""What the scraper has counted: plain numbers, which whoever exports them reads when asked."""

from __future__ import annotations

from collections import Counter
from typing import Literal, NamedTuple

from metrics_api.scraper.node_state import NodeState

Standing = Literal["new", "ok", "retrying", "backing_off"]
"""A node without an answer yet; one whose last scrape was good; one or two failures in a row; more."""

STANDINGS: tuple[Standing, ...] = ("new", "ok", "retrying", "backing_off")
_SOON = 2


class StandingCounts(NamedTuple):
    """The nodes of one standing."""

    nodes: int = 0
    most_deadline: float = 0.0
    """The longest deadline among them, in seconds."""
    most_wait: float = 0.0
    """The longest wait for the next scrape among them, in seconds."""


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
