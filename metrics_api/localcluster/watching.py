"""Watch: the changes of a resource as they happen, for one client each."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass

from metrics_api.clock import Clock
from metrics_api.errors import StatusError
from metrics_api.localcluster import statuses
from metrics_api.localcluster.attributes import flag
from metrics_api.localcluster.faults import Faults
from metrics_api.localcluster.history import Change, ChangeType
from metrics_api.localcluster.list_options import check_watch_options, initial_events, version_of_watch
from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.presentation import Presenter
from metrics_api.localcluster.requests import Request
from metrics_api.localcluster.resources import Resource
from metrics_api.localcluster.responses import JSON, Response
from metrics_api.localcluster.selection import Selection, selection_of
from metrics_api.localcluster.stored import Stored, encode

_BOOKMARK_PERIOD = 60.0
_BOOKMARK_BEFORE_END = 2.0
_SHORTEST_DEFAULT, _SPREAD = 1800, 1800  # seconds; Kubernetes draws the same way
_PENDING_LIMIT = 10_000
_BATCH = 500


@dataclass(frozen=True, slots=True)
class _Terms:
    """What the client asked for."""

    selection: Selection
    version: int | None
    """Only what comes after it; ``None``: from now on, after the initial objects if they are wanted."""
    initial: bool
    """Whether the objects that exist are sent first, as ADDED."""
    initial_end: bool
    """Whether a bookmark ends them."""
    bookmarks: bool
    timeout: float


class Watches:
    """Every watch that is open."""

    def __init__(self, objects: ObjectStore, clock: Clock, faults: Faults) -> None:
        self._objects = objects
        self._clock = clock
        self._faults = faults
        self._open: set[_Inbox] = set()

    def end_all(self) -> None:
        """End every watch now, as a server that shuts down does."""
        for inbox in self._open:
            inbox.end()

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._open)

    def open(self, request: Request, resource: Resource, presenter: Presenter) -> Response:
        """Answer with a stream of events.

        Raises:
            StatusError: 400, 410 (as a fault), 422, 500.
        """
        check_watch_options(request, streaming_lists=self._faults.streaming_lists)
        version = version_of_watch(request)
        wants_initial = initial_events(request)
        if self._faults.watch_expired == "status" and version is not None and not wants_initial:
            raise self._expired(version)
        seconds = request.integer("timeoutSeconds")
        terms = _Terms(
            selection_of(request, resource),
            None if wants_initial else version,
            initial=version is None if wants_initial is None else wants_initial,
            initial_end=bool(wants_initial),
            bookmarks=bool(flag(request.query, "allowWatchBookmarks")),
            timeout=seconds or _SHORTEST_DEFAULT + secrets.randbelow(_SPREAD),
        )
        return Response(200, self._stream(request, resource, presenter, terms), JSON)

    async def _stream(
        self, request: Request, resource: Resource, presenter: Presenter, terms: _Terms
    ) -> AsyncGenerator[bytes, None]:
        inbox = _Inbox()
        unsubscribe = self._objects.subscribe(resource, inbox.put)
        initial = terms.selection.filter(self._objects.stored(resource, terms.selection.namespace or None))
        version = self._objects.version
        timer = asyncio.create_task(self._time(inbox, terms))
        hangup = asyncio.create_task(_wait_for_hangup(request, inbox))
        self._open.add(inbox)
        try:
            inbox.first(self._backlog(resource, terms))
            first = True
            if terms.initial:
                for start in range(0, len(initial), _BATCH):
                    batch = initial[start : start + _BATCH]
                    yield b"".join(
                        presenter.event("ADDED", stored, first=first and stored is batch[0]) for stored in batch
                    )
                    first = False
                if terms.initial_end and terms.bookmarks and self._faults.bookmarks:
                    yield presenter.bookmark(version, initial_end=True)
            async for lines in self._live(inbox, presenter, terms, first=first):
                yield lines
        except StatusError as error:
            yield presenter.error(error)
        finally:
            unsubscribe()
            self._open.discard(inbox)
            await _cancel(timer, hangup)

    async def _live(
        self, inbox: _Inbox, presenter: Presenter, terms: _Terms, *, first: bool
    ) -> AsyncGenerator[bytes, None]:
        while True:
            await inbox.wait()
            lines = []
            for change in inbox.take():
                event = _event_of(change, terms.selection)
                if event is not None and change.stored.version > (terms.version or 0):
                    lines.append(presenter.event(*event, first=first))
                    first = False
            if inbox.bookmark_due:
                inbox.bookmark_due = False
                if terms.bookmarks and self._faults.bookmarks:
                    lines.append(presenter.bookmark(self._objects.version, initial_end=False))
            if lines:
                yield b"".join(lines)
            if inbox.ended:
                return

    def _backlog(self, resource: Resource, terms: _Terms) -> Iterator[Change]:
        if terms.version is None:
            return iter(())
        if self._faults.watch_expired == "event":
            raise self._expired(terms.version)
        return iter(self._objects.changes_after(resource, terms.version))

    def _expired(self, version: int) -> StatusError:
        return statuses.expired(f"too old resource version: {version} ({self._objects.version})")

    async def _time(self, inbox: _Inbox, terms: _Terms) -> None:
        remaining = terms.timeout
        while remaining > 0:
            before_end = remaining - _BOOKMARK_BEFORE_END
            step = min(_BOOKMARK_PERIOD, before_end if before_end > 0 else remaining)
            await self._clock.sleep(step)
            remaining -= step
            if remaining > 0:
                inbox.remind()
        inbox.end()


class _Inbox:
    """What has happened and is not yet sent, for one watch."""

    def __init__(self) -> None:
        self._pending: deque[Change] = deque()
        self._wake = asyncio.Event()
        self.bookmark_due = False
        self.ended = False

    def put(self, change: Change) -> None:
        """Add a change; a client that reads too slowly loses its watch, as in Kubernetes."""
        self._pending.append(change)
        if len(self._pending) > _PENDING_LIMIT:
            self._pending.clear()
            self.ended = True
        self._wake.set()

    def first(self, changes: Iterator[Change]) -> None:
        """Put older changes before those that are there."""
        self._pending.extendleft(reversed(list(changes)))
        self._wake.set()

    def take(self) -> Iterator[Change]:
        """Yield and remove what is there."""
        while self._pending:
            yield self._pending.popleft()

    def remind(self) -> None:
        """Say that a bookmark is due."""
        self.bookmark_due = True
        self._wake.set()

    def end(self) -> None:
        """Say that the watch is over."""
        self.ended = True
        self._wake.set()

    async def wait(self) -> None:
        """Wait until there is something to do."""
        await self._wake.wait()
        self._wake.clear()


def _event_of(change: Change, selection: Selection) -> tuple[str, Stored] | None:
    """Return the event as one client sees it: leaving its selection is a deletion, entering it an addition."""
    before = change.previous is not None and selection.matches(change.previous)
    after = change.type is not ChangeType.DELETED and selection.matches(change.stored)
    if after:
        return ("MODIFIED" if before else "ADDED", change.stored)
    if not before or change.previous is None:
        return None
    if change.type is ChangeType.DELETED:
        return ("DELETED", change.stored)
    last = change.previous
    return ("DELETED", encode(last.resource, last.object(), change.stored.version))


async def _wait_for_hangup(request: Request, inbox: _Inbox) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    inbox.end()


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
