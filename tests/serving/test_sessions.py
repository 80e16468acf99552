"""A client that offers an old TLS session proves itself again, or is nobody."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from pathlib import Path
from typing import NamedTuple

import pytest

from metrics_api.serving.asgi import Scope, Send
from metrics_api.serving.certificates import ServingPair
from metrics_api.serving.chain import peer_chain
from tests.serving.wire import GET, client_pair, send_text, serving


class Tells:
    """Answers how many certificates the connection has proven."""

    async def __call__(self, scope: Scope, receive: object, send: Send) -> None:
        await send_text(send, 200, b"%d" % len(peer_chain(scope)))


class Visit(NamedTuple):
    told: bytes
    """Empty when the connection ended without an answer."""
    is_reused: bool
    session: ssl.SSLSession | None
    """To offer next."""


def visit(port: int, context: ssl.SSLContext, session: ssl.SSLSession | None, *, in_order: bool) -> Visit:
    """Ask on a new connection. OpenSSL keeps a session that ends in order, and drops one that breaks off."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as tcp,
        context.wrap_socket(tcp, server_hostname="localhost", session=session) as tls,
    ):
        answer = b""
        with contextlib.suppress(OSError):
            tls.sendall(GET)
            while not answer.rpartition(b"\r\n\r\n")[2] and (piece := tls.recv(4096)):
                answer += piece
        visited = Visit(answer[-1:], bool(tls.session_reused), tls.session)
        if in_order:
            with contextlib.suppress(OSError):
                tls.unwrap()
        return visited


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
@pytest.mark.parametrize("in_order", [True, False], ids=["ended in order", "broken off"])
async def test_no_session_is_taken_up_again(tmp_path: Path, version: ssl.TLSVersion, in_order: bool) -> None:
    context = client_context(version, client_pair(tmp_path))
    async with serving(tmp_path, Tells()) as server:
        first = await asyncio.to_thread(visit, server.port, context, None, in_order=in_order)
        assert first[:2] == (b"2", False)
        for _ in range(4):
            again = await asyncio.to_thread(visit, server.port, context, first.session, in_order=in_order)
            for _ in range(20):
                if not again.is_reused:
                    break
                assert again.told == b""  # and the session is forgotten when the connection is
                again = await asyncio.to_thread(visit, server.port, context, first.session, in_order=in_order)
            assert again[:2] == (b"2", False)


async def test_a_guests_session_may_be_taken_up_for_it_proves_nothing(tmp_path: Path) -> None:
    context = client_context(ssl.TLSVersion.TLSv1_2)
    async with serving(tmp_path, Tells()) as server:
        first = await asyncio.to_thread(visit, server.port, context, None, in_order=True)
        again = await asyncio.to_thread(visit, server.port, context, first.session, in_order=True)
    assert (first.told, again.told) == (b"0", b"0")


def client_context(version: ssl.TLSVersion, pair: ServingPair | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    if pair is not None:
        context.load_cert_chain(pair.certificate_file, pair.key_file)
    return context
