"""The heap is frozen when it is filled, and when the nodes have been scraped."""

from __future__ import annotations

import asyncio

from metrics_api.app.heap import set_heap_aside
from tests.fakes import FakeClock


async def test_the_heap_is_frozen_once_it_is_filled_and_once_it_has_settled() -> None:
    clock, filled = FakeClock(), False
    frozen_at: list[float] = []
    start = clock.monotonic()
    aside = asyncio.create_task(
        set_heap_aside(clock, lambda: filled, settling=30.0, freeze=lambda: frozen_at.append(clock.monotonic() - start))
    )
    await clock.advance(5)
    assert frozen_at == []
    filled = True
    await clock.advance(1)
    assert frozen_at == [6.0]
    await clock.advance(100)
    assert frozen_at == [6.0, 36.0]
    assert aside.done(), "it is not done again"
