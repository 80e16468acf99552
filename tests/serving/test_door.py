"""What becomes of those who do not come in."""

from __future__ import annotations

import asyncio
import socket
import ssl
from asyncio.sslproto import SSLProtocol
from pathlib import Path

import pytest

from metrics_api.serving.limits import Limits
from tests.serving.wire import Replies, connected, present, serving, until_present, without_collector


class Knocking:
    """A client that has its part in the handshake ready, but for the last message, which it has not sent."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(received, sent)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.socket.sendall(sent.read())
                received.write(self.socket.recv(1 << 16))
        self.last_message = sent.read()


async def test_who_is_sent_away_with_the_last_message_of_the_handshake_leaves_its_descriptor_in_order(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, Replies(), Limits(in_handshake=1)) as server:
        knocking = await asyncio.to_thread(Knocking, server.port)
        # Nothing is awaited in between: the server sees both at once, in this order.
        knocking.socket.sendall(knocking.last_message)
        another = socket.create_connection(("127.0.0.1", server.port))
        await asyncio.sleep(0.05)
        another.close()
        # A descriptor that is closed below a transport goes to the next connection, which asyncio then refuses.
        async with connected(server.port) as first, connected(server.port) as second:
            assert [(await client.ask())[0] for client in (first, second)] == [200, 200]
        knocking.socket.close()


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x01\x00"], ids=["nothing", "HTTP", "part"]
)
async def test_a_handshake_that_fails_is_freed_without_the_garbage_collector(tmp_path: Path, sent: bytes) -> None:
    async with serving(tmp_path, Replies()) as server:
        with without_collector():
            before = present(SSLProtocol)
            for _ in range(10):
                _, writer = await asyncio.open_connection("127.0.0.1", server.port)
                writer.write(sent)
                await asyncio.sleep(0.01)
                writer.close()
            await until_present(SSLProtocol, before)
