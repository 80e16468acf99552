"""Deadlines, the number of requests in flight, and the last moments of a server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from metrics_api.errors import TooManyRequestsError
from metrics_api.serving.asgi import Scope, Send
from metrics_api.serving.deadlines import Deadlines
from metrics_api.serving.front import Front
from metrics_api.serving.inflight import InFlight
from tests.fakes import FakeClock
from tests.serving.wire import ANSWERS, GET, Replies, behind_a_front, connected, send_text, serving

KUBE_APISERVER = b"GET / HTTP/1.1\r\nhost: x\r\nuser-agent: kube-apiserver/v1.36.0 (linux/amd64)\r\n\r\n"
PROBE = b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n"


class HalfAnswer:
    """Begins an answer and never ends it."""

    async def __call__(self, scope: Scope, receive: object, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"hal", "more_body": True})
        await asyncio.Event().wait()


class Counted:
    """Counts its requests as a gate would, and answers when told to."""

    def __init__(self, in_flight: InFlight) -> None:
        self.in_flight = in_flight
        self.arrived = asyncio.Event()
        self.release = asyncio.Event()

    async def __call__(self, scope: Scope, receive: object, send: Send) -> None:
        self.arrived.set()
        try:
            self.in_flight.enter(scope, exempt=False)
        except TooManyRequestsError as error:
            await send_text(send, 429, str(error).encode())
            return
        await self.release.wait()
        await send_text(send, 200, b"ok")


async def test_an_overdue_request_is_answered_504_and_its_connection_lives_on(tmp_path: Path) -> None:
    clock, application = FakeClock(), Replies()
    application.release.clear()
    deadlines = Deadlines(clock, 60)
    front = Front(application, ANSWERS, deadlines=deadlines, in_flight=InFlight(0))
    async with serving(tmp_path, front) as server, connected(server.port) as client:
        client.writer.write(GET)
        await application.arrived.wait()
        await clock.advance(59)
        deadlines.sweep()
        assert deadlines.open == 1
        await clock.advance(1)
        deadlines.sweep()
        deadlines.sweep()
        assert (await client.answer())[0] == 504
        assert deadlines.open == 0
        application.release.set()
        assert (await client.ask())[0] == 200


async def test_an_overdue_answer_that_has_begun_ends_the_connection_and_nothing_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    deadlines = Deadlines(clock, 60)
    front = Front(HalfAnswer(), ANSWERS, deadlines=deadlines, in_flight=InFlight(0))
    async with serving(tmp_path, front) as server, connected(server.port) as client:
        client.writer.write(GET)
        await client.reader.readuntil(b"\r\n\r\nhal")
        await clock.advance(60)
        deadlines.sweep()
        assert await client.ended()
    assert not caplog.records


@pytest.mark.parametrize(
    ("query", "status"),
    [
        (b"?timeout=10ms", 504),
        (b"?a=b&timeout=10ms&timeout=1h", 504),
        (b"?timeout=0s", 200),
        (b"?timeout=-1s", 200),
        (b"?timeout=soon", 200),
        (b"?timeout=1h", 200),
        (b"?mytimeout=1ms", 200),
        (b"?timeout=1%30ms", 504),
        (b"?timeout=10ms;a&timeout=1%zz&timeout=10ms", 504),
        (b"?timeout=10ms;a", 200),
        (b"?timeout=&timeout=10ms", 200),
    ],
)
async def test_a_client_may_shorten_the_deadline_and_never_lengthen_it(
    tmp_path: Path, query: bytes, status: int
) -> None:
    application = Replies()
    application.release.clear()
    front = behind_a_front(application, FakeClock())
    async with serving(tmp_path, front) as server, connected(server.port) as client:
        client.writer.write(b"GET /" + query + b" HTTP/1.1\r\nhost: x\r\n\r\n")
        await application.arrived.wait()
        await asyncio.sleep(0.05)
        application.release.set()
        assert (await client.answer())[0] == status


async def test_the_cancellation_of_others_is_no_timeout() -> None:
    application = Replies()
    application.release.clear()
    deadlines = Deadlines(FakeClock(), 60)
    front = Front(application, ANSWERS, deadlines=deadlines, in_flight=InFlight(0))

    async def send(message: object) -> None:
        raise AssertionError(message)

    scope = {"type": "http", "query_string": b"", "state": {}, "headers": [], "path": "/"}
    task = asyncio.create_task(front(scope, send, send))  # type: ignore[arg-type]
    await application.arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert deadlines.open == 0


async def test_requests_above_the_limit_are_refused_until_one_has_ended(tmp_path: Path) -> None:
    in_flight = InFlight(1)
    application = Counted(in_flight)
    front = Front(application, ANSWERS, deadlines=Deadlines(FakeClock(), 60), in_flight=in_flight)
    async with serving(tmp_path, front) as server, connected(server.port) as first, connected(server.port) as second:
        first.writer.write(GET)
        await application.arrived.wait()
        status, _, body = await second.ask()
        assert (status, body) == (429, b"Too many requests, please try again later.")
        application.release.set()
        assert (await first.answer())[0] == 200
        assert (await second.ask())[0] == 200
    assert in_flight.count == 0


@pytest.mark.parametrize("limit", [1, 0], ids=["exempt", "no limit"])
async def test_who_is_exempt_passes_and_zero_is_no_limit(limit: int) -> None:
    in_flight = InFlight(limit)
    scopes: list[Scope] = [{"state": {}} for _ in range(3)]
    for scope in scopes:
        in_flight.enter(scope, exempt=bool(limit))
    for scope in scopes:
        in_flight.leave(scope)
        in_flight.leave(scope)
    assert in_flight.count == 0


async def test_every_answer_closes_its_connection_once_the_server_leaves(tmp_path: Path) -> None:
    front = behind_a_front(Replies(), FakeClock())
    async with serving(tmp_path, front) as server, connected(server.port) as client:
        assert "connection" not in (await client.ask())[1]
        front.leave()
        status, headers, _ = await client.ask()
        assert (status, headers["connection"]) == (200, "close")
        assert await client.ended()


@pytest.mark.parametrize(
    ("request_", "status"), [(GET, 429), (KUBE_APISERVER, 200), (PROBE, 200)], ids=["client", "kube-apiserver", "probe"]
)
async def test_in_its_last_moments_the_server_sends_clients_elsewhere(
    tmp_path: Path, request_: bytes, status: int
) -> None:
    front = behind_a_front(Replies(), FakeClock())
    front.leave()
    front.refuse()
    async with serving(tmp_path, front) as server, connected(server.port) as client:
        answer = await client.ask(request_)
        assert (answer[0], answer[1]["connection"]) == (status, "close")
        assert await client.ended()


async def test_the_end_of_all_requests_can_be_waited_for(tmp_path: Path) -> None:
    application = Replies()
    application.release.clear()
    deadlines = Deadlines(FakeClock(), 60)
    front = Front(application, ANSWERS, deadlines=deadlines, in_flight=InFlight(0))
    await deadlines.wait_all_ended()
    async with serving(tmp_path, front) as server, connected(server.port) as client:
        client.writer.write(GET)
        await application.arrived.wait()
        ended = asyncio.create_task(deadlines.wait_all_ended())
        await asyncio.sleep(0)
        assert not ended.done()
        application.release.set()
        await asyncio.wait_for(ended, 10)
