"""Keeps up with one resource: a list, then a watch from there, for ever.

Lists come in pages and not as a stream of events (``sendInitialEvents``): pages were measured at a quarter of the
stream's CPU here, and they bound memory on both sides as well. What is known stays known while the API server is away.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Generic, Protocol, TypeVar

from metrics_api.clock import Clock
from metrics_api.errors import KubeError, KubeExpiredError, KubeStatusError, KubeUnreachableError
from metrics_api.kube.answers import status_error
from metrics_api.kube.backoff import Backoff
from metrics_api.kube.client import KubeClient
from metrics_api.kube.contact import Contact
from metrics_api.kube.decode import Event
from metrics_api.kube.documents import Status
from metrics_api.kube.watched import Object, Watched

logger = logging.getLogger(__name__)

_PAGE_LIMIT = 500  # objects; as client-go
_PAGE_TIMEOUT = 60.0
_WHOLE_LIST_TIMEOUT = 300.0
_SHORTEST_WATCH, _LONGEST_WATCH = 300, 600  # seconds, asked of the server
_SILENCE = 150.0  # bookmarks come about each minute: after two and a half the connection is dead
_GOOD_WATCH = 5.0  # a watch that lived this long was worth having, if it told us nothing; so was any that did
_RESUMING = 1.0  # seconds of jitter before such a watch is resumed
_MOST_REFUSALS = 3  # answers in a row that are no events, before the version is given up
_SLICE = 100  # objects handled before others get the event loop
_NOT_THE_VERSION = (401, 403, 429, 503)  # statuses that say nothing against the version asked for

T = TypeVar("T", bound=Object)
K = TypeVar("K")
T_contra = TypeVar("T_contra", contravariant=True)
K_contra = TypeVar("K_contra", contravariant=True)


class Handler(Protocol[T_contra, K_contra]):
    """Who wants to know. Called on the event loop, so it must be quick."""

    def upsert(self, item: T_contra) -> None:
        """Take an object that is new or has changed."""
        ...

    def remove(self, key: K_contra) -> None:
        """Forget an object; also called when another of its name has taken its place, before that one comes."""
        ...


class Reflector(Generic[T, K]):
    """Lists and watches one resource and tells the handler what changed.

    An object that is listed or sent again without a change in what we keep of it is not passed on.

    Args:
        client: Asks kube-apiserver.
        watched: The resource.
        handler: Gets the changes.
        clock: For back-off and for ``last_contact``.
        rng: For jitter.
        silence: Seconds without an event or bookmark after which a watch is taken for dead.
    """

    def __init__(
        self,
        client: KubeClient,
        watched: Watched[T, K],
        handler: Handler[T, K],
        *,
        clock: Clock,
        rng: random.Random,
        silence: float = _SILENCE,
    ) -> None:
        self._client = client
        self._watched = watched
        self._decoder = watched.decoder()
        self._handler = handler
        self._clock = clock
        self._rng = rng
        self._silence = silence
        self._backoff = Backoff(rng)
        self._known: dict[K, T] = {}
        self._version: str | None = None
        self._paged = True
        self._refusals = 0
        self._watching = False
        self._useful = False
        self._may_list_at_once = True
        self._contact = Contact(watched.noun, clock)
        self._synced = asyncio.Event()
        self.restarts = 0
        """Watches that ended, whatever ended them; attempts that were refused count."""
        self.relists = 0
        """Lists completed after the first."""

    @property
    def last_contact(self) -> float | None:
        """Unix time at which kube-apiserver last sent a page or an event; ``None`` before the first."""
        return self._contact.last

    @property
    def fault(self) -> str:
        """What went wrong since it was last heard of, in words; empty when nothing did."""
        return self._contact.fault

    @property
    def known(self) -> Mapping[K, T]:
        """All objects as last heard of, live and read-only."""
        return MappingProxyType(self._known)

    @property
    def skipped(self) -> int:
        """Objects left out so far because they could not be understood."""
        return self._decoder.skipped

    @property
    def has_synced(self) -> bool:
        """Whether a list has been completed, ever."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Return once ``has_synced``."""
        await self._synced.wait()

    async def run(self) -> None:
        """List and watch until cancelled. No ``KubeError`` ends it; an error of the handler does."""
        while True:
            self._watching = self._useful = False
            try:
                if self._version is None:
                    await self._list()
                await self._watch(self._version)
            except KubeExpiredError as error:
                logger.debug("%s: %s", self._watched.noun, error)
                self._version = None
                if self._may_list_at_once:
                    self._may_list_at_once = False
                    continue
            except KubeError as error:
                self._failed(error)
            await self._clock.sleep(self._pause())

    def _pause(self) -> float:
        """Return the seconds until the next attempt.

        Only what is refused or fails again and again is asked less and less. A watch that told us something and then
        ended, as a load balancer ends connections that are idle or old, is resumed at once: waiting would blind us.
        """
        if not self._useful:
            return self._backoff.next()
        self._backoff.reset()
        self._may_list_at_once = True
        return self._rng.uniform(0, _RESUMING)

    async def _list(self) -> None:
        paged, self._paged = self._paged, True
        self._decoder.forget_reported()
        rest, token = set(self._known), ""
        while True:
            try:
                body = await self._client.get(
                    self._watched.path,
                    query=self._page_query(token, paged=paged),
                    timeout=_PAGE_TIMEOUT if paged else _WHOLE_LIST_TIMEOUT,
                )
            except KubeExpiredError:
                # The snapshot was compacted away under a slow list; in one piece it cannot be. As client-go's pager.
                self._paged = not token
                raise
            page = self._decoder.page(body)
            del body
            self._contact.heard()
            await self._take(page.items, rest)
            token = page.continue_token
            if not token:
                break
        if not page.resource_version:
            raise KubeError(f"the list of {self._watched.noun} has no resourceVersion")
        await self._forget(rest)
        self._listed(page.resource_version, len(rest))

    def _page_query(self, token: str, *, paged: bool) -> list[tuple[str, str]]:
        query = list(self._watched.query)
        if paged:
            query.append(("limit", str(_PAGE_LIMIT)))
        if token:
            query.append(("continue", token))
        return query

    async def _take(self, items: Iterable[T], rest: set[K]) -> None:
        for number, item in enumerate(items, 1):
            key = self._watched.key(item)
            rest.discard(key)
            self._upsert(key, item)
            if number % _SLICE == 0:
                await self._clock.sleep(0)

    async def _forget(self, keys: Iterable[K]) -> None:
        for number, key in enumerate(keys, 1):
            self._remove(key)
            if number % _SLICE == 0:
                await self._clock.sleep(0)

    def _listed(self, version: str, gone: int) -> None:
        self._version = version
        self._contact.answered()
        if self.has_synced:
            self.relists += 1
            logger.info("%s: listed again, %d known, %d gone", self._watched.noun, len(self._known), gone)
        else:
            logger.info("%s: listed, %d known", self._watched.noun, len(self._known))
        self._synced.set()

    async def _watch(self, version: str | None) -> None:
        query = [
            *self._watched.query,
            ("watch", "true"),
            ("resourceVersion", version or ""),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", str(self._rng.randint(_SHORTEST_WATCH, _LONGEST_WATCH))),
        ]
        began = self._clock.monotonic()
        try:
            async with self._client.stream(self._watched.path, query=query, idle_timeout=self._silence) as lines:
                self._watching = True
                self._contact.answered()
                number = 0
                async for line in lines:
                    self._apply(self._decoder.event(line))
                    number += 1
                    if number % _SLICE == 0:
                        await self._clock.sleep(0)
        finally:
            self.restarts += 1
            if self._clock.monotonic() - began >= _GOOD_WATCH:
                self._useful = True

    def _apply(self, event: Event[T]) -> None:
        if event.type == "ERROR":
            status = event.status or Status()
            raise status_error(status.code, status, f"watch of {self._watched.noun}")
        self._contact.heard()
        self._useful = True
        self._refusals = 0
        identity = event.identity
        if event.item is not None:
            self._upsert(self._watched.key(event.item), event.item)
        elif event.type == "DELETED" and identity.name:
            key = self._watched.key_of_identity(identity)
            known = self._known.get(key)
            if known is not None and known.uid == identity.uid:
                self._remove(key)
        if identity.resource_version:
            self._version = identity.resource_version

    def _upsert(self, key: K, item: T) -> None:
        known = self._known.get(key)
        if known == item:
            return
        if known is not None and known.uid != item.uid:
            self._handler.remove(key)
        self._known[key] = item
        self._handler.upsert(item)

    def _remove(self, key: K) -> None:
        del self._known[key]
        self._handler.remove(key)

    def _failed(self, error: KubeError) -> None:
        if isinstance(error, KubeUnreachableError) and self._watching:
            logger.debug("%s: the watch broke off, it will be resumed: %s", self._watched.noun, error)
            return
        self._judge_version(error)
        self._contact.failed(error, len(self._known))

    def _judge_version(self, error: KubeError) -> None:
        """Give the version up when the server goes on answering, but never with events.

        It may be one the server cannot know, for instance after etcd was restored from a backup.
        """
        if isinstance(error, KubeUnreachableError):
            return
        if isinstance(error, KubeStatusError) and error.code in _NOT_THE_VERSION:
            return
        self._refusals += 1
        if self._refusals >= _MOST_REFUSALS:
            self._version, self._refusals = None, 0
