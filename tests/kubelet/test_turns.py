"""Who goes on when."""

from __future__ import annotations

import asyncio

from metrics_api.kubelet.turns import Turns


async def test_one_goes_on_in_each_round_in_the_order_of_coming() -> None:
    turns, done, rounds = Turns(), [], []

    async def work(name: int) -> None:
        await turns.take()
        done.append(name)

    tasks = [asyncio.create_task(work(name)) for name in range(4)]
    while not all(task.done() for task in tasks):
        before = len(done)
        await asyncio.sleep(0)
        rounds.append(len(done) - before)

    assert done == [0, 1, 2, 3]
    assert max(rounds) == 1


async def test_whoever_comes_alone_does_not_wait() -> None:
    turns = Turns()
    for _ in range(3):
        task = asyncio.create_task(turns.take())
        await asyncio.sleep(0)
        assert task.done()
        await asyncio.sleep(0)


async def test_who_gave_up_is_passed_over() -> None:
    turns = Turns()
    await turns.take()
    tasks = [asyncio.create_task(turns.take()) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    tasks[1].cancel()
    async with asyncio.timeout(1):
        await tasks[2]
    assert tasks[0].cancelled() or tasks[0].done()
    async with asyncio.timeout(1):
        await turns.take()
