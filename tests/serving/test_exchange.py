"""How an application's messages become HTTP/1.1, and what leaves together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from metrics_api.serving.asgi import Message, Receive, Scope, Send
from metrics_api.serving.exchange import FAULTS, Exchange

COMMON = b"date: Sun, 29 Nov 2026 08:00:00 GMT\r\n"
OK = b"HTTP/1.1 200 OK\r\n" + COMMON
TYPE = (b"content-type", b"text/plain")
TWO = (b"content-length", b"2")
SCOPE = {"method": "GET", "http_version": "1.1"}


class Written(asyncio.Transport):
    """Keeps what is written, piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.is_aborted = False

    def write(self, data: Any) -> None:
        self.pieces.append(bytes(data))

    def abort(self) -> None:
        self.is_aborted = True


class Line:
    """A connection that takes everything, or makes the sender wait."""

    def __init__(self) -> None:
        self.written = Written()
        self.transport: asyncio.Transport = self.written
        self.is_lost = False
        self.common_lines = COMMON
        self.completed: list[Exchange] = []
        self.full: asyncio.Event | None = None

    def until_writable(self) -> Awaitable[object] | None:
        return None if self.full is None else self.full.wait()

    def answered(self, exchange: Exchange) -> None:
        self.completed.append(exchange)


def start(*headers: tuple[bytes, bytes], status: int = 200) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(content: bytes | memoryview, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}


async def answered(
    *messages: Message, method: str = "GET", version: str = "1.1", is_kept: bool = True
) -> tuple[list[bytes], Exchange]:
    """Return what is written of an answer, piece by piece, and the exchange."""
    line = Line()
    exchange = Exchange(line, {**SCOPE, "method": method, "http_version": version}, is_kept=is_kept)
    for message in messages:
        await exchange.send(message)
    assert line.completed == [exchange] * exchange.is_complete
    return line.written.pieces, exchange


@pytest.mark.parametrize("content", [b"ok", memoryview(b"ok")], ids=["bytes", "memoryview"])
async def test_a_head_leaves_with_its_body(content: bytes | memoryview) -> None:
    pieces, exchange = await answered(start(TYPE, TWO), body(content))
    assert pieces == [OK + b"content-type: text/plain\r\ncontent-length: 2\r\n\r\nok"]
    assert exchange.is_complete
    assert exchange.is_kept


async def test_a_head_waits_for_its_body_and_the_rest_leaves_as_it_comes() -> None:
    pieces, exchange = await answered(start(TWO))
    assert pieces == []
    await exchange.send(body(b"o", more=True))
    await exchange.send(body(b"k", more=True))
    await exchange.send(body(b""))
    assert pieces == [OK + b"content-length: 2\r\n\r\no", b"k", b""]
    assert exchange.is_complete


async def test_the_head_of_a_stream_leaves_at_once() -> None:
    pieces, exchange = await answered(start(TYPE))
    assert pieces == [OK + b"content-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"]
    await exchange.send(body(b"x" * 17, more=True))
    await exchange.send(body(b"", more=True))
    assert not exchange.is_complete
    await exchange.send(body(b"y"))
    assert pieces[1:] == [b"11\r\n" + b"x" * 17 + b"\r\n", b"", b"1\r\ny\r\n0\r\n\r\n"]
    assert exchange.is_complete


async def test_a_stream_ends_with_the_connection_where_nobody_knows_chunks() -> None:
    pieces, exchange = await answered(start(), body(b"a", more=True), body(b"b"), version="1.0", is_kept=False)
    assert pieces == [OK + b"connection: close\r\n\r\n", b"a", b"b"]
    assert exchange.is_complete


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
@pytest.mark.parametrize("headers", [(), (TWO,)], ids=["no length", "a length"])
async def test_an_answer_that_has_no_body_ends_with_its_head(
    method: str, status: int, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    pieces, exchange = await answered(start(*headers, status=status), body(b"ok"), method=method)
    assert b"".join(pieces).endswith(b"\r\n\r\n")
    assert b"chunked" not in pieces[0]
    assert (b"content-length: 2\r\n" in pieces[0]) == bool(headers)
    assert exchange.is_complete


@pytest.mark.parametrize(
    ("headers", "is_kept"),
    [
        pytest.param([(b"connection", b"close")], True, id="the application's wish"),
        pytest.param([], False, id="the connection's"),
        pytest.param([(b"connection", b"close")], False, id="both"),
    ],
)
async def test_a_connection_that_ends_says_so_once(headers: list[tuple[bytes, bytes]], is_kept: bool) -> None:
    pieces, exchange = await answered(start(TWO, *headers), body(b"ok"), is_kept=is_kept)
    assert pieces[0].count(b"connection: close\r\n") == 1
    assert not exchange.is_kept


@pytest.mark.parametrize("bodies", [[b"o"], [b"okk"], [b"ok", b"k"]], ids=["short", "long", "long in pieces"])
async def test_a_body_of_another_length_is_a_fault(bodies: list[bytes]) -> None:
    messages = [body(each, more=True) for each in bodies[:-1]]
    with pytest.raises(RuntimeError, match="length"):
        await answered(start(TWO), *messages, body(bodies[-1]))


@pytest.mark.parametrize("header", [(b"x", b"a\r\nset-cookie: b"), (b"x\r\ny", b"a"), (b"x", b"a\n"), (b"x", b"a\rb")])
async def test_a_header_cannot_smuggle_in_another(header: tuple[bytes, bytes]) -> None:
    line = Line()
    with pytest.raises(RuntimeError, match="line break"):
        await Exchange(line, SCOPE, is_kept=True).send(start(TWO, header))
    assert line.written.pieces == []


async def test_nothing_follows_a_complete_answer() -> None:
    _, exchange = await answered(start(TWO), body(b"ok"))
    with pytest.raises(RuntimeError, match="complete"):
        await exchange.send(body(b"more"))


async def test_who_sends_waits_until_the_client_has_taken_what_came_before() -> None:
    line = Line()
    line.full = asyncio.Event()
    exchange = Exchange(line, SCOPE, is_kept=True)
    sending = asyncio.create_task(exchange.send(start()))
    await asyncio.sleep(0.01)
    assert line.written.pieces == []
    line.full.set()
    await sending
    assert len(line.written.pieces) == 1


async def test_nothing_is_written_to_a_client_that_has_gone() -> None:
    line = Line()
    line.is_lost = True
    exchange = Exchange(line, SCOPE, is_kept=True)
    await exchange.send(start(TWO))
    await exchange.send(body(b"ok"))
    assert line.written.pieces == []


async def test_no_body_is_given_and_the_end_is_told() -> None:
    exchange = Exchange(Line(), SCOPE, is_kept=True)
    assert await exchange.receive() == {"type": "http.request", "body": b"", "more_body": False}
    waiting = [asyncio.create_task(exchange.receive()) for _ in range(2)]
    await asyncio.sleep(0.01)
    assert not any(each.done() for each in waiting)
    waiting[0].cancel()
    await asyncio.sleep(0)
    exchange.over()
    assert await waiting[1] == {"type": "http.disconnect"}


async def test_the_end_of_an_answer_is_told_too() -> None:
    _, exchange = await answered(start(TWO), body(b"ok"))
    await exchange.receive()
    assert await exchange.receive() == {"type": "http.disconnect"}


Faulty = Callable[[Scope, Receive, Send], Awaitable[None]]


async def _fails_at_once(scope: Scope, receive: Receive, send: Send) -> None:
    raise ValueError("a fault of ours")


async def _smuggles(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start(TWO, (b"x", b"a\r\nset-cookie: b")))


async def _never_answers(scope: Scope, receive: Receive, send: Send) -> None:
    pass


@pytest.mark.parametrize("application", [_fails_at_once, _smuggles, _never_answers])
async def test_an_application_that_does_not_begin_is_answered_for(
    application: Faulty, caplog: pytest.LogCaptureFixture
) -> None:
    line = Line()
    exchange = Exchange(line, SCOPE, is_kept=True)
    await exchange.run(application)
    assert line.written.pieces[0].startswith(b"HTTP/1.1 500 ")
    assert line.written.pieces[0].endswith(b"\r\n\r\nInternal Server Error")
    assert line.completed == [exchange]
    assert not exchange.is_kept
    assert [each.name for each in caplog.records] == [FAULTS.name]


async def _fails_midway(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start())
    raise ValueError("a fault of ours")


async def _stops_midway(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start(TWO))
    await send(body(b"o", more=True))


@pytest.mark.parametrize("application", [_fails_midway, _stops_midway])
async def test_an_answer_that_breaks_off_ends_the_connection(
    application: Faulty, caplog: pytest.LogCaptureFixture
) -> None:
    line = Line()
    await Exchange(line, SCOPE, is_kept=True).run(application)
    assert line.written.is_aborted
    assert line.completed == []
    assert [each.name for each in caplog.records] == [FAULTS.name]


async def test_an_application_whose_client_has_gone_need_not_answer(caplog: pytest.LogCaptureFixture) -> None:
    line = Line()
    line.is_lost = True
    await Exchange(line, SCOPE, is_kept=True).run(_never_answers)
    assert not caplog.records


async def test_a_request_that_is_cancelled_ends_its_connection_without_a_complaint(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def hangs(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    line = Line()
    task = asyncio.create_task(Exchange(line, SCOPE, is_kept=True).run(hangs))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert line.written.is_aborted
    assert not caplog.records
