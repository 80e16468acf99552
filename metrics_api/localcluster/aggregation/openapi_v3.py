"""Learns which OpenAPI v3 documents extension servers have; the documents themselves are proxied when asked for.

Source: kube-aggregator ``pkg/controllers/openapiv3``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import orjson

from metrics_api.clock import Clock
from metrics_api.localcluster.aggregation.apiservice import APIService
from metrics_api.localcluster.aggregation.headers import Headers, first
from metrics_api.localcluster.aggregation.inprocess import fetch
from metrics_api.localcluster.aggregation.openapi_v2 import LONGEST_BACKOFF, OPENAPI_POLLER, Download, download
from metrics_api.localcluster.aggregation.registry import Registry
from metrics_api.localcluster.aggregation.replies import Reply
from metrics_api.localcluster.aggregation.seams import Handler
from metrics_api.localcluster.aggregation.swagger_to_v3 import convert
from metrics_api.localcluster.aggregation.timing import Timing
from metrics_api.localcluster.aggregation.workqueue import RetryError, WorkQueue
from metrics_api.localcluster.seams import Receive, Scope, Send
from metrics_api.localcluster.stored import JsonObject
from metrics_api.localcluster.users import User

PREFIX = "/openapi/v3/"


class _Entry(msgspec.Struct):
    serverRelativeURL: str = ""  # noqa: N815 - the name in the document


class _Root(msgspec.Struct):
    paths: dict[str, _Entry] = {}


@dataclass(slots=True)
class _Known:
    """What is known of one APIService."""

    uid: str
    paths: dict[str, str] = field(default_factory=dict)
    """Key -> serverRelativeURL, as its server listed them: every key, whatever it is."""
    legacy: bool = False
    """Its server answered 404 once: it is asked for v2 only, until the APIService is created anew."""
    download: Download | None = None
    converted: bytes = b""
    """The v3 document made from v2, for legacy ones."""


class OpenAPIV3Controller:
    """Polls every backend's ``/openapi/v3``, and shortly after an APIService changes.

    Args:
        registry: The APIServices.
        handler_of: The proxy to an APIService's backend; it refuses one that is not Available.
        clock: For the intervals.
        timing: Delay, poll interval and time limit.
    """

    def __init__(
        self, registry: Registry, handler_of: Callable[[APIService], Handler], clock: Clock, timing: Timing
    ) -> None:
        self._registry = registry
        self._handler_of = handler_of
        self._timing = timing
        self._queue = WorkQueue(self._sync, clock, first_delay=timing.openapi_poll, longest_delay=LONGEST_BACKOFF)
        self._known: dict[str, _Known] = {}

    async def run(self) -> None:
        """Poll until cancelled."""
        end = self._registry.on_change(self._changed)
        try:
            for service in self._registry:
                self._queue.add(service.name)
            await self._queue.run()
        finally:
            end()

    async def idle(self) -> None:
        """Return once every poll that is due is done."""
        await self._queue.idle()

    def paths(self) -> JsonObject:
        """Return the backends' part of the root document: key -> ``{"serverRelativeURL": …}``."""
        return {key: {"serverRelativeURL": url} for known in self._known.values() for key, url in known.paths.items()}

    def handler_for(self, path: str) -> Handler | None:
        """Return what serves a decoded path below ``/openapi/v3/``; ``None`` when no backend listed it."""
        if not path.startswith(PREFIX):
            return None
        key = path.removeprefix(PREFIX)
        for name, known in self._known.items():
            service = self._registry.get(name)
            if service is not None and key in known.paths:
                return _serve_converted(known.converted) if known.legacy else self._handler_of(service)
        return None

    def _changed(self, name: str) -> None:
        service = self._registry.get(name)
        known = self._known.get(name)
        if known is not None and (service is None or service.uid != known.uid or service.service is None):
            del self._known[name]
        self._queue.forget(name)
        self._queue.add_after(name, self._timing.openapi_delay)

    async def _sync(self, name: str) -> float | None:
        service = self._registry.get(name)
        if service is None or service.service is None:
            return None
        known = self._known.setdefault(name, _Known(service.uid))
        try:
            if not known.legacy:
                await self._read_root(service, known)
            if known.legacy:
                await self._read_v2(service, known)
        except RetryError as error:
            raise RetryError(f"loading OpenAPI v3 spec: {error}") from error
        return self._timing.openapi_poll

    async def _read_root(self, service: APIService, known: _Known) -> None:
        answer = await fetch(self._handler_of(service), "/openapi/v3", [], OPENAPI_POLLER, self._timing.openapi_timeout)
        if answer.status == 404:
            known.legacy = True
            known.paths = {}
            return
        if answer.status != 200:
            raise RetryError(f"Error, could not get list of group versions for APIService: {answer}")
        try:
            root = msgspec.json.decode(answer.body, type=_Root)
        except ValueError as error:
            raise RetryError(f"{service.name}: {error}") from error
        known.paths = {key: entry.serverRelativeURL for key, entry in root.paths.items()}

    async def _read_v2(self, service: APIService, known: _Known) -> None:
        found = await download(self._handler_of(service), known.download, self._timing.openapi_timeout)
        if found is known.download:
            return
        try:
            known.converted = orjson.dumps(convert(found.document))
        except (AttributeError, TypeError) as error:
            raise RetryError(f"{service.name}: not a Swagger document: {error}") from error
        known.download = found
        key = service.path.removeprefix("/")
        known.paths = {key: f"{PREFIX}{key}?hash={_hash(known.converted)}"}


def _serve_converted(document: bytes) -> Handler:
    async def serve(scope: Scope, receive: Receive, send: Send, user: User | None) -> None:
        etag = f'"{_hash(document)}"'.encode()
        headers: Headers = [(b"etag", etag), (b"vary", b"Accept")]
        if first(scope["headers"], b"if-none-match") == etag:
            await Reply(send).whole(304, headers, b"")
            return
        await Reply(send).whole(200, [(b"content-type", b"application/json"), *headers], document)

    return serve


def _hash(document: bytes) -> str:
    return hashlib.sha512(document).hexdigest().upper()
