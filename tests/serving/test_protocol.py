"""Clients that are slow, greedy or talkative, over real TLS."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import unquote

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_api.serving.front import Send
from metrics_api.serving.limits import Limits
from metrics_api.serving.protocol import LARGEST_BODY, LARGEST_HEAD, split_target
from tests.fakes import FakeClock
from tests.serving.wire import GET, Replies, Scope, behind_a_front, connected, send_text, serving

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
        pytest.param(
            b"GET /" + b"a" * (LARGEST_HEAD + 1), b"431 Request Header Fields Too Large", id="a target without end"
        ),
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


@pytest.mark.parametrize("length", [1, 0xFFFF, 0x10000, LARGEST_HEAD - 1000])
async def test_a_target_of_any_length_that_a_head_may_have_is_understood(tmp_path: Path, length: int) -> None:
    seen: list[tuple[str, bytes]] = []

    async def application(scope: Scope, receive: object, send: Send) -> None:
        seen.append((scope["path"], scope["query_string"]))
        await send_text(send, 200, b"ok")

    targets = [(b"/p%2F?a=" + b"x" * length, ("/p/", b"a=" + b"x" * length)), (b"/" + b"y" * length, None)]
    async with serving(tmp_path, application) as server, connected(server.port) as client:
        for target, _ in targets:
            assert (await client.ask(b"GET %s HTTP/1.1\r\nhost: x\r\n\r\n" % target))[0] == 200
    assert seen == [targets[0][1], ("/" + "y" * length, b"")]


@given(st.text(alphabet="/?#%a1.;=&+~!*'(),:@$[]|", max_size=30))
def test_long_targets_are_split_as_short_ones_are(rest: str) -> None:
    target = b"/" + rest.encode()
    short = httptools.parse_url(target)
    assert split_target(target) == {
        "path": unquote(short.path.decode()),
        "raw_path": short.path,
        "query_string": short.query or b"",
    }


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
