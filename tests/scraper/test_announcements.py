"""One line for each change of a node's state, and no flood when many change at once."""

from __future__ import annotations

import asyncio
import logging

import pytest

from metrics_api.scraper.announcements import MOST_NAMED, WINDOW, Announcements
from tests.fakes import FakeClock


async def test_a_thousand_nodes_that_fail_at_once_for_one_reason_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    announcements = Announcements(clock)
    counting = asyncio.create_task(announcements.run())
    with caplog.at_level(logging.INFO):
        for number in range(1000):
            announcements.failed(f"node-{number}", "timeout", "no answer", quiet=False)
        announcements.failed("node-x", "refused", "nobody listens", quiet=False)
        await clock.advance(WINDOW)
        for number in range(1000):
            announcements.mended(f"node-{number}", 1)
        await clock.advance(WINDOW)
        await clock.advance(WINDOW)
    counting.cancel()

    messages = [record.message for record in caplog.records]
    assert messages.count("Failed to scrape node") == MOST_NAMED + 1
    assert messages.count("Node answers again") == MOST_NAMED
    counted = [vars(record)["fields"] for record in caplog.records if record.message.startswith("Many")]
    assert counted == [
        {"reason": "timeout", "nodes": 1000, "named": MOST_NAMED},
        {"nodes": 1000, "named": MOST_NAMED},
    ]


async def test_the_next_window_names_nodes_again(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    announcements = Announcements(clock)
    counting = asyncio.create_task(announcements.run())
    for number in range(MOST_NAMED + 1):
        announcements.failed(f"node-{number}", "timeout", "no answer", quiet=False)
    await clock.advance(WINDOW)
    caplog.clear()
    announcements.failed("late", "timeout", "no answer", quiet=False)
    counting.cancel()

    assert [vars(record)["fields"]["node"] for record in caplog.records] == ["late"]
