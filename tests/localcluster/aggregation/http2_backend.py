"""An extension server that speaks HTTP/2 over TLS on a real socket, and misbehaves where a test says so."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
from h2.settings import SettingCodes
from hyperframe.frame import GoAwayFrame

from tests.localcluster.aggregation.extension_server import SERVER_NAME, serving_pair


@dataclass
class Exchange:
    """One request, and the means to answer it."""

    connection: Connection
    stream: int
    headers: list[tuple[str, str]]
    body: bytes = b""
    complete: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the request has arrived to its end."""
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the client has reset it."""

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    @property
    def path(self) -> str:
        return self.values(":path")[0].partition("?")[0]

    def head(self, status: int = 200, *headers: tuple[str, str]) -> None:
        """Send the status and headers, with a body to come."""
        self.connection.state.send_headers(self.stream, [(":status", str(status)), *headers])
        self.connection.flush()

    async def data(self, data: bytes, *, end: bool = False) -> None:
        """Send a piece of the body, at the pace that the client's window allows."""
        state = self.connection.state
        while data:
            room = min(state.local_flow_control_window(self.stream), state.max_outbound_frame_size)
            if not room:
                self.connection.window.clear()
                await self.connection.window.wait()
                continue
            state.send_data(self.stream, data[:room])
            self.connection.flush()
            data = data[room:]
        if end:
            state.end_stream(self.stream)
            self.connection.flush()

    async def answer(self, body: bytes = b"{}", status: int = 200) -> None:
        self.head(status, ("content-length", str(len(body))))
        await self.data(body, end=True)

    def reset(self, code: h2.errors.ErrorCodes) -> None:
        self.connection.state.reset_stream(self.stream, code)
        self.connection.flush()


Behaviour = Callable[[Exchange], Awaitable[None]]


class Connection:
    """One connection of a client."""

    def __init__(self, number: int, writer: asyncio.StreamWriter, settings: dict[SettingCodes, int]) -> None:
        self.number = number
        self.writer = writer
        self.window = asyncio.Event()
        self.pinged = asyncio.Event()
        self.reading = asyncio.Event()
        """Cleared, it reads nothing more: the machine has frozen."""
        self.reading.set()
        configuration = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self.state = h2.connection.H2Connection(configuration)
        self.state.local_settings = h2.settings.Settings(client=False, initial_values=settings)
        self.state.initiate_connection()
        self.flush()

    def flush(self) -> None:
        self.writer.write(self.state.data_to_send())

    def go_away(self, last_stream: int, code: h2.errors.ErrorCodes = h2.errors.ErrorCodes.NO_ERROR) -> None:
        """Send a GOAWAY as a server that shuts down gracefully does: h2 itself would end everything by it."""
        self.writer.write(GoAwayFrame(0, last_stream_id=last_stream, error_code=code).serialize())

    def drop(self) -> None:
        self.writer.transport.abort()


class Http2Backend:
    """What has arrived so far, and how it is answered."""

    def __init__(self, behave: Behaviour | None, settings: dict[SettingCodes, int]) -> None:
        self.behave = behave
        self.received: list[Exchange] = []
        self.protocols: list[str | None] = []
        """What was agreed on for each connection."""
        self.open = 0
        """How many connections there are."""
        self.port = 0
        self._settings = settings
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something that comes with a request or with the end of a connection."""
        async with asyncio.timeout(10):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    def requests(self, path: str) -> list[Exchange]:
        return [each for each in self.received if each.path == path]

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self._start(self._serve(reader, writer))

    async def aclose(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)  # the transports end in the loop's next turn

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        protocol = writer.get_extra_info("ssl_object").selected_alpn_protocol()
        self.protocols.append(protocol)
        self.open += 1
        connection = Connection(len(self.protocols), writer, self._settings) if protocol == "h2" else None
        exchanges: dict[int, Exchange] = {}
        try:
            while data := await reader.read(65536):
                if connection is not None:
                    await connection.reading.wait()
                if connection is None:
                    writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
                    continue
                for event in connection.state.receive_data(data):
                    self._note(connection, exchanges, event)
                connection.flush()
        except ConnectionError:
            pass  # the client is gone
        finally:
            writer.transport.abort()
            self.open -= 1
            self._changed.set()

    def _note(self, connection: Connection, exchanges: dict[int, Exchange], event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived():
                fields = [(str(name), str(value)) for name, value in event.headers or ()]
                exchange = exchanges[event.stream_id or 0] = Exchange(connection, event.stream_id or 0, fields)
                self.received.append(exchange)
                self._start(self._answer(exchange))
            case h2.events.DataReceived():
                exchanges[event.stream_id or 0].body += event.data or b""
                connection.state.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 0)
            case h2.events.StreamEnded():
                exchanges[event.stream_id or 0].complete.set()
            case h2.events.StreamReset():
                exchanges[event.stream_id or 0].cancelled.set()
            case h2.events.PingReceived():
                connection.pinged.set()
            case h2.events.WindowUpdated() | h2.events.RemoteSettingsChanged():
                connection.window.set()
        self._changed.set()

    async def _answer(self, exchange: Exchange) -> None:
        await exchange.complete.wait()
        if self.behave is not None and "/nodes" in exchange.path:
            await self.behave(exchange)
        else:
            await exchange.answer()

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@asynccontextmanager
async def http2_backend(
    behave: Behaviour | None = None, *, host: str = "127.0.0.1", settings: dict[SettingCodes, int] | None = None
) -> AsyncIterator[Http2Backend]:
    """Serve; requests whose path names nodes are answered by ``behave``, all others with an empty object."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2", "http/1.1"])
    pair = serving_pair(SERVER_NAME)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "pair.pem"
        path.write_bytes(pair.certificate + pair.key)
        context.load_cert_chain(path)
    backend = Http2Backend(behave, settings or {})
    server = await asyncio.start_server(backend.accept, host, 0, ssl=context)
    async with server:
        backend.port = server.sockets[0].getsockname()[1]
        yield backend
        await backend.aclose()
