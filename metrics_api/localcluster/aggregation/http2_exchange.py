"""One request and its response among the many on an HTTP/2 connection."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

import h2.errors
import h2.events

from metrics_api.localcluster.aggregation.failures import UnreachableError
from metrics_api.localcluster.aggregation.headers import Headers
from metrics_api.localcluster.aggregation.http2_wire import name_of

_REFUSED = h2.errors.ErrorCodes.REFUSED_STREAM


class StreamResetError(UnreachableError):
    """The backend ended one exchange before its time; the connection lives on."""


class Exchange:
    """What is known of it so far. Whoever uses it waits by :meth:`until`."""

    def __init__(self) -> None:
        self.status = 0
        """0 until there is a response."""
        self.headers: Headers = []
        self.parts: deque[tuple[bytes, int]] = deque()
        """Pieces of the body that nobody has taken yet, each with its bytes of the window."""
        self.ended = False
        """Whether the response is complete."""
        self.upload: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        self._changed = asyncio.Event()

    @property
    def is_over(self) -> bool:
        """Whether neither side has anything more to say."""
        sent = self.upload is None or self.upload.done()
        return isinstance(self._failure, StreamResetError) or (self.ended and sent)

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until something holds; what was received before a failure is still given out.

        Raises:
            Exception: the exchange failed first.
        """
        while not holds():
            if self._failure is not None:
                raise self._failure
            self._changed.clear()
            await self._changed.wait()

    def wake(self) -> None:
        """Let whoever waits look again."""
        self._changed.set()

    def fail(self, failure: Exception) -> None:
        """End the wait for anything more; the first failure counts."""
        self._failure = self._failure or failure
        self.wake()

    def take(self, event: h2.events.Event) -> None:
        """Note what the backend sent."""
        match event:
            case h2.events.ResponseReceived():
                fields = [(bytes(name), bytes(value)) for name, value in event.headers or ()]
                self.status = int(next(value for name, value in fields if name == b":status"))
                self.headers = [(name, value) for name, value in fields if not name.startswith(b":")]
            case h2.events.DataReceived():
                self.parts.append((event.data or b"", event.flow_controlled_length or 0))
            case h2.events.StreamEnded():
                self.ended = True
            case h2.events.StreamReset():
                code = int(event.error_code or 0)
                said = f"stream error: stream ID {event.stream_id}; {name_of(code)}; received from peer"
                self.fail(StreamResetError(said, unprocessed=code == _REFUSED))
        self.wake()


class Body:
    """A response's body, as httpcore wants it."""

    def __init__(self, parts: AsyncIterator[bytes], leave: Callable[[], None]) -> None:
        self._parts = parts
        self._leave = leave

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._parts

    async def aclose(self) -> None:
        """Leave, whether or not there is more to come."""
        self._leave()
