from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from metrics_api.localcluster.aggregation.workqueue import RetryError, WorkQueue
from tests.fakes import FakeClock, settle


class Work:
    """Notes what it is asked to do; fails while ``failing``."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.failing = False
        self.again_after: float | None = None
        self.held: asyncio.Event | None = None
        self.at_once = 0
        self.most_at_once = 0

    async def __call__(self, name: str) -> float | None:
        self.done.append(name)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        if self.held is not None:
            await self.held.wait()
        self.at_once -= 1
        if self.failing:
            raise RetryError("on purpose")
        return self.again_after


@asynccontextmanager
async def working(work: Work) -> AsyncIterator[tuple[WorkQueue, FakeClock]]:
    clock = FakeClock()
    queue = WorkQueue(work, clock, first_delay=0.005, longest_delay=30.0)
    task = asyncio.create_task(queue.run())
    await settle()
    yield queue, clock
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_failures_are_tried_again_with_a_delay_that_doubles_up_to_its_limit() -> None:
    work = Work()
    work.failing = True
    async with working(work) as (queue, clock):
        queue.add("a")
        await settle()
        for _ in range(15):
            await clock.advance(30)

        assert clock.sleeps[:15] == [min(0.005 * 2**number, 30.0) for number in range(15)]


async def test_after_a_success_the_delay_starts_small_again() -> None:
    work = Work()
    work.failing = True
    async with working(work) as (queue, clock):
        queue.add("a")
        await clock.advance(0.1)
        work.failing = False
        await clock.advance(1)
        clock.sleeps.clear()
        work.failing = True
        queue.add("a")
        await settle()

        assert clock.sleeps == [0.005]


async def test_a_name_is_worked_on_again_after_the_time_the_work_asks_for() -> None:
    work = Work()
    work.again_after = 60.0
    async with working(work) as (queue, clock):
        queue.add("a")
        await clock.advance(59)
        assert work.done == ["a"]
        await clock.advance(1)
        assert work.done == ["a", "a"]


async def test_names_added_while_they_wait_are_worked_on_once() -> None:
    work = Work()
    async with working(work) as (queue, _):
        for _ in range(3):
            queue.add("a")
        await settle()

        assert work.done == ["a"]


async def test_a_name_added_while_it_is_worked_on_is_worked_on_once_more_and_not_at_the_same_time() -> None:
    work = Work()
    work.held = asyncio.Event()
    async with working(work) as (queue, _):
        queue.add("a")
        await settle()
        for _ in range(3):
            queue.add("a")
        await settle()
        assert work.done == ["a"]
        work.held.set()
        await settle()

        assert (work.done, work.most_at_once) == (["a", "a"], 1)


async def test_different_names_are_worked_on_at_the_same_time() -> None:
    work = Work()
    work.held = asyncio.Event()
    async with working(work) as (queue, _):
        queue.add("a")
        queue.add("b")
        await settle()

        assert work.most_at_once == 2


@pytest.mark.parametrize("delays", [(5, 50), (50, 5)], ids=["earlier-first", "later-first"])
async def test_of_several_delays_for_a_name_the_earliest_counts(delays: tuple[float, ...]) -> None:
    work = Work()
    async with working(work) as (queue, clock):
        for delay in delays:
            queue.add_after("a", delay)
        await clock.advance(4)
        assert work.done == []
        await clock.advance(100)
        assert work.done == ["a"]


async def test_a_failure_that_repeats_is_logged_once_until_there_was_a_success(
    caplog: pytest.LogCaptureFixture,
) -> None:
    work = Work()
    work.failing = True
    async with working(work) as (queue, clock):
        queue.add("a")
        await clock.advance(60)
        assert caplog.text.count("on purpose") == 1
        work.failing = False
        await clock.advance(60)
        work.failing = True
        queue.add("a")
        await settle()

        assert caplog.text.count("on purpose") == 2


async def test_a_bug_in_the_work_is_logged_and_tried_again_like_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []

    async def work(name: str) -> float | None:
        done.append(name)
        if name == "bad":
            raise KeyError("spec")
        return None

    clock = FakeClock()
    queue = WorkQueue(work, clock, first_delay=1.0, longest_delay=30.0)
    task = asyncio.create_task(queue.run())
    queue.add("bad")
    await clock.advance(1)
    queue.add("good")
    await settle()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert done == ["bad", "bad", "good"]
    assert "a bug in the stand-in" in caplog.text
