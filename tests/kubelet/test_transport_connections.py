"""The transport over real sockets and real TLS: which connections it keeps, and which it lets go of."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ssl
from pathlib import Path

import pytest

from metrics_api.errors import ScrapeError
from metrics_api.kubelet.options import TlsOptions
from metrics_api.kubelet.tls import TlsContexts
from metrics_api.kubelet.transport import KubeletTransport, Patience
from metrics_api.pki import Authority
from tests.fakes import FakeClock
from tests.kubelet.scripted_server import BODY, Wire, always, serving
from tests.kubelet.transports import failure, target_of, transport_for


async def test_one_connection_serves_many_requests(transport: KubeletTransport, context: ssl.SSLContext) -> None:
    async with serving(always, context) as server:
        for _ in range(5):
            assert (await transport.get(target_of(server), deadline=5)).body == BODY
        assert (server.connections, len(server.requests)) == (1, 5)


@pytest.mark.parametrize("how", ["reset", "end"])
async def test_a_kept_connection_that_died_is_replaced_at_once(
    transport: KubeletTransport, context: ssl.SSLContext, how: str
) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.answer()
        if wire.number == 0:
            await wire.request()  # and dies without a byte of an answer
            if how == "reset":
                wire.reset()
            return
        await wire.hang()

    async with serving(script, context) as server:
        assert (await transport.get(target_of(server), deadline=5)).body == BODY
        assert (await transport.get(target_of(server), deadline=5)).body == BODY
        assert (server.connections, len(server.requests)) == (2, 3)


async def test_a_new_connection_that_dies_is_not_tried_again(
    transport: KubeletTransport, context: ssl.SSLContext
) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        wire.reset()

    async with serving(script, context) as server:
        assert (await failure(transport, target_of(server))).reason == "reset"
        assert server.connections == 1


async def test_a_kept_connection_that_dies_within_an_answer_is_not_tried_again(
    transport: KubeletTransport, context: ssl.SSLContext
) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.answer()
        await wire.request()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Le")

    async with serving(script, context) as server:
        await transport.get(target_of(server), deadline=5)
        assert (await failure(transport, target_of(server))).reason == "reset"
        assert server.connections == 1


@pytest.mark.parametrize(
    ("headers", "follows"),
    [(["Connection: close"], b""), ([], b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"), ([], b"rubbish")],
    ids=["it says close", "a second answer", "rubbish"],
)
async def test_a_connection_is_not_kept_after_an_answer_that_forbids_it(
    transport: KubeletTransport, context: ssl.SSLContext, headers: list[str], follows: bytes
) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        head = "\r\n".join(["HTTP/1.1 200 OK", f"Content-Length: {len(BODY)}", *headers, "", ""])
        await wire.send(head.encode() + BODY + follows)
        await wire.hang()

    async with serving(script, context) as server:
        for _ in range(2):
            assert (await transport.get(target_of(server), deadline=5)).body == BODY
        assert server.connections == 2


async def test_bytes_between_two_requests_end_the_connection(
    transport: KubeletTransport, context: ssl.SSLContext
) -> None:
    sent = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.answer()
        if wire.number == 0:
            await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await wire.reader.read()
            sent.set()
        else:
            await wire.hang()

    async with serving(script, context) as server:
        await transport.get(target_of(server), deadline=5)
        await sent.wait()
        assert (await transport.get(target_of(server), deadline=5)).body == BODY
        assert server.connections == 2


async def test_a_connection_idle_for_too_long_is_not_used_again(authority: Authority, context: ssl.SSLContext) -> None:
    transport = transport_for(authority, Patience(idle=0.0))
    async with serving(always, context) as server:
        for _ in range(2):
            await transport.get(target_of(server), deadline=5)
        assert server.connections == 2
        await transport.aclose()


async def test_another_node_at_the_same_address_gets_a_connection_of_its_own(
    transport: KubeletTransport, context: ssl.SSLContext
) -> None:
    async with serving(always, context) as server:
        await transport.get(target_of(server, uid="uid-a"), deadline=5)
        await transport.get(target_of(server, uid="uid-b"), deadline=5)
        assert server.connections == 2


async def test_a_node_that_moves_takes_no_connection_along(
    transport: KubeletTransport, context: ssl.SSLContext
) -> None:
    async with serving(always, context) as first, serving(always, context) as second:
        await transport.get(target_of(first), deadline=5)
        await transport.get(target_of(second), deadline=5)
        assert (len(first.requests), len(second.requests)) == (1, 1)


async def test_a_node_that_is_closed_has_no_connection_left(
    transport: KubeletTransport, context: ssl.SSLContext
) -> None:
    gone = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.answer()
        await wire.hang()
        gone.set()

    async with serving(script, context) as server:
        await transport.get(target_of(server), deadline=5)
        transport.close("uid-a")
        transport.close("uid-a")
        await asyncio.wait_for(gone.wait(), 5)


async def test_a_request_in_flight_fails_when_its_node_is_closed(
    transport: KubeletTransport, context: ssl.SSLContext
) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        transport.close("uid-a")
        await wire.hang()

    async with serving(script, context) as server:
        assert (await failure(transport, target_of(server))).reason == "reset"


async def test_a_node_that_is_closed_while_it_is_dialled_gets_no_connection(
    transport: KubeletTransport, context: ssl.SSLContext
) -> None:
    async with serving(always, context) as server:
        task = asyncio.create_task(transport.get(target_of(server), deadline=5))
        await asyncio.sleep(0)
        transport.close("uid-a")
        with pytest.raises(ScrapeError, match="while it was dialled"):
            await task
        assert server.requests == []


async def test_a_second_request_to_a_node_that_is_being_asked_is_a_bug(
    transport: KubeletTransport, context: ssl.SSLContext
) -> None:
    asked = asyncio.Event()
    go_on = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        asked.set()
        await go_on.wait()
        await wire.answer()
        await wire.hang()

    async with serving(script, context) as server:
        first = asyncio.create_task(transport.get(target_of(server), deadline=5))
        await asked.wait()
        with pytest.raises(RuntimeError):
            await transport.get(target_of(server), deadline=5)
        go_on.set()
        assert (await first).body == BODY


async def test_a_cancelled_request_closes_its_connection(transport: KubeletTransport, context: ssl.SSLContext) -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        if wire.number == 0:
            asked.set()
            await wire.hang()
            gone.set()
        await wire.answer()
        await wire.hang()

    async with serving(script, context) as server:
        task = asyncio.create_task(transport.get(target_of(server), deadline=5))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(gone.wait(), 5)
        assert (await transport.get(target_of(server), deadline=5)).body == BODY


async def test_nothing_is_left_open(authority: Authority, context: ssl.SSLContext) -> None:
    transport = transport_for(authority)
    async with serving(always, context) as server:
        await transport.get(target_of(server), deadline=5)
        await transport.aclose()
        await asyncio.sleep(0)
        gc.collect()  # an open transport or socket would warn here, and warnings are errors


@pytest.mark.parametrize("idle", [0.0, 80.0], ids=["left by us", "closed by the kubelet"])
async def test_no_tls_session_is_kept(idle: float, authority: Authority, context: ssl.SSLContext) -> None:
    """Python leaks one with each look at it (python/cpython#116810)."""
    resumed: list[bool] = []

    async def script(wire: Wire) -> None:
        await wire.request()
        resumed.append(wire.writer.get_extra_info("ssl_object").session_reused)
        await wire.answer()
        if not idle:
            await wire.hang()

    transport = transport_for(authority, Patience(idle=idle))
    async with serving(script, context) as server:
        for _ in range(2):
            await transport.get(target_of(server), deadline=5)
            await asyncio.sleep(0.1)  # it closes
        assert resumed == [False, False]
        await transport.aclose()


async def test_a_changed_tls_context_ends_the_connections_made_before(
    authority: Authority, context: ssl.SSLContext, tmp_path: Path
) -> None:
    file = tmp_path / "ca.crt"
    file.write_bytes(authority.certificate)
    clock = FakeClock()
    transport = KubeletTransport(TlsContexts(TlsOptions(ca_file=str(file)), clock))
    async with serving(always, context) as server:
        await transport.get(target_of(server), deadline=5)
        file.write_bytes(Authority.create("another-ca").certificate)
        await clock.advance(61)
        assert (await failure(transport, target_of(server))).reason == "tls"
        await transport.aclose()
