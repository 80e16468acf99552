"""A client that offers an old TLS session proves itself again, or is nobody."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from metrics_api.serving.front import Scope, Send
from metrics_api.serving.protocol import peer_chain
from tests.serving.wire import GET, client_pair, send_text, serving


class Tells:
    """Answers how many certificates the connection has proven."""

    async def __call__(self, scope: Scope, receive: object, send: Send) -> None:
        await send_text(send, 200, b"%d" % len(peer_chain(scope)))


def ask(
    port: int, context: ssl.SSLContext, session: ssl.SSLSession | None
) -> tuple[bytes, bool, ssl.SSLSession | None]:
    """Return what is told, whether the session was taken up, and the session to offer next."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as tcp,
        context.wrap_socket(tcp, server_hostname="localhost", session=session) as tls,
    ):
        tls.sendall(GET)
        answer = tls.recv(4096)
        while not answer.rpartition(b"\r\n\r\n")[2]:
            answer += tls.recv(4096)
        return answer[-1:], bool(tls.session_reused), tls.session


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
async def test_no_session_is_taken_up_again(tmp_path: Path, version: ssl.TLSVersion) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    pair = client_pair(tmp_path)
    context.load_cert_chain(pair.certificate_file, pair.key_file)
    async with serving(tmp_path, Tells()) as server:
        first = await asyncio.to_thread(ask, server.port, context, None)
        again = await asyncio.to_thread(ask, server.port, context, first[2])
    assert first[:2] == (b"2", False)
    assert again[:2] == (b"2", False)
