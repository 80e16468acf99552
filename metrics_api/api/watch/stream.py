"""The answer to a watch: events, for as long as there are any to come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from metrics_api.api.reply import Reply
from metrics_api.api.watch.beginning import Happened
from metrics_api.api.watch.events import Events
from metrics_api.api.watch.watcher import Watcher
from metrics_api.errors import StatusError


class Stream:
    """Sends to one client.

    Args:
        reply: Where to.
        events: How events are written.
    """

    def __init__(self, reply: Reply, events: Events) -> None:
        self._reply = reply
        self._events = events
        self._is_opened = False

    async def send_beginning(
        self, happened: AsyncIterator[Sequence[Happened]], watcher: Watcher, marked: int | None
    ) -> None:
        """Send what has happened until now.

        Args:
            happened: Some events at a time.
            watcher: Who listens, or is gone. Its end does not matter: a beginning that is not complete would leave the
                client with versions beyond what it knows.
            marked: The version that a bookmark at the end has; ``None`` for no bookmark.
        """
        await self._begin()
        async for some in happened:
            if watcher.is_gone:
                return
            if some:
                await self._send(b"".join([self._events.event(*each) for each in some]))
        if marked is not None:
            await self._send(self._events.bookmark(marked, True))

    async def send_changes(self, watcher: Watcher) -> None:
        """Send what happens, until the watcher's end."""
        while (chunk := await watcher.next()) is not None:
            await self._send(chunk)

    async def end(self, error: StatusError | None = None) -> None:
        """End the answer, which can be done cleanly at any time; with an event that says why, if there is an error."""
        if error is not None:
            await self._begin()
            await self._reply.piece(self._events.error(error))
        await self._reply.end_stream()

    async def _begin(self) -> None:
        if not self._reply.started:
            await self._reply.begin_stream(self._events.content_type)

    async def _send(self, chunk: bytes) -> None:
        if not self._is_opened:
            self._is_opened = True
            chunk = self._events.opening(chunk)
        await self._reply.piece(chunk)
