"""Downloads the OpenAPI v2 documents of extension servers and merges them.

Source: kube-aggregator ``pkg/controllers/openapi``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from metrics_api.clock import Clock
from metrics_api.localcluster.aggregation.apiservice import APIService, sorted_by_group_and_version
from metrics_api.localcluster.aggregation.inprocess import Answer, fetch
from metrics_api.localcluster.aggregation.registry import Registry
from metrics_api.localcluster.aggregation.seams import Handler
from metrics_api.localcluster.aggregation.swagger import keep_paths, merge
from metrics_api.localcluster.aggregation.timing import Timing
from metrics_api.localcluster.aggregation.workqueue import RetryError, WorkQueue
from metrics_api.localcluster.stored import JsonObject
from metrics_api.localcluster.users import User

OPENAPI_POLLER = User("system:aggregator")  # without a group: extension servers have to authorize it
LONGEST_BACKOFF = 3600.0


@dataclass(frozen=True, slots=True)
class Download:
    """The last document that a server gave."""

    document: JsonObject
    etag: str
    own: bool
    """Whether the ETag is the aggregator's own hash of the body, which is never sent back."""


async def download(handler: Handler, known: Download | None, time_limit: float) -> Download:
    """Return a server's Swagger document, ``known`` itself when it has not changed.

    Raises:
        RetryError: there is none, or it is no JSON object.
    """
    headers = [(b"Accept", b"application/json")]
    if known is not None and not known.own:
        headers.append((b"If-None-Match", known.etag.encode("latin-1")))
    answer = await fetch(handler, "/openapi/v2", headers, OPENAPI_POLLER, time_limit)
    if answer.status == 304:
        if known is None:
            raise RetryError("http.StatusNotModified is not allowed in absence of etag")
        return known
    if answer.status == 404:
        raise RetryError("resource not found")
    if answer.status != 200:
        raise RetryError(f"failed to retrieve openAPI spec, http error: {answer}")
    return _parsed(answer, known)


def _parsed(answer: Answer, known: Download | None) -> Download:
    etag = answer.header(b"etag")
    own = not etag
    if own:
        etag = hashlib.sha512(answer.body).hexdigest().upper()
        if known is not None and known.own and known.etag == etag:
            return known
    return Download(decode_object(answer.body), etag, own)


def decode_object(body: bytes) -> JsonObject:
    """Return a JSON object.

    Raises:
        RetryError: it is none.
    """
    try:
        document: Any = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RetryError(f"the document is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise RetryError("the document is not a JSON object")
    return document


class OpenAPIV2Controller:
    """Polls every backend's ``/openapi/v2``, and at once when an APIService changes.

    Args:
        registry: The APIServices.
        handler_of: The proxy to an APIService's backend; it refuses one that is not Available.
        clock: For the intervals.
        timing: Poll interval and time limit.
    """

    def __init__(
        self, registry: Registry, handler_of: Callable[[APIService], Handler], clock: Clock, timing: Timing
    ) -> None:
        self._registry = registry
        self._handler_of = handler_of
        self._timing = timing
        self._queue = WorkQueue(self._sync, clock, first_delay=timing.openapi_poll, longest_delay=LONGEST_BACKOFF)
        self._seen: set[str] = set()
        self._downloads: dict[str, Download] = {}
        self._parts: dict[str, JsonObject] = {}
        self._merged: JsonObject | None = None

    async def run(self) -> None:
        """Poll until cancelled."""
        with self._registry.following(self._changed):
            await self._queue.run()

    async def idle(self) -> None:
        """Return once every poll that is due is done."""
        await self._queue.idle()

    def document(self) -> JsonObject | None:
        """Return one document with what all backends serve below their own paths, ``None`` when there is nothing.

        It is shared: do not change it.
        """
        if self._merged is None:
            for versions in sorted_by_group_and_version(self._registry):
                for part in (self._parts[each.name] for each in versions if each.name in self._parts):
                    self._merged = part if self._merged is None else merge(self._merged, part)
        return self._merged

    def _changed(self, name: str) -> None:
        self._merged = None  # priorities may be other ones
        self._queue.forget(name)
        if self._registry.get(name) is None:
            self._seen.discard(name)
            self._downloads.pop(name, None)
            self._parts.pop(name, None)
        elif name in self._seen:
            self._queue.add(name)
        else:  # it is not Available yet; the change of that condition is the next one
            self._seen.add(name)
            self._queue.add_after(name, self._timing.openapi_delay)

    async def _sync(self, name: str) -> float | None:
        service = self._registry.get(name)
        if service is None or service.service is None:
            return None
        known = self._downloads.get(name)
        try:
            found = await download(self._handler_of(service), known, self._timing.openapi_timeout)
        except RetryError as error:
            raise RetryError(f"loading OpenAPI spec: failed to download {name}: {error}") from error
        if found is not known and self._registry.get(name) is not None:
            try:
                part = keep_paths(found.document, service.path + "/")
            except (AttributeError, TypeError) as error:
                raise RetryError(f"loading OpenAPI spec: {name}: not a Swagger document: {error}") from error
            self._downloads[name], self._parts[name] = found, part
            self._merged = None
        return self._timing.openapi_poll
