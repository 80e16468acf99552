"""One task a node, each in its own rhythm: no barrier, so a slow or dead node costs itself only.

A node's answer goes to the sink as soon as it is decoded. What is bounded is how many nodes are asked at once, and how
many of those places nodes may take that failed the last time: a rack that is away cannot hold up the others. Those that
took their time to fail have half of these, so that a node which failed at once is not asked again behind all of them.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from typing import Protocol

from metrics_api.clock import Clock
from metrics_api.errors import ScrapeError
from metrics_api.model import NodeInfo, NodeSamples
from metrics_api.scraper.announcements import Announcements
from metrics_api.scraper.counts import Standing, StandingCounts, count_standings
from metrics_api.scraper.deadline import Deadline
from metrics_api.scraper.drops import tell_drops
from metrics_api.scraper.node_state import NodeState, Situation, situation
from metrics_api.scraper.schedule import APPEARANCE_JITTER, MOST_EAGER, QUICK_FAILURE, until_next_phase, until_retry

_log = logging.getLogger(__name__)
_FIRST_SLOTS = 32
_FIRST_SECONDS = 5.0


class KubeletClient(Protocol):
    """Asks one kubelet."""

    async def scrape(self, node: NodeInfo, *, deadline: float) -> NodeSamples:
        """Return what the node's kubelet says, within ``deadline`` seconds, or raise ``ScrapeError``."""
        ...

    def forget(self, node_uid: str) -> None:
        """Close what is kept for a node that is gone."""
        ...


class Sink(Protocol):
    """Takes what was scraped."""

    def record(self, node: NodeInfo, samples: NodeSamples) -> None:
        """Take one node's samples; must not wait."""
        ...


class Observer(Protocol):
    """Is told of every scrape that ended; must not wait."""

    def scraped(self, node: NodeInfo, took: float, *, ended: float) -> None:
        """Take note of one scrape, good or not.

        Args:
            node: Which was asked.
            took: Seconds, the storing included.
            ended: Our monotonic clock.
        """
        ...

    def forget(self, node_name: str) -> None:
        """Let go of what is kept for a node that is gone."""
        ...


class Scraper:
    """Asks every node it is told of, until told that the node is gone.

    Args:
        client: How to ask.
        sink: Where samples go.
        clock: Time.
        period: Seconds between two scrapes of a node (``--metric-resolution``).
        timeout: Seconds every scrape is given, all included (``--kubelet-request-timeout``); a node that is known to
            be slow gets up to two periods.
        slots: How many nodes are asked at the same time; for the first seconds fewer, so that a burst of handshakes and
            answers leaves the event loop its turns on a machine with little CPU.
        rng: Source of jitter.
        observer: Is told how long scrapes took.
    """

    def __init__(
        self,
        client: KubeletClient,
        sink: Sink,
        clock: Clock,
        *,
        period: float,
        timeout: float,
        slots: int = 128,
        rng: random.Random | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._client = client
        self._sink = sink
        self._clock = clock
        self._period = period
        self._timeout = timeout
        first_slots = min(slots, _FIRST_SLOTS)
        self._slots = asyncio.Semaphore(first_slots)
        self._held_back = slots - first_slots
        self._suspect_slots = asyncio.Semaphore(max(slots // 4, 1))
        self._slow_suspect_slots = asyncio.Semaphore(max(slots // 8, 1))
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._observer = observer
        self._announcements = Announcements(clock)
        self._states: dict[str, NodeState] = {}
        self._running: asyncio.TaskGroup | None = None
        self._first_list_done = False
        self.results: Counter[str] = Counter()
        """``ok`` or the reason of failure -> how many scrapes ended so."""
        self.dropped: Counter[str] = Counter()
        """Reason -> how many points of documents could not be used."""

    def set_node(self, node: NodeInfo) -> None:
        """Begin to scrape a node, or take over its changed object.

        A node that comes back under the same name with another uid is another node. A change of address, port or
        readiness ends the wait that earlier failures have earned: what was wrong may just have been mended.
        """
        state = self._states.get(node.name)
        if state is not None and state.node.uid != node.uid:
            self.remove_node(node.name)
            state = None
        if state is None:
            state = self._states[node.name] = NodeState(node, self._new_deadline())
            self._start(state, self._appearance_delay())
            return
        reached_anew = _reach(node) != _reach(state.node)
        state.node = node
        if reached_anew and state.failures:
            state.failures = 1
            if state.sleeping and state.task is not None:
                state.task.cancel()
                self._start(state, self._delay_after_change(state))

    def remove_node(self, name: str) -> None:
        """Forget a node at once, together with its connection; nothing happens when it is not known."""
        state = self._states.pop(name, None)
        if state is None:
            return
        if state.task is not None:
            state.task.cancel()
        self._client.forget(state.node.uid)
        if self._observer is not None:
            self._observer.forget(name)

    def first_list_done(self) -> None:
        """Say that the nodes known by now were all there at start; later ones are given some jitter."""
        self._first_list_done = True

    async def run(self) -> None:
        """Scrape until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._running = group
            group.create_task(self._announcements.run())
            if self._held_back:
                group.create_task(self._open_all_slots())
            for state in self._states.values():
                self._start(state, 0)
            await asyncio.Event().wait()

    def situation(self, name: str) -> Situation | None:
        """Return how the scraping of a node stands; ``None`` when it is not one of those that are scraped."""
        state = self._states.get(name)
        return None if state is None else situation(state, self._clock.monotonic())

    def standings(self) -> dict[Standing, StandingCounts]:
        """Return how many nodes stand where, and the longest deadline and wait among them."""
        return count_standings(list(self._states.values()), self._clock.monotonic())

    def _new_deadline(self) -> Deadline:
        return Deadline(self._timeout, 2 * self._period)

    def _delay_after_change(self, state: NodeState) -> float:
        """Return up to a second, so that a node whose object changes all the time is not asked all the time."""
        since = MOST_EAGER if state.asked_at is None else self._clock.monotonic() - state.asked_at
        return max(self._rng.random(), MOST_EAGER - since)

    async def _open_all_slots(self) -> None:
        await self._clock.sleep(_FIRST_SECONDS)
        for _ in range(self._held_back):
            self._slots.release()

    def _appearance_delay(self) -> float:
        return APPEARANCE_JITTER * self._rng.random() if self._first_list_done else 0

    def _start(self, state: NodeState, delay: float) -> None:
        if self._running is not None:
            state.sleeping, state.next_at = True, self._clock.monotonic() + delay
            state.task = self._running.create_task(self._follow(state, delay), name=f"scrape {state.node.name}")

    async def _follow(self, state: NodeState, delay: float) -> None:
        while True:
            await self._clock.sleep(delay)
            state.sleeping = False
            if state.failures and state.took > QUICK_FAILURE:
                async with self._slow_suspect_slots, self._suspect_slots, self._slots:
                    await self._scrape(state)
            elif state.failures:
                async with self._suspect_slots, self._slots:
                    await self._scrape(state)
            else:
                async with self._slots:
                    await self._scrape(state)
            delay = self._delay_after(state)
            state.sleeping, state.next_at = True, self._clock.monotonic() + delay

    def _delay_after(self, state: NodeState) -> float:
        now, node = self._clock.now(), state.node
        turn = until_next_phase(node.uid, self._period, now)
        if not state.failures:
            return turn
        age = None if node.created is None else now - node.created
        retry = until_retry(state.failures, self._period, jitter=self._rng.random(), age=age)
        delay = min(retry, turn) if state.failures < 3 else retry
        return delay if state.retry_after is None else max(delay, min(state.retry_after, self._period))

    async def _scrape(self, state: NodeState) -> None:
        node, began = state.node, self._clock.monotonic()
        deadline = self._timeout if node.ready is False else state.deadline.seconds
        try:
            samples = await self._client.scrape(node, deadline=deadline)
            if self._states.get(node.name) is not state:
                return
            self._sink.record(node, samples)
        except ScrapeError as error:
            self._ended(state, began)
            if error.reason == "timeout" and node.ready is not False:
                state.deadline.timed_out(state.took)
            self._failed(state, error.reason, str(error), error.retry_after)
        except Exception:
            # The one place where a bug of ours must not end the scraping of a node for good.
            _log.exception(
                "Scraping a node failed unexpectedly; it is tried again", extra={"fields": {"node": node.name}}
            )
            self._ended(state, began)
            self._failed(state, "internal", "an unexpected error, see the log", None)
        else:
            self._ended(state, began)
            self._succeeded(state, samples)

    def _ended(self, state: NodeState, began: float) -> None:
        ended = self._clock.monotonic()
        state.asked_at, state.took = ended, ended - began
        if self._observer is not None and self._states.get(state.node.name) is state:
            self._observer.scraped(state.node, state.took, ended=ended)

    def _succeeded(self, state: NodeState, samples: NodeSamples) -> None:
        self.results["ok"] += 1
        if samples.dropped:
            self.dropped.update(samples.dropped)
            tell_drops(state, samples, self._clock.monotonic())
        state.deadline.answered(state.took)
        state.remember(failed=False)
        if state.failures:
            self._announcements.mended(state.node.name, state.failures)
        state.failures, state.reason, state.message, state.retry_after = 0, None, "", None
        state.answered_at = state.asked_at

    def _failed(self, state: NodeState, reason: str, message: str, retry_after: float | None) -> None:
        """Count a failure, and say it once for each change of reason."""
        self.results[reason] += 1
        state.failures += 1
        state.remember(failed=True)
        if state.reason != reason:
            self._announcements.failed(state.node.name, reason, message, quiet=state.node.ready is False)
        state.reason, state.message, state.retry_after = reason, message, retry_after


def _reach(node: NodeInfo) -> tuple[object, ...]:
    return node.ready, node.addresses, node.kubelet_port, node.resource_metrics_path
