"""Large answers share what memory they take."""

from __future__ import annotations

import tracemalloc

import pytest

from metrics_api.errors import ScrapeError
from metrics_api.kubelet.budget import Budget
from metrics_api.kubelet.http1 import ResponseReader, WireLimits

MIB = 1 << 20
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def reader(budget: Budget) -> ResponseReader:
    made = ResponseReader(WireLimits(), budget)
    made.begin(16 * MIB)
    made.feed(HEAD)
    return made


def feed(to: ResponseReader, size: int) -> None:
    to.feed(b"%x\r\n%b\r\n" % (size, b" " * size))


def test_ordinary_answers_need_no_budget() -> None:
    budget = Budget(0)
    for _ in range(100):
        feed(reader(budget), 500_000)


def test_a_large_answer_is_read_while_there_is_room_and_refused_when_there_is_none() -> None:
    budget = Budget(5 * MIB)
    first, second = reader(budget), reader(budget)
    feed(first, 4 * MIB)
    with pytest.raises(ScrapeError, match="while others") as caught:
        feed(second, 4 * MIB)
    assert caught.value.reason == "too_large"


def test_what_was_read_makes_room_again() -> None:
    budget = Budget(5 * MIB)
    for _ in range(10):
        taken, dropped = reader(budget), reader(budget)
        feed(taken, 4 * MIB)
        taken.feed(b"0\r\n\r\n")
        assert len(taken.take().body) == 4 * MIB
        feed(dropped, 4 * MIB)
        dropped.discard()
    assert budget.reserve(5 * MIB)


def test_the_bound_on_one_answer_holds_all_the_same() -> None:
    with pytest.raises(ScrapeError, match="more than 16777216"):
        feed(reader(Budget()), 17 * MIB)


def test_an_error_that_is_kept_keeps_no_body() -> None:
    tracemalloc.start()
    try:
        errors = [_refused() for _ in range(10)]
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert all(error.reason == "too_large" for error in errors)
    assert held < 4 * MIB


def flood(to: ResponseReader) -> None:
    for _ in range(100):
        feed(to, 64 * 1024)


def _refused() -> ScrapeError:
    made = ResponseReader(WireLimits())
    made.begin(2 * MIB)
    made.feed(HEAD)
    with pytest.raises(ScrapeError) as caught:
        flood(made)
    made.discard()
    return caught.value
