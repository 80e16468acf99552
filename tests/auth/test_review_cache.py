from __future__ import annotations

import asyncio
import contextlib

import pytest

from metrics_api.auth.review_cache import ReviewCache
from tests.fakes import FakeClock, settle


class Oracle:
    """Counts questions; answers when released."""

    def __init__(self) -> None:
        self.asked = 0
        self.release = asyncio.Event()
        self.error: Exception | None = None

    async def ask(self) -> str:
        self.asked += 1
        await self.release.wait()
        if self.error is not None:
            raise self.error
        return f"answer {self.asked}"


def cache(clock: FakeClock, size: int = 10, seconds: float = 10) -> ReviewCache[str, str]:
    return ReviewCache(clock, size=size, lifetime=lambda _answer: seconds)


async def test_an_answer_is_used_again_until_its_time_is_over() -> None:
    clock, oracle = FakeClock(), Oracle()
    oracle.release.set()
    answers = cache(clock)

    assert await answers.get("k", oracle.ask) == "answer 1"
    await clock.advance(9.9)
    assert await answers.get("k", oracle.ask) == "answer 1"
    await clock.advance(0.1)
    assert await answers.get("k", oracle.ask) == "answer 2"


async def test_concurrent_equal_questions_are_asked_once() -> None:
    oracle, answers = Oracle(), cache(FakeClock())
    waiting = [asyncio.create_task(answers.get("k", oracle.ask)) for _ in range(100)]
    await settle()

    oracle.release.set()

    assert set(await asyncio.gather(*waiting)) == {"answer 1"}
    assert oracle.asked == 1


async def test_an_error_reaches_all_who_wait_and_is_not_remembered() -> None:
    oracle, answers = Oracle(), cache(FakeClock())
    oracle.error = RuntimeError("away")
    waiting = [asyncio.create_task(answers.get("k", oracle.ask)) for _ in range(3)]
    await settle()
    oracle.release.set()

    for task in waiting:
        with pytest.raises(RuntimeError, match="away"):
            await task
    oracle.error = None
    assert await answers.get("k", oracle.ask) == "answer 2"


async def test_one_who_gives_up_waiting_does_not_take_the_answer_from_others() -> None:
    oracle, answers = Oracle(), cache(FakeClock())
    impatient = asyncio.create_task(answers.get("k", oracle.ask))
    patient = asyncio.create_task(answers.get("k", oracle.ask))
    await settle()

    impatient.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await impatient
    oracle.release.set()

    assert await patient == "answer 1"


async def test_the_least_recently_used_goes_when_it_is_full() -> None:
    oracle, answers = Oracle(), cache(FakeClock(), size=2)
    oracle.release.set()
    await answers.get("a", oracle.ask)
    await answers.get("b", oracle.ask)
    answers.peek("a")

    await answers.get("c", oracle.ask)

    assert answers.peek("a") is not None
    assert answers.peek("b") is None
    assert len(answers) == 2


async def test_a_lifetime_of_zero_asks_each_time() -> None:
    oracle, answers = Oracle(), cache(FakeClock(), seconds=0)
    oracle.release.set()

    await answers.get("k", oracle.ask)
    await answers.get("k", oracle.ask)

    assert oracle.asked == 2
    assert len(answers) == 0
