"""All watches: how they begin, how many there may be, and how they end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import NamedTuple

from starlette.types import Receive, Scope

from metrics_api.api.group import NODES, Resource
from metrics_api.api.reply import Reply
from metrics_api.api.status import version_too_old
from metrics_api.api.watch.beginning import Happened, all_rows, changed_rows
from metrics_api.api.watch.channel import Channel, Subject
from metrics_api.api.watch.delivery import Delivery
from metrics_api.api.watch.feed import Feed, LongRequests
from metrics_api.api.watch.options import Beginning
from metrics_api.api.watch.places import Places
from metrics_api.api.watch.stream import Stream
from metrics_api.api.watch.watcher import Backlog, Watcher
from metrics_api.clock import Clock
from metrics_api.errors import StatusError, TooManyRequestsError
from metrics_api.model import Row
from metrics_api.selectors import FieldSelector

_BOOKMARK_PERIOD = 60.0
_BEFORE_END = 2.0
_SHORTEST, _SPREAD = 1800.0, 1800.0
"""Seconds that a watch lasts when the client does not say; apiserver draws the same way (``min-request-timeout``)."""


class Watch(NamedTuple):
    """What a client asks for."""

    subject: Subject
    beginning: Beginning
    seconds: int
    """Until it ends; 0 or less for our own choice."""


class Watches:
    """Answers watches.

    Args:
        feed: The changes.
        rows: Scope -> what exists now; the sequence keeps its rows.
        clock: For when they end.
        most: How many there may be; of one user half as many.
        requests: Lets them last, and says whose they are; ``None`` where nothing ends them and all are alike.
    """

    def __init__(
        self,
        feed: Feed,
        rows: Callable[[str | None], Sequence[Row]],
        clock: Clock,
        *,
        most: int,
        requests: LongRequests | None = None,
    ) -> None:
        self._feed = feed
        self._rows = rows
        self._clock = clock
        self._places = Places(most)
        self._requests = requests
        self._channels: dict[Subject, Channel] = {}
        self._watchers: dict[Watcher, Channel] = {}
        self._backlog = Backlog()
        self._delivery = Delivery(self._watchers, self._backlog)
        self._is_stopping = False

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._watchers)

    @property
    def cut_off(self) -> int:
        """How many did not keep up, so far."""
        return self._delivery.cut_off

    def version(self) -> int:
        """Return the number of the latest change."""
        return self._feed.version

    async def answer(self, scope: Scope, receive: Receive, reply: Reply, watch: Watch) -> None:
        """Answer one watch, to its end.

        Args:
            scope: The request.
            receive: Where it is seen that the client has gone.
            reply: The answer.
            watch: What is asked for.

        Raises:
            TooManyRequestsError: there are too many, in all or of this user, or the end of the process is near.
        """
        if self._is_stopping:
            raise TooManyRequestsError("The apiserver is shutting down, please try again later.", retry_after=5)
        user = None if self._requests is None else self._requests.user(scope)
        with self._places.take(user, watch.subject.selection):
            if self._requests is not None:
                self._requests.release(scope)
            await self._answer(scope, receive, reply, watch)

    async def _answer(self, scope: Scope, receive: Receive, reply: Reply, watch: Watch) -> None:
        subject, seconds = watch.subject, watch.seconds
        lasting = seconds if seconds > 0 else _SHORTEST + random.random() * _SPREAD  # noqa: S311 - no secret
        due = self._clock.monotonic() + lasting
        stream = Stream(reply, subject.events())
        error, beginning = None, watch.beginning
        try:
            while True:
                watcher = self._watcher(scope, beginning, due)
                missed_since = await self._serve(receive, stream, subject, beginning, watcher)
                if missed_since is None:
                    break
                beginning = Beginning(missed_since, initial=False, marks_end=False, bookmarks=beginning.bookmarks)
        except StatusError as raised:
            error = raised
        await stream.end(error)

    def sweep(self) -> None:
        """Send the bookmarks that are due, and end what is due to end. To be called about once a second."""
        now = self._clock.monotonic()
        ending = [watcher for watcher in self._watchers if watcher.due <= now]
        marked: dict[Channel, list[Watcher]] = {}
        for watcher, channel in self._watchers.items():
            if watcher.next_bookmark <= now:
                watcher.next_bookmark = self._next_bookmark(watcher)
                marked.setdefault(channel, []).append(watcher)
        for channel, watchers in marked.items():
            channel.bookmark(self._feed.version, watchers)
        self._end(ending)

    def end_all(self) -> None:
        """End every watch with what there is to send, and begin no more: the clients turn to another replica."""
        self._is_stopping = True
        self._end(list(self._watchers))

    def _end(self, watchers: Sequence[Watcher]) -> None:
        for channel in {self._watchers[watcher]: None for watcher in watchers}:
            channel.flush()
        self._delivery.hand_out(None, watchers)

    async def _serve(
        self, receive: Receive, stream: Stream, subject: Subject, beginning: Beginning, watcher: Watcher
    ) -> int | None:
        """Send what a watch begins with, and then what happens.

        Returns:
            The version after which it has missed something, because it took too long to begin; ``None`` at its end.
        """
        channel = self._join(subject, watcher)
        hangup = asyncio.create_task(_await_hangup(receive, watcher))
        try:
            # At once: what it follows and what it begins with must meet without a gap.
            happened, version = self._begin(subject, beginning), self._feed.version
            await stream.send_beginning(happened, watcher, version if beginning.marks_end else None)
            if watcher.has_missed and not watcher.is_ended:
                return version
            watcher.begin()
            await stream.send_changes(watcher)
            return None
        finally:
            hangup.cancel()
            watcher.leave()
            self._part(channel, watcher)

    def _watcher(self, scope: Scope, beginning: Beginning, due: float) -> Watcher:
        cut_off = partial(self._cut_off, scope)
        watcher = Watcher(self._backlog, due=due, wants_bookmarks=beginning.bookmarks, cut_off=cut_off)
        watcher.next_bookmark = self._next_bookmark(watcher)
        return watcher

    def _cut_off(self, scope: Scope) -> None:
        if self._requests is not None:
            self._requests.cut_off(scope)

    def _next_bookmark(self, watcher: Watcher) -> float:
        """Return the moment of the next one: in a minute, or shortly before the end."""
        if not watcher.wants_bookmarks:
            return float("inf")
        now = self._clock.monotonic()
        last = watcher.due - _BEFORE_END
        return min(now + _BOOKMARK_PERIOD, last) if now < last else float("inf")

    def _join(self, subject: Subject, watcher: Watcher) -> Channel:
        """Let it have every change from now on."""
        channel = self._channels.get(subject)
        if channel is None:
            channel = self._channels[subject] = Channel(subject, self._delivery)
            self._feed.follow(subject.scope, channel)
        channel.flush()  # what is written already is not for the newcomer
        channel.watchers[watcher] = None
        self._watchers[watcher] = channel
        return channel

    def _part(self, channel: Channel, watcher: Watcher) -> None:
        del self._watchers[watcher], channel.watchers[watcher]
        if not channel.watchers:
            del self._channels[channel.subject]
            self._feed.unfollow(channel.subject.scope, channel)

    def _begin(self, subject: Subject, beginning: Beginning) -> AsyncIterator[Sequence[Happened]]:
        """Return what has happened until now.

        Raises:
            StatusError: 410, it is not known what happened since the version that the client names.
        """
        version, since = self._feed.version, beginning.since
        if beginning.initial:
            return all_rows(self._rows(subject.scope), subject.selects, version)
        if since is None:
            return _nothing()
        changes = self._feed.since(since, subject.scope)
        if changes is None:
            raise version_too_old(since, version)
        return changed_rows(self._rows(subject.scope), subject.selects, changes, since, version)


def scope_of(resource: Resource, namespace: str, fields: FieldSelector) -> str | None:
    """Return whose rows are meant: by the path, or by a field selector that names the one namespace."""
    return "" if resource is NODES else namespace or fields.exact("metadata.namespace") or None


async def _nothing() -> AsyncIterator[Sequence[Happened]]:
    """Yield nothing."""
    return
    yield


async def _await_hangup(receive: Receive, watcher: Watcher) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    watcher.leave()
