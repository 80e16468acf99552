"""A TLS server written out by hand, for what no proper server does."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.localcluster.aggregation.extension_server import SERVER_NAME, serving_pair

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Connection:
    """One connection: requests come out, bytes go in."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self._reader = reader
        self._writer = writer

    async def request(self) -> bytes:
        """Return the next request line and headers, empty at the end of the connection."""
        try:
            return await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""

    def send(self, data: bytes) -> None:
        self._writer.write(data)


Behaviour = Callable[[Connection], Awaitable[None]]


@asynccontextmanager
async def raw_backend(behave: Behaviour, *, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """Serve; each connection is closed when ``behave`` returns. Yields the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair = serving_pair(SERVER_NAME)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "pair.pem"
        path.write_bytes(pair.certificate + pair.key)
        context.load_cert_chain(path)
    count = 0
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        try:
            await behave(Connection(count, reader, writer))
        finally:
            writer.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(handle(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, host, 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
