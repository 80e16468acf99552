"""A watch leaves the count of requests in flight and outlasts the longest time of a request."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from metrics_api.app.long_requests import LongRequests
from metrics_api.auth.identity import MASTERS, User
from metrics_api.serving.asgi import ABORT
from metrics_api.serving.deadlines import Deadlines
from metrics_api.serving.front import Answers, Front
from metrics_api.serving.inflight import InFlight
from tests.fakes import FakeClock, settle


async def _nothing(*_: Any) -> Any:
    raise AssertionError("nothing is answered here")


async def test_a_released_request_is_not_counted_not_timed_and_waited_for_by_nobody() -> None:
    clock = FakeClock()
    deadlines, in_flight = Deadlines(clock, 60.0), InFlight(1)
    long = LongRequests(deadlines, in_flight)

    async def watching(scope: Any, receive: Any, send: Any) -> None:
        in_flight.enter(scope, exempt=False)
        if scope["path"] == "/watch":
            long.release(scope)
        await asyncio.Event().wait()

    front = Front(watching, Answers(_nothing, _nothing), deadlines=deadlines, in_flight=in_flight)

    def ask(path: str) -> asyncio.Task[None]:
        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [], "state": {}}
        return asyncio.create_task(front(scope, _nothing, _nothing))

    watch, other = ask("/watch"), ask("/watch")
    await settle()
    assert in_flight.count == 0
    clock.move_to(clock.monotonic() + 1000)
    deadlines.sweep()
    await settle()
    assert not watch.done()
    async with asyncio.timeout(1):
        await deadlines.wait_all_ended()
    for task in (watch, other):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert (in_flight.count, deadlines.open) == (0, 0)


def test_a_connection_is_cut_by_its_own_means() -> None:
    cut = []
    long = LongRequests(Deadlines(FakeClock(), 60.0), InFlight(1))
    long.cut_off({"state": {ABORT: lambda: cut.append(1)}})
    long.cut_off({"state": {}})
    assert cut == [1]


def test_a_watch_is_of_whom_the_gate_has_found_and_an_administrators_of_nobodys_share() -> None:
    long = LongRequests(Deadlines(FakeClock(), 60.0), InFlight(1))

    def whose(user: User | None) -> str | None:
        return long.user({"state": {} if user is None else {"user": user}})

    assert whose(User("alice", groups=("dev",))) == "alice"
    assert whose(User("root", groups=(MASTERS,))) is None
    assert whose(None) is None
