"""A server on 127.0.0.1 that does to each connection what a script says, so that a test can be as rude as a node."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from metrics_api.pki import Authority, KeyPair

BODY = b'{"node": {"nodeName": "node-a"}, "pods": []}'


class Wire:
    """One connection, seen from the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: ScriptedServer) -> None:
        self.reader = reader
        self.writer = writer
        self.number = server.connections
        """0 for the first connection that was made."""
        self._requests = server.requests

    async def request(self) -> bytes:
        """Return the next request; the server's list gets it too."""
        request = await self.reader.readuntil(b"\r\n\r\n")
        self._requests.append(request)
        return request

    async def send(self, *parts: bytes) -> None:
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()

    async def answer(self, body: bytes = BODY, status: str = "200 OK", *headers: str) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
        await self.send("\r\n".join(lines).encode() + body)

    def reset(self) -> None:
        """Close with RST, so that the peer sees an error."""
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()

    async def hang(self) -> None:
        """Do nothing until the peer goes."""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await self.reader.read()


Script = Callable[[Wire], Awaitable[None]]


@dataclass
class ScriptedServer:
    """What a test sees of the server."""

    port: int
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0


@contextlib.asynccontextmanager
async def serving(
    script: Script, context: ssl.SSLContext | None, host: str = "127.0.0.1"
) -> AsyncIterator[ScriptedServer]:
    """Run ``script`` for each connection until the block ends."""
    tasks: set[asyncio.Task[None]] = set()
    state = ScriptedServer(0)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            tasks.add(task)
        wire = Wire(reader, writer, state)
        state.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
            await script(wire)
        writer.transport.abort()

    server = await asyncio.start_server(connected, host, 0, ssl=context)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)


async def always(wire: Wire) -> None:
    """Answer every request."""
    while True:
        await wire.request()
        await wire.answer()


def server_context(pair: KeyPair, folder: Path, *, client_ca: Authority | None = None) -> ssl.SSLContext:
    """Return a context that serves ``pair`` and, where an authority is given, demands a client certificate of it."""
    file = folder / "server.pem"
    file.write_bytes(pair.certificate + pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=client_ca.certificate.decode())
    return context
