from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from metrics_api.errors import ScrapeError
from metrics_api.model import Endpoint, NodeInfo, NodeSamples
from metrics_api.scraper.scraper import Scraper
from tests.fakes import FakeClock, settle

PERIOD = 15.0


def node(name: str, uid: str | None = None, *, ready: bool = True, created: float | None = None) -> NodeInfo:
    return NodeInfo(name=name, uid=uid or f"uid-{name}", labels={}, ready=ready, created=created)


def samples() -> NodeSamples:
    return NodeSamples(node=None, pods=[], endpoint=Endpoint.SUMMARY, time_step=1.0, received=0.0, requested=0.0)


class FakeKubelets:
    """Answers at once unless told otherwise; remembers who was asked and when."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.asked: list[tuple[str, float]] = []
        self.deadlines: list[float] = []
        self.slowness: dict[str, float] = {}
        self.forgotten: list[str] = []
        self.answers: dict[str, Callable[[], NodeSamples]] = {}
        self.hanging: dict[str, asyncio.Event] = {}
        self.in_flight = 0
        self.most_in_flight = 0

    async def scrape(self, node: NodeInfo, *, deadline: float) -> NodeSamples:
        self.asked.append((node.name, self._clock.monotonic()))
        self.deadlines.append(deadline)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if node.name in self.hanging:
                await self.hanging[node.name].wait()
            if node.name in self.slowness:
                await self._clock.sleep(min(self.slowness[node.name], deadline))
                if self.slowness[node.name] > deadline:
                    raise ScrapeError("timeout", "too slow")
            await asyncio.sleep(0)
            return self.answers.get(node.name, samples)()
        finally:
            self.in_flight -= 1

    def forget(self, node_uid: str) -> None:
        self.forgotten.append(node_uid)

    def times(self, name: str) -> list[float]:
        return [time for asked, time in self.asked if asked == name]


class Recorder:
    def __init__(self) -> None:
        self.recorded: list[str] = []

    def record(self, node: NodeInfo, samples: NodeSamples) -> None:
        self.recorded.append(node.name)


class Bench:
    def __init__(self, slots: int = 128) -> None:
        self.clock = FakeClock()
        self.kubelets = FakeKubelets(self.clock)
        self.sink = Recorder()
        self.scraper = Scraper(
            self.kubelets, self.sink, self.clock, period=PERIOD, timeout=10, slots=slots, rng=random.Random(1)
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.scraper.run())
        await settle()
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def fail(reason: str = "refused", retry_after: float | None = None) -> Callable[[], NodeSamples]:
    def answer() -> NodeSamples:
        raise ScrapeError(reason, "no", retry_after=retry_after)  # type: ignore[arg-type]

    return answer


async def test_nodes_known_at_start_are_asked_at_once() -> None:
    bench = Bench()
    for number in range(50):
        bench.scraper.set_node(node(f"n{number}"))

    async with bench.running():
        assert len(bench.sink.recorded) == 50


async def test_a_node_that_appears_later_is_asked_within_two_seconds() -> None:
    bench = Bench()
    bench.scraper.first_list_done()

    async with bench.running():
        bench.scraper.set_node(node("new"))
        await bench.clock.advance(2)
        assert bench.sink.recorded == ["new"]


async def test_a_node_is_asked_once_in_every_period() -> None:
    bench = Bench()
    bench.scraper.set_node(node("n"))

    async with bench.running():
        await bench.clock.advance(PERIOD * 10)

    times = bench.kubelets.times("n")[1:]
    assert len(times) in (9, 10)
    assert [later - earlier for earlier, later in itertools.pairwise(times)] == pytest.approx(
        [PERIOD] * (len(times) - 1)
    )


async def test_a_hanging_node_delays_nobody_else() -> None:
    bench = Bench()
    bench.kubelets.hanging["hung"] = asyncio.Event()
    for name in ("hung", "a", "b"):
        bench.scraper.set_node(node(name))

    async with bench.running():
        await bench.clock.advance(PERIOD * 4)

    assert len(bench.kubelets.times("hung")) == 1
    assert bench.sink.recorded.count("a") >= 4


async def test_no_more_nodes_are_asked_at_once_than_there_are_slots() -> None:
    bench = Bench(slots=8)
    for number in range(100):
        bench.scraper.set_node(node(f"n{number}"))

    async with bench.running():
        await settle(200)
        assert len(bench.sink.recorded) == 100

    assert bench.kubelets.most_in_flight == 8


async def test_the_first_seconds_have_fewer_slots() -> None:
    bench = Bench(slots=128)
    for number in range(200):
        bench.kubelets.hanging[f"n{number}"] = asyncio.Event()
        bench.scraper.set_node(node(f"n{number}"))

    async with bench.running():
        await settle(300)
        assert bench.kubelets.in_flight == 32
        await bench.clock.advance(5)
        await settle(300)
        assert bench.kubelets.in_flight == 128


async def test_failing_nodes_hold_at_most_a_quarter_of_the_slots() -> None:
    bench = Bench(slots=8)
    for number in range(20):
        bench.kubelets.answers[f"bad{number}"] = fail()
        bench.scraper.set_node(node(f"bad{number}"))

    async with bench.running():
        for number in range(20):
            bench.kubelets.hanging[f"bad{number}"] = asyncio.Event()
        bench.kubelets.most_in_flight = 0
        await bench.clock.advance(PERIOD)

    assert bench.kubelets.most_in_flight == 2


async def test_a_failed_scrape_is_asked_again_within_two_seconds() -> None:
    bench = Bench()
    bench.kubelets.answers["n"] = fail()
    bench.scraper.set_node(node("n"))

    async with bench.running():
        del bench.kubelets.answers["n"]
        await bench.clock.advance(2)
        assert bench.sink.recorded == ["n"]


async def test_a_node_that_goes_on_failing_is_asked_less_and_less() -> None:
    bench = Bench()
    bench.kubelets.answers["n"] = fail()
    bench.scraper.set_node(node("n"))

    async with bench.running():
        await bench.clock.advance(600)

    times = bench.kubelets.times("n")
    assert times[-1] - times[-2] == pytest.approx(60, abs=12)


async def test_a_second_failure_is_asked_again_after_a_quarter_of_a_period() -> None:
    bench = Bench()
    bench.kubelets.answers["n"] = fail()
    bench.scraper.set_node(node("n"))

    async with bench.running():
        await bench.clock.advance(PERIOD)

    first, second, third = bench.kubelets.times("n")[:3]
    assert 1 <= second - first <= 2
    assert second + PERIOD / 4 <= third <= second + PERIOD / 4 * 1.2


@pytest.mark.parametrize(
    ("changed", "asked_at_once"),
    [
        ({"ready": True}, True),
        ({"addresses": (("InternalIP", "10.0.0.9"),)}, True),
        ({"kubelet_port": 10251}, True),
        ({"resource_metrics_path": "/metrics/x"}, True),
        ({"uid": "another"}, True),
        ({"labels": {"zone": "b"}}, False),
        ({"memory_capacity": 1}, False),
    ],
    ids=repr,
)
async def test_a_change_of_the_way_to_a_node_ends_the_wait_that_failures_earned(
    changed: dict[str, Any], asked_at_once: bool
) -> None:
    bench = Bench()
    bench.kubelets.answers["n"] = fail()
    before = node("n", ready=False)
    bench.scraper.set_node(before)

    async with bench.running():
        await bench.clock.advance(600)
        del bench.kubelets.answers["n"]
        bench.scraper.set_node(msgspec.structs.replace(before, **changed))
        await bench.clock.advance(1)
        assert bench.sink.recorded == (["n"] if asked_at_once else [])


async def test_a_removed_node_is_forgotten_with_its_connection() -> None:
    bench = Bench()
    bench.scraper.set_node(node("n"))

    async with bench.running():
        bench.scraper.remove_node("n")
        await bench.clock.advance(PERIOD * 3)

    assert bench.kubelets.forgotten == ["uid-n"]
    assert len(bench.kubelets.times("n")) == 1
    assert bench.clock.sleeping == 0


async def test_a_node_recreated_under_its_name_is_another_node() -> None:
    bench = Bench()
    bench.scraper.set_node(node("n", "old"))

    async with bench.running():
        bench.scraper.set_node(node("n", "new"))
        await settle()
        assert bench.kubelets.forgotten == ["old"]
        assert len(bench.kubelets.times("n")) == 2


async def test_an_answer_that_arrives_after_the_node_is_gone_is_thrown_away() -> None:
    bench = Bench()
    release = bench.kubelets.hanging["n"] = asyncio.Event()
    bench.scraper.set_node(node("n"))

    async with bench.running():
        bench.scraper.remove_node("n")
        release.set()
        await settle()

    assert bench.sink.recorded == []


async def test_a_failure_is_logged_once_for_each_change_of_reason(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.kubelets.answers["n"] = fail("refused")
    bench.scraper.set_node(node("n"))

    with caplog.at_level(logging.INFO):
        async with bench.running():
            await bench.clock.advance(120)
            bench.kubelets.answers["n"] = fail("timeout")
            await bench.clock.advance(120)
            del bench.kubelets.answers["n"]
            await bench.clock.advance(120)

    assert [record.message for record in caplog.records] == [
        "Failed to scrape node",
        "Failed to scrape node",
        "Node answers again",
    ]


async def test_a_node_that_is_not_ready_fails_quietly(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.kubelets.answers["n"] = fail()
    bench.scraper.set_node(node("n", ready=False))

    with caplog.at_level(logging.INFO):
        async with bench.running():
            await bench.clock.advance(60)

    assert caplog.records == []


async def test_an_unexpected_error_does_not_end_the_scraping_of_a_node(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()

    def broken() -> NodeSamples:
        raise RuntimeError("a bug")

    bench.kubelets.answers["n"] = broken
    bench.scraper.set_node(node("n"))

    async with bench.running():
        del bench.kubelets.answers["n"]
        await bench.clock.advance(3)

    assert bench.sink.recorded == ["n"]
    assert bench.scraper.results == {"internal": 1, "ok": 1}


async def test_a_node_that_needs_more_than_the_timeout_gets_it_and_is_scraped() -> None:
    bench = Bench()
    bench.kubelets.slowness["slow"] = 22.0
    bench.scraper.set_node(node("slow"))

    async with bench.running():
        await bench.clock.advance(300)

    assert bench.kubelets.deadlines[:3] == [10, 20, 30]
    assert bench.sink.recorded.count("slow") >= 5
    assert bench.scraper.results["timeout"] == 2


async def test_a_node_that_was_slow_for_a_while_is_given_no_more_than_others_when_it_is_quick_again() -> None:
    bench = Bench()
    bench.kubelets.slowness["n"] = 22.0
    bench.scraper.set_node(node("n"))

    async with bench.running():
        await bench.clock.advance(200)
        bench.kubelets.slowness["n"] = 0.1
        await bench.clock.advance(PERIOD * 10)

    assert bench.kubelets.deadlines[-1] == 10


async def test_a_node_that_is_not_ready_gets_no_more_than_the_timeout() -> None:
    bench = Bench()
    bench.kubelets.slowness["n"] = 100.0
    bench.scraper.set_node(node("n", ready=False))

    async with bench.running():
        await bench.clock.advance(300)

    assert set(bench.kubelets.deadlines) == {10}


async def test_a_slow_node_is_never_asked_while_it_still_answers() -> None:
    bench = Bench()
    bench.kubelets.slowness["n"] = 22.0
    bench.scraper.set_node(node("n"))

    async with bench.running():
        for ready in (True, False) * 40:
            bench.scraper.set_node(node("n", ready=ready))
            await bench.clock.advance(3)

    assert bench.kubelets.most_in_flight == 1


async def test_a_node_object_that_changes_all_the_time_has_the_node_asked_once_a_second_at_most() -> None:
    bench = Bench()
    bench.kubelets.answers["n"] = fail()
    bench.scraper.set_node(node("n"))

    async with bench.running():
        for number in range(200):
            bench.scraper.set_node(node("n", ready=bool(number % 2)))
            await bench.clock.advance(0.1)

    times = bench.kubelets.times("n")
    assert min(later - earlier for earlier, later in itertools.pairwise(times)) >= 0.99


@pytest.mark.parametrize(
    ("retry_after", "low", "high"),
    [
        pytest.param(5.0, 5, 5.1, id="as long as asked"),
        pytest.param(0.0, 1, 2, id="not sooner than without"),
        pytest.param(3600.0, PERIOD, PERIOD, id="no longer than a period"),
    ],
)
async def test_retry_after_is_honoured(retry_after: float, low: float, high: float) -> None:
    bench = Bench()
    bench.kubelets.answers["n"] = fail("status", retry_after)
    bench.scraper.set_node(node("n"))

    async with bench.running():
        await bench.clock.advance(PERIOD * 2)

    first, second = bench.kubelets.times("n")[:2]
    assert low <= second - first <= high


async def test_stopping_waits_for_no_kubelet() -> None:
    bench = Bench()
    for number in range(20):
        bench.kubelets.hanging[f"n{number}"] = asyncio.Event()
        bench.scraper.set_node(node(f"n{number}"))

    async with bench.running():
        assert bench.kubelets.in_flight == 20

    assert bench.kubelets.in_flight == 0
    assert len(asyncio.all_tasks()) == 1


async def test_the_situation_of_a_node_says_what_failed_and_when_it_is_asked_again() -> None:
    bench = Bench()
    bench.scraper.set_node(node("n"))

    async with bench.running():
        await bench.clock.advance(PERIOD)
        bench.kubelets.answers["n"] = fail("refused")
        await bench.clock.advance(120)
        found = bench.scraper.situation("n")

    assert found is not None
    assert (found.reason, found.message) == ("refused", "no")
    assert found.failures > 3
    assert found.since_answer is not None
    assert found.since_answer > 100
    assert found.until_next is not None
    assert 0 <= found.until_next <= 60
    assert bench.scraper.situation("unknown") is None


async def test_nodes_are_counted_by_how_they_stand() -> None:
    bench = Bench()
    bench.kubelets.answers["bad"] = fail()
    bench.kubelets.hanging["new"] = asyncio.Event()
    for name in ("bad", "good", "new"):
        bench.scraper.set_node(node(name))

    async with bench.running():
        standings = bench.scraper.standings()
        assert {name: counts.nodes for name, counts in standings.items()} == {
            "new": 1,
            "ok": 1,
            "retrying": 1,
            "backing_off": 0,
        }
        assert 1 <= standings["retrying"].most_wait <= 2
        await bench.clock.advance(200)
        assert bench.scraper.standings()["backing_off"].nodes == 1
        assert bench.scraper.standings()["backing_off"].most_deadline == 10


async def test_a_node_that_failed_at_once_is_not_asked_again_behind_all_that_hang() -> None:
    bench = Bench(slots=16)
    for number in range(60):
        bench.kubelets.slowness[f"hung{number}"] = 1000.0
        bench.scraper.set_node(node(f"hung{number}"))
    bench.scraper.set_node(node("good"))

    async with bench.running():
        await bench.clock.advance(60)
        bench.kubelets.answers["good"] = fail()
        before = len(bench.kubelets.times("good"))
        while len(bench.kubelets.times("good")) == before:
            await bench.clock.advance(0.5)
        del bench.kubelets.answers["good"]
        await bench.clock.advance(2.5)

    failed, asked_again = bench.kubelets.times("good")[before : before + 2]
    assert asked_again - failed <= 2


async def test_what_is_dropped_of_an_answer_is_told_once_for_each_reason_with_its_pod(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def spoiled(dropped: dict[str, int], at: dict[str, str]) -> Callable[[], NodeSamples]:
        return lambda: msgspec.structs.replace(samples(), dropped=dropped, dropped_at=at)

    bench = Bench()
    bench.kubelets.answers["n"] = spoiled({"bad_number": 2, "duplicate": 1}, {"bad_number": "shop/web-0"})
    bench.scraper.set_node(node("n"))

    with caplog.at_level(logging.WARNING):
        async with bench.running():
            await bench.clock.advance(4 * PERIOD)
            told_once = list(caplog.records)
            bench.kubelets.answers["n"] = spoiled({"bad_number": 2, "bad_shape": 1}, {})
            await bench.clock.advance(2 * PERIOD)
            told_twice = caplog.records[len(told_once) :]
            await bench.clock.advance(600)

    (first,) = told_once
    assert first.__dict__["fields"] == {"node": "n", "reason": "bad_number", "points": 2, "first": "shop/web-0"}
    (second,) = told_twice
    assert second.__dict__["fields"]["reason"] == "bad_shape"
    assert len(caplog.records) == 4, "both once more, ten minutes later"
    assert bench.scraper.dropped["duplicate"] >= 4, "counted all the same"


async def test_the_latest_sixteen_outcomes_of_a_node_are_remembered() -> None:
    bench = Bench()
    turn = itertools.count()
    bench.kubelets.answers["n"] = lambda: fail()() if next(turn) < 2 else samples()
    bench.scraper.set_node(node("n"))
    seen = []
    async with bench.running():
        for _ in range(24):
            found = bench.scraper.situation("n")
            assert found is not None
            seen.append((found.recent, found.recent_failures))
            await bench.clock.advance(PERIOD)

    assert seen[0] == (1, 1)
    assert (16, 2) in seen
    assert seen[-1] == (16, 0)
