"""The transport against servers that do what nodes have done, and what a hostile one would do."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Iterator

import pytest

from metrics_api.kubelet.dialing import ConnectError
from metrics_api.kubelet.http1 import Response
from metrics_api.kubelet.transport import KubeletTransport, Patience
from metrics_api.pki import Authority
from tests.kubelet.scripted_server import BODY, Script, ScriptedServer, Wire, serving
from tests.kubelet.transports import SHORT, failure, target_of, transport_for


async def test_a_server_that_accepts_and_says_nothing_costs_the_deadline(
    transport: KubeletTransport, context: ssl.SSLContext
) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.hang()

    async with serving(script, context) as server:
        begun = time.monotonic()
        error = await failure(transport, target_of(server), SHORT)
        assert error.reason == "timeout"
        assert SHORT * 0.9 <= time.monotonic() - begun < 1


async def test_a_first_byte_that_is_late_ends_the_exchange_before_its_deadline(
    authority: Authority, context: ssl.SSLContext
) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.hang()

    transport = transport_for(authority, Patience(first_byte=SHORT, first_byte_share=0))
    async with serving(script, context) as server:
        error = await failure(transport, target_of(server), 30)
        assert error.reason == "timeout"
        await transport.aclose()


async def test_a_slow_drip_ends_at_the_deadline_however_often_a_byte_comes(
    transport: KubeletTransport, context: ssl.SSLContext
) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            await wire.send(b"x")
            await asyncio.sleep(0.002)

    async with serving(script, context) as server:
        begun = time.monotonic()
        error = await failure(transport, target_of(server), 2 * SHORT)
        assert error.reason == "timeout"
        assert "begun" in str(error)
        assert 2 * SHORT * 0.9 <= time.monotonic() - begun < 1


async def test_a_server_that_never_finishes_the_handshake_costs_the_deadline(transport: KubeletTransport) -> None:
    async with serving(lambda wire: wire.hang(), None) as server:
        error = await failure(transport, target_of(server), SHORT)
        assert error.reason == "timeout"
        assert "handshake" in str(error)


async def test_a_port_that_nobody_listens_on_refuses(transport: KubeletTransport) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        error = await failure(transport, target_of(ScriptedServer(unused.getsockname()[1])))
    assert isinstance(error, ConnectError)
    assert error.reason == "refused"


@pytest.fixture
def full_backlog() -> Iterator[int]:
    """Give a port whose listener accepts nobody, so that connecting never ends."""
    with socket.socket() as listener, contextlib.ExitStack() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


async def test_a_connection_that_does_not_come_about_times_out(authority: Authority, full_backlog: int) -> None:
    transport = transport_for(authority, Patience(connect=SHORT))
    error = await failure(transport, target_of(ScriptedServer(full_backlog)), 30)
    assert isinstance(error, ConnectError)
    assert error.reason == "timeout"


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "reset"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nshort", "reset"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n", "reset"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nno end is known", "protocol"),
        (b"", "reset"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "protocol"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "protocol"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 100, "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n", "too_large"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n", "too_large"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100_000, "too_large"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"10000\r\n" + b"b" * 65536 + b"\r\n", "reset"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b\r\n" * 200 + b"\r\n", "too_large"),
    ],
    ids=[
        "cut body",
        "cut chunk",
        "no last chunk",
        "end not known",
        "nothing",
        "another protocol",
        "upgrade",
        "two lengths",
        "length and chunks",
        "encoded transfer",
        "interim answers without end",
        "absurd length",
        "announced too large",
        "many headers",
        "endless header",
        "chunks stop",
        "many trailers",
    ],
)
async def test_a_broken_answer_is_an_error_and_the_connection_is_not_kept(
    transport: KubeletTransport, context: ssl.SSLContext, sent: bytes, reason: str
) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        if wire.number == 0:
            await wire.send(sent)
        else:
            await wire.answer()
            await wire.hang()

    async with serving(script, context) as server:
        assert (await failure(transport, target_of(server))).reason == reason
        assert (await transport.get(target_of(server), deadline=5)).body == BODY
        assert server.connections == 2


async def _flood(wire: Wire, head: bytes, piece: bytes) -> None:
    await wire.request()
    await wire.send(head)
    while True:
        await wire.send(piece)


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"Transfer-Encoding: chunked\r\n\r\n", b"4000\r\n" + b"x" * 0x4000 + b"\r\n"),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"1;" + b"e" * 1000 + b"\r\nx\r\n"),
        (b"Transfer-Encoding: chunked\r\n\r\n0\r\nA: ", b"t" * 1000),
        (b"A: ", b"h" * 1000),
    ],
    ids=["body", "chunk extensions", "trailer", "header"],
)
async def test_a_flood_is_cut_off(
    transport: KubeletTransport, context: ssl.SSLContext, head: bytes, piece: bytes
) -> None:
    script: Script = lambda wire: _flood(wire, b"HTTP/1.1 200 OK\r\n" + head, piece)  # noqa: E731 - shorter
    async with serving(script, context) as server:
        assert (await failure(transport, target_of(server, max_body=50_000))).reason == "too_large"


async def test_interim_answers_are_passed_over(transport: KubeletTransport, context: ssl.SSLContext) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\nDate: never\r\n\r\n")
        await wire.answer()
        await wire.hang()

    async with serving(script, context) as server:
        assert await transport.get(target_of(server), deadline=5) == Response(200, BODY)


async def test_a_body_in_chunks_is_cut_off_at_its_limit(transport: KubeletTransport, context: ssl.SSLContext) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n" + b"x" * 101 + b"\r\n0\r\n\r\n")
        await wire.hang()

    async with serving(script, context) as server:
        assert (await transport.get(target_of(server, max_body=101), deadline=5)).body == b"x" * 101
        transport.close("uid-a")
        assert (await failure(transport, target_of(server, max_body=100))).reason == "too_large"


async def test_of_an_error_only_the_beginning_is_kept(transport: KubeletTransport, context: ssl.SSLContext) -> None:
    async def script(wire: Wire) -> None:
        while True:
            await wire.request()
            await wire.answer(b"e" * 30_000, "500 Internal Server Error")

    async with serving(script, context) as server:
        for _ in range(2):
            assert await transport.get(target_of(server), deadline=5) == Response(500, b"e" * 4096)
        assert server.connections == 1


async def test_an_endless_error_is_an_answer_all_the_same(transport: KubeletTransport, context: ssl.SSLContext) -> None:
    head = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nTransfer-Encoding: chunked\r\n\r\n"
    script: Script = lambda wire: _flood(wire, head, b"1000\r\n" + b"x" * 0x1000 + b"\r\n")  # noqa: E731 - shorter
    async with serving(script, context) as server:
        response = await transport.get(target_of(server), deadline=5)
        assert (response.status, response.retry_after) == (503, b"7")


async def test_an_error_may_end_with_its_connection(transport: KubeletTransport) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")

    async with serving(script, None) as server:
        response = await transport.get(target_of(server, tls=False), deadline=5)
    assert response == Response(400, b"Client sent an HTTP request to an HTTPS server.\n")
