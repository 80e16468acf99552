"""Clients that are slow, greedy or talkative, over real TLS."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from metrics_api.serving.asgi import Send
from metrics_api.serving.limits import Limits
from metrics_api.serving.protocol import MOST_QUEUED, ServingProtocol
from metrics_api.serving.reading import LARGEST_BODY, LARGEST_HEAD, LONGEST_TARGET, OF_GUESTS, OF_PROVEN
from tests.fakes import FakeClock
from tests.serving.wire import (
    GET,
    Replies,
    Scope,
    behind_a_front,
    client_pair,
    connected,
    present,
    send_text,
    serving,
    until_present,
    without_collector,
)

SHORT = Limits(request=0.05)
POST = b"POST / HTTP/1.1\r\nhost: x\r\n"


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET", b"GET / HTTP/1.1\r\nhost: x\r\n", POST + b"content-length: 5\r\n\r\n1"],
    ids=["nothing", "half a line", "half a head", "part of a body"],
)
async def test_a_request_that_does_not_arrive_in_time_ends_the_connection(tmp_path: Path, sent: bytes) -> None:
    async with serving(tmp_path, Replies(), SHORT) as server, connected(server.port) as client:
        client.writer.write(sent)
        assert await client.ended()


@pytest.mark.parametrize(
    "sent",
    [b"G", b"GET / HTTP/1.1\r\nx: " + b"a" * 30_000, POST + b"content-length: 5\r\n\r\n"],
    ids=["half a line", "half a head", "no body"],
)
@pytest.mark.parametrize("in_one_piece", [True, False], ids=["with the request before", "after its answer"])
async def test_a_later_request_that_does_not_arrive_in_time_ends_the_connection_too(
    tmp_path: Path, sent: bytes, in_one_piece: bool
) -> None:
    async with serving(tmp_path, Replies(), SHORT) as server, connected(server.port) as client:
        if in_one_piece:
            await client.ask(GET + sent)
        else:
            await client.ask()
            client.writer.write(sent)
        assert await client.ended()


async def test_dripping_a_body_after_the_answer_does_not_keep_a_connection(tmp_path: Path) -> None:
    async with serving(tmp_path, Replies(), Limits(request=0.2)) as server, connected(server.port) as client:
        status, _, _ = await client.ask(POST + b"content-length: 100\r\n\r\n1")
        assert status == 200
        client.writer.write(b"2")
        assert await client.ended()


async def test_an_idle_connection_is_closed_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metrics_api.serving.server.KEEP_ALIVE", 0.2)
    async with serving(tmp_path, Replies()) as server, connected(server.port) as client:
        for _ in range(4):
            await asyncio.sleep(0.1)
            assert (await client.ask())[0] == 200
        assert await client.ended()


async def test_a_connection_that_has_gone_is_freed_without_the_garbage_collector(tmp_path: Path) -> None:
    with without_collector():
        async with serving(tmp_path, Replies()) as server:
            async with connected(server.port) as client:
                await client.ask()
                assert present(ServingProtocol) == 1
            await until_present(ServingProtocol, 0)


async def test_an_idle_connection_is_not_a_slow_one(tmp_path: Path) -> None:
    async with serving(tmp_path, Replies(), SHORT) as server, connected(server.port) as client:
        await client.ask()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.reader.read(), 0.2)  # what must not happen within four times the limit
        assert (await client.ask())[0] == 200


async def test_a_head_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    application = Replies()
    async with serving(tmp_path, application) as server, connected(server.port) as client:
        status, headers, _ = await client.ask(b"GET / HTTP/1.1\r\nx: " + b"a" * (LARGEST_HEAD + 1))
        assert (status, headers["connection"]) == (431, "close")
        assert await client.ended()
    assert application.asked == 0


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        pytest.param(b"nonsense\r\n\r\n", b"400 Bad Request", id="no HTTP"),
        pytest.param(b"GET / HTTP/1.1\r\nx : y\r\n\r\n", b"400 Bad Request", id="a blank in a header's name"),
        pytest.param(b"GET /\xff HTTP/1.1\r\n\r\n", b"400 Bad Request", id="bytes that no target has"),
        pytest.param(b"GET /" + b"a" * LONGEST_TARGET, b"414 URI Too Long", id="a target without end"),
    ],
)
async def test_what_no_handler_sees_is_refused_in_gos_bytes(tmp_path: Path, sent: bytes, said: bytes) -> None:
    async with serving(tmp_path, Replies()) as server, connected(server.port) as client:
        client.writer.write(sent)
        async with asyncio.timeout(10):
            answer = await client.reader.read()
    assert answer == (
        b"HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n%s" % (said, said)
    )


async def test_a_target_of_the_greatest_length_is_understood(tmp_path: Path) -> None:
    seen: list[tuple[str, bytes]] = []

    async def application(scope: Scope, receive: object, send: Send) -> None:
        seen.append((scope["path"], scope["query_string"]))
        await send_text(send, 200, b"ok")

    value = b"x" * (LONGEST_TARGET - len("/p%2F?a="))
    async with serving(tmp_path, application) as server, connected(server.port) as client:
        assert (await client.ask(b"GET /p%%2F?a=%s HTTP/1.1\r\nhost: x\r\n\r\n" % value))[0] == 200
    assert seen == [("/p/", b"a=" + value)]


@pytest.mark.parametrize("is_proven", [False, True], ids=["guest", "with a certificate"])
@pytest.mark.parametrize("is_complete", [False, True], ids=["without an end", "complete"])
async def test_the_lines_of_a_head_are_counted(tmp_path: Path, is_proven: bool, is_complete: bool) -> None:
    most = (OF_PROVEN if is_proven else OF_GUESTS).lines
    application, end = Replies(), b"\r\n" if is_complete else b""
    pair = client_pair(tmp_path) if is_proven else None
    async with serving(tmp_path, application) as server, connected(server.port, pair) as client:
        assert (await client.ask(b"GET / HTTP/1.1\r\n" + b"A:\r\n" * most + b"\r\n"))[0] == 200
        assert (await client.ask(b"GET / HTTP/1.1\r\n" + b"A:\r\n" * (most + 1) + (end or b"A")))[0] == 431
        assert await client.ended()
    assert application.asked == 1


async def test_who_has_a_certificate_may_send_a_head_as_large_as_go_takes(tmp_path: Path) -> None:
    line = b"x: " + b"a" * (LARGEST_HEAD - 1000)
    async with serving(tmp_path, Replies()) as server, connected(server.port, client_pair(tmp_path)) as client:
        assert (await client.ask(b"GET / HTTP/1.1\r\nhost: x\r\n%s\r\n\r\n" % line))[0] == 200


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"], ids=["without an end", "complete"])
async def test_the_head_of_a_guest_must_be_small(tmp_path: Path, end: bytes) -> None:
    application, head = Replies(), b"GET / HTTP/1.1\r\nhost: x\r\n" + b"x: " + b"a" * OF_GUESTS.size
    async with serving(tmp_path, application) as server, connected(server.port) as client:
        assert (await client.ask(head + end))[0] == 431
        assert await client.ended()
    assert application.asked == 0


@pytest.mark.parametrize("count", [MOST_QUEUED + 1, MOST_QUEUED + 2])
async def test_few_requests_wait_for_the_answer_to_the_one_before(tmp_path: Path, count: int) -> None:
    application = Replies()
    application.release.clear()
    async with serving(tmp_path, application) as server, connected(server.port) as client:
        client.writer.write(GET * count)
        await application.arrived.wait()
        application.release.set()
        if count > MOST_QUEUED + 1:
            assert await client.ended()
            assert application.asked == 1
            return
        for _ in range(count):
            assert (await client.answer())[0] == 200


@pytest.mark.parametrize("pieces", [1, 2])
@pytest.mark.parametrize(
    "following",
    [b"garbage\r\n\r\n", b"GET /%s HTTP/1.1\r\n\r\n" % (b"a" * LONGEST_TARGET)],
    ids=["no HTTP", "too long"],
)
async def test_what_is_refused_after_a_request_does_not_take_its_answer(
    tmp_path: Path, following: bytes, pieces: int
) -> None:
    application = Replies()
    application.release.clear()
    async with serving(tmp_path, application) as server, connected(server.port) as client:
        client.writer.write(GET if pieces == 2 else GET + following)
        await application.arrived.wait()
        if pieces == 2:
            client.writer.write(following)
            await asyncio.sleep(0.05)
        application.release.set()
        assert (await client.answer())[0] == 200
        assert await client.reader.read() == b""
    assert application.asked == 1


async def test_a_small_body_is_let_in_and_the_connection_used_again(tmp_path: Path) -> None:
    async with serving(tmp_path, Replies()) as server, connected(server.port) as client:
        request = POST + b"content-length: %d\r\n\r\n" % LARGEST_BODY + b"x" * LARGEST_BODY
        for _ in "12":
            status, headers, _ = await client.ask(request)
            assert status == 200
            assert "connection" not in headers


@pytest.mark.parametrize(
    "request_",
    [
        POST + b"content-length: %d\r\n\r\n" % (LARGEST_BODY + 1),
        POST + b"content-length: 999999999999999999\r\n\r\n",
        POST + b"transfer-encoding: chunked\r\n\r\n",
        POST + b"expect: 100-continue\r\ncontent-length: 5\r\n\r\n",
    ],
    ids=["large", "huge", "of unknown length", "waiting to be asked for"],
)
async def test_a_body_that_nobody_reads_is_refused_before_it_is_sent(tmp_path: Path, request_: bytes) -> None:
    async with serving(tmp_path, Replies()) as server, connected(server.port) as client:
        status, headers, _ = await client.ask(request_)
        assert (status, headers["connection"]) == (200, "close")
        assert await client.ended()


async def test_an_endless_body_is_not_kept(tmp_path: Path) -> None:
    application = Replies()
    application.release.clear()
    async with serving(tmp_path, application) as server, connected(server.port) as client:
        client.writer.write(POST + b"transfer-encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"

        async def send_for_ever() -> None:
            while True:
                client.writer.write(chunk)
                await client.writer.drain()

        with pytest.raises(TimeoutError):  # the sockets' buffers are full, and nobody empties them
            await asyncio.wait_for(send_for_ever(), 1)
        application.release.set()
        assert (await client.answer())[0] == 200
        assert await client.ended()


async def test_who_hangs_up_while_we_do_not_read_is_not_kept_for_ever(tmp_path: Path) -> None:
    application = Replies()
    application.release.clear()
    async with serving(tmp_path, application) as server, connected(server.port) as client:
        client.writer.write(POST + b"content-length: %d\r\n\r\n" % (3 * LARGEST_BODY) + b"x" * 2 * LARGEST_BODY)
        await application.arrived.wait()
        client.writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
        await asyncio.sleep(0.2)  # until the end has come, and nobody has looked
        application.release.set()
        assert await client.ended()


@pytest.mark.parametrize("limits", [Limits(stall=0.05), Limits(stall=0.05, answer=0.0)], ids=["stall", "in total"])
async def test_a_client_that_stops_reading_its_answer_is_cut_off(tmp_path: Path, limits: Limits) -> None:
    application = Replies(b"x" * 30_000_000)
    async with (
        serving(tmp_path, behind_a_front(application, FakeClock()), limits) as server,
        connected(server.port, limit=1024) as client,
    ):
        client.writer.write(GET)
        await application.arrived.wait()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(0.5)
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        with pytest.raises((asyncio.IncompleteReadError, OSError)):
            await client.answer()


async def test_a_large_answer_is_whole_although_the_connection_closes_after_it(tmp_path: Path) -> None:
    body = b"x" * 30_000_000
    front = behind_a_front(Replies(body), FakeClock())
    front.leave()
    async with serving(tmp_path, front) as server, connected(server.port, limit=1024) as client:
        client.writer.write(GET)
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert b"connection: close" in head
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(1.5)  # longer than closing takes at most
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert len(await client.reader.readexactly(len(body))) == len(body)


async def test_who_is_slow_to_take_the_last_answer_gets_it_whole(tmp_path: Path) -> None:
    body = b"x" * 200_000
    async with serving(tmp_path, Replies(body)) as server, asyncio.timeout(10):
        small = server._listener
        small.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
        async with connected(server.port, limit=1024) as client:
            client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.writer.write(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n")
            await client.reader.readuntil(b"\r\n\r\n")
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await asyncio.sleep(1.5)  # longer than who has an answer is given to take its leave
            client.writer.transport.resume_reading()  # type: ignore[attr-defined]
            assert len(await client.reader.read()) == len(body)


async def test_who_does_not_take_its_leave_is_not_waited_for(tmp_path: Path) -> None:
    async with serving(tmp_path, Replies()) as server, connected(server.port) as client:
        await client.ask()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined] # so it does not see us leave
        server.stop()
        async with asyncio.timeout(5):
            while server._server.server_state.connections:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.05)
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("request_", "status"),
    [(b"GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n", 200), (b"nonsense\r\n\r\n", 400)],
    ids=["upgrade", "no HTTP"],
)
async def test_what_cannot_be_continued_is_closed_and_fills_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, request_: bytes, status: int
) -> None:
    async with serving(tmp_path, Replies()) as server, connected(server.port) as client:
        answer = await client.ask(request_)
        assert (answer[0], answer[1]["connection"]) == (status, "close")
        assert await client.ended()
    assert not caplog.records
