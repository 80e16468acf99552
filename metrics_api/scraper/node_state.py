"""What the scraper knows of one node between scrapes, and what it tells others of that."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from metrics_api.model import NodeInfo
from metrics_api.scraper.deadline import Deadline

_OLDEST_OUTCOME = 1 << 16


class NodeState:
    """Written by the node's own task and by ``Scraper``'s methods."""

    __slots__ = (
        "answered_at",
        "asked_at",
        "deadline",
        "drops_told",
        "failures",
        "message",
        "next_at",
        "node",
        "outcomes",
        "reason",
        "retry_after",
        "sleeping",
        "task",
        "took",
    )

    def __init__(self, node: NodeInfo, deadline: Deadline) -> None:
        self.node = node
        self.deadline = deadline
        self.failures = 0
        """Failed scrapes in a row."""
        self.reason: str | None = None
        """Why the last scrape failed; ``None`` when it did not."""
        self.message = ""
        """The same in words."""
        self.retry_after: float | None = None
        """Seconds that the last answer asked us to wait."""
        self.asked_at: float | None = None
        """Monotonic time at which the last scrape ended."""
        self.answered_at: float | None = None
        """Monotonic time of the last answer that was good."""
        self.next_at = 0.0
        """Monotonic time of the next scrape, while ``sleeping``."""
        self.drops_told: dict[str, float] = {}
        """Reason -> monotonic time at which it was last logged that parts of an answer are not used."""
        self.took = 0.0
        """Seconds the last scrape took."""
        self.outcomes = 1
        """The latest scrapes as bits, the newest last, 1 for a failure; a 1 stands before the oldest."""
        self.sleeping = True
        """Whether the task waits for its next turn, so that cancelling it interrupts no request."""
        self.task: asyncio.Task[None] | None = None

    def remember(self, *, failed: bool) -> None:
        """Take note of how a scrape ended."""
        outcomes = self.outcomes << 1 | failed
        self.outcomes = (
            outcomes if outcomes < _OLDEST_OUTCOME << 1 else outcomes & _OLDEST_OUTCOME - 1 | _OLDEST_OUTCOME
        )


class Situation(NamedTuple):
    """How the scraping of one node stands, in seconds from now."""

    failures: int
    """Failed scrapes in a row; 0 when the last one was good, or there was none."""
    reason: str | None
    """Why the last scrape failed; ``None`` when it did not."""
    message: str
    """The same in words; empty when it did not."""
    since_answer: float | None
    """Since the last good answer; ``None`` when there was none."""
    since_asked: float | None
    """Since the last scrape ended, well or not; ``None`` when there was none."""
    until_next: float | None
    """Until the next scrape; ``None`` while one is under way."""
    took: float = 0.0
    """How long the last scrape took."""
    deadline: float = 0.0
    """What the next scrape is given."""
    recent: int = 0
    """How many of the latest scrapes are remembered, at most 16."""
    recent_failures: int = 0
    """How many of those failed."""


def situation(state: NodeState, monotonic: float) -> Situation:
    """Return how a node stands at that moment of our monotonic clock."""
    return Situation(
        state.failures,
        state.reason,
        state.message,
        None if state.answered_at is None else monotonic - state.answered_at,
        None if state.asked_at is None else monotonic - state.asked_at,
        max(state.next_at - monotonic, 0.0) if state.sleeping else None,
        state.took,
        state.deadline.seconds,
        state.outcomes.bit_length() - 1,
        state.outcomes.bit_count() - 1,
    )
