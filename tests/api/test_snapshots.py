from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest

from metrics_api.api.body import Body
from metrics_api.api.snapshots import Snapshots
from tests.fakes import FakeClock, settle


class _Kitchen:
    """Makes numbered answers, and takes as long as it is told."""

    def __init__(self) -> None:
        self.made = 0
        self.open = asyncio.Event()
        self.open.set()
        self.error: Exception | None = None

    async def make(self) -> Body:
        self.made += 1
        number = self.made
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return Body(b"x", 100, [b"%d" % number])


@pytest.fixture
async def clock() -> AsyncIterator[FakeClock]:
    clock = FakeClock()
    yield clock
    await clock.advance(10)  # every snapshot is let go, and its task ends


@pytest.fixture
async def kitchen() -> _Kitchen:
    return _Kitchen()


async def test_an_answer_is_given_again_for_less_than_a_second(clock: FakeClock, kitchen: _Kitchen) -> None:
    snapshots = Snapshots(clock)
    first = await snapshots.get("a", kitchen.make)
    await clock.advance(0.99)
    assert await snapshots.get("a", kitchen.make) is first
    await clock.advance(0.01)
    assert await snapshots.get("a", kitchen.make) is not first
    assert kitchen.made == 2


async def test_its_age_counts_from_when_it_was_begun(clock: FakeClock, kitchen: _Kitchen) -> None:
    snapshots = Snapshots(clock)
    kitchen.open.clear()
    waiting = asyncio.create_task(snapshots.get("a", kitchen.make))
    await clock.advance(0.9)
    kitchen.open.set()
    await waiting
    await clock.advance(0.1)
    assert len(snapshots) == 0


async def test_an_answer_of_the_past_is_not_given_though_its_task_has_not_had_its_turn(
    clock: FakeClock, kitchen: _Kitchen
) -> None:
    snapshots = Snapshots(clock)
    first = await snapshots.get("a", kitchen.make)
    clock.move_to(clock.monotonic() + 1.0)  # nobody is woken: the event loop is busy
    assert await snapshots.get("a", kitchen.make) is not first
    await settle()
    assert len(snapshots) == 1


async def test_an_answer_is_let_go_after_its_second_though_nobody_asks(clock: FakeClock, kitchen: _Kitchen) -> None:
    snapshots = Snapshots(clock)
    await snapshots.get("a", kitchen.make)
    assert len(snapshots) == 1
    await clock.advance(1)
    assert (len(snapshots), clock.sleeping) == (0, 0)


async def test_all_who_ask_meanwhile_wait_for_the_same(clock: FakeClock, kitchen: _Kitchen) -> None:
    snapshots = Snapshots(clock)
    kitchen.open.clear()
    waiting = [asyncio.create_task(snapshots.get("a", kitchen.make)) for _ in range(5)]
    await clock.advance(3)
    waiting.append(asyncio.create_task(snapshots.get("a", kitchen.make)))
    await settle()
    kitchen.open.set()
    bodies = await asyncio.gather(*waiting)
    assert (kitchen.made, len(set(map(id, bodies)))) == (1, 1)
    await settle()
    assert len(snapshots) == 0  # it took longer than it may be kept


async def test_different_questions_have_different_answers(clock: FakeClock, kitchen: _Kitchen) -> None:
    snapshots = Snapshots(clock)
    assert await snapshots.get("a", kitchen.make) is not await snapshots.get("b", kitchen.make)


async def test_a_client_that_leaves_takes_nothing_from_the_others(clock: FakeClock, kitchen: _Kitchen) -> None:
    snapshots = Snapshots(clock)
    kitchen.open.clear()
    leaving, staying = (asyncio.create_task(snapshots.get("a", kitchen.make)) for _ in range(2))
    await settle()
    leaving.cancel()
    await settle()
    assert leaving.cancelled()
    kitchen.open.set()
    assert (await staying).content == [b"1"]


async def test_a_fault_reaches_all_who_wait_and_is_not_kept(clock: FakeClock, kitchen: _Kitchen) -> None:
    snapshots = Snapshots(clock)
    kitchen.open.clear()
    kitchen.error = RuntimeError("broken")
    waiting = [asyncio.create_task(snapshots.get("a", kitchen.make)) for _ in range(3)]
    await settle()
    kitchen.open.set()
    assert [str(error) for error in await asyncio.gather(*waiting, return_exceptions=True)] == ["broken"] * 3
    kitchen.error = None
    assert (await snapshots.get("a", kitchen.make)).content == [b"2"]


async def test_a_fault_that_nobody_waits_for_is_no_warning(clock: FakeClock, kitchen: _Kitchen) -> None:
    faults: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    snapshots = Snapshots(clock)
    kitchen.open.clear()
    kitchen.error = RuntimeError("broken")
    waiting = asyncio.create_task(snapshots.get("a", kitchen.make))
    await settle()
    waiting.cancel()
    kitchen.open.set()
    await settle()
    assert len(snapshots) == 0
    del waiting
    gc.collect()
    assert faults == []


async def test_what_is_kept_is_bounded_and_the_oldest_goes_first(clock: FakeClock, kitchen: _Kitchen) -> None:
    snapshots = Snapshots(clock, most_bytes=250)
    for key in "abc":
        await snapshots.get(key, kitchen.make)
        await clock.advance(0.1)
    assert len(snapshots) == 2
    assert clock.sleeping == 2  # whoever kept the oldest has let go of it, too
    assert (await snapshots.get("c", kitchen.make)).content == [b"3"]
    assert (await snapshots.get("b", kitchen.make)).content == [b"2"]
    assert (await snapshots.get("a", kitchen.make)).content == [b"4"]


async def test_an_answer_too_long_to_be_kept_is_given_all_the_same(clock: FakeClock, kitchen: _Kitchen) -> None:
    snapshots = Snapshots(clock, most_bytes=99)
    assert (await snapshots.get("a", kitchen.make)).content == [b"1"]
    await settle()
    assert len(snapshots) == 0


async def test_one_that_is_cancelled_by_the_end_of_the_program_lets_its_clients_go(clock: FakeClock) -> None:
    snapshots = Snapshots(clock)
    makers: list[asyncio.Task[None]] = []

    async def make() -> Body:
        task = asyncio.current_task()
        assert task is not None
        makers.append(task)
        await asyncio.Event().wait()
        raise AssertionError("never")

    waiting = asyncio.create_task(snapshots.get("a", make))
    await settle()
    makers[0].cancel()
    await settle()
    assert (waiting.cancelled(), len(snapshots)) == (True, 0)
