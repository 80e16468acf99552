"""Asks extension servers what they serve and keeps the answers for ``/apis``.

Source: kube-aggregator ``pkg/apiserver/handler_discovery.go`` and ``handler_apis.go``.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from metrics_api.clock import Clock
from metrics_api.localcluster.aggregation.apiservice import (
    APIService,
    ServiceReference,
    sorted_by_group_and_version,
)
from metrics_api.localcluster.aggregation.discovery_document import (
    Version,
    content_type_names,
    parse_aggregated,
    parse_legacy,
)
from metrics_api.localcluster.aggregation.inprocess import Answer, fetch
from metrics_api.localcluster.aggregation.registry import Registry
from metrics_api.localcluster.aggregation.seams import Handler
from metrics_api.localcluster.aggregation.timing import Timing
from metrics_api.localcluster.aggregation.workqueue import RetryError, WorkQueue
from metrics_api.localcluster.stored import JsonObject
from metrics_api.localcluster.users import MASTERS_GROUP, User

_FIRST_BACKOFF = 0.5
_POLLER = User("system:kube-aggregator", groups=(MASTERS_GROUP,))
_FALLBACK_POLLER = User("system:kube-aggregator")  # without a group: extension servers have to authorize it
_ACCEPT = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"


class DiscoveryStyle(Enum):
    """Which forms of discovery the aggregator asks for, best first; they changed with Kubernetes' releases."""

    CURRENT = ("v2", "v2beta1")
    """1.30 to 1.36."""
    V2 = ("v2",)
    """From 1.37."""
    V2BETA1 = ("v2beta1",)
    """1.26 to 1.29."""
    LEGACY = ()
    """Only ``/apis/<group>/<version>``."""


@dataclass(frozen=True, slots=True)
class _Cached:
    versions: dict[tuple[str, str], Version]
    etag: str
    asked: int
    """When the request was sent, on the controller's own count of events."""


class DiscoveryController:
    """Polls the discovery document of every backend, and at once when an APIService changes.

    Args:
        registry: The APIServices.
        handler_of: The proxy to an APIService's backend, whether it is Available or not.
        clock: For the intervals.
        timing: Poll interval and time limit.
    """

    def __init__(
        self, registry: Registry, handler_of: Callable[[APIService], Handler], clock: Clock, timing: Timing
    ) -> None:
        self._registry = registry
        self._handler_of = handler_of
        self._timing = timing
        self._queue = WorkQueue(self._sync, clock, first_delay=_FIRST_BACKOFF, longest_delay=timing.discovery_poll)
        self._count = itertools.count()
        self._dirty: dict[str, int] = {}
        self._cache: dict[ServiceReference, _Cached] = {}
        self._locks: dict[ServiceReference, asyncio.Lock] = {}
        self._found: dict[str, Version] = {}
        self.style = DiscoveryStyle.CURRENT

    async def run(self) -> None:
        """Poll until cancelled."""
        with self._registry.following(self._changed):
            await self._queue.run()

    async def idle(self) -> None:
        """Return once every poll that is due is done."""
        await self._queue.idle()

    def groups(self) -> list[JsonObject]:
        """Return the APIGroup of every group with an extension server, available or not, best first."""
        return [_api_group(versions) for versions in self._remote_groups()]

    def aggregated_groups(self) -> list[JsonObject]:
        """Return the APIGroupDiscovery of every such group that was asked already, best first."""
        items = []
        for versions in self._remote_groups():
            found = [self._found[each.name].document() for each in versions if each.name in self._found]
            if found:
                items.append({"metadata": {"name": versions[0].group}, "versions": found})
        return items

    def _remote_groups(self) -> Sequence[Sequence[APIService]]:
        return sorted_by_group_and_version(each for each in self._registry if each.service and each.group)

    def _changed(self, name: str) -> None:
        if self._registry.get(name) is None:
            self._found.pop(name, None)
            used = {each.service for each in self._registry}
            for reference in [each for each in self._cache if each not in used]:
                del self._cache[reference]
                self._locks.pop(reference, None)
        self._dirty[name] = next(self._count)
        self._queue.forget(name)
        self._queue.add(name)

    async def _sync(self, name: str) -> float | None:
        service = self._registry.get(name)
        if service is None or service.service is None:
            self._dirty.pop(name, None)
            return None
        try:
            version = await self._fresh(service, service.service)
        except RetryError:
            self._keep(service, Version(service.version, freshness="Stale"))
            raise
        self._keep(service, Version(service.version, version.resources, "Current"))
        self._dirty[name] = next(self._count)
        return self._timing.discovery_poll

    def _keep(self, service: APIService, version: Version) -> None:
        if self._registry.get(service.name) is not None:
            self._found[service.name] = version

    async def _fresh(self, service: APIService, reference: ServiceReference) -> Version:
        """Return what the backend says of this version, asked after the APIService's last change."""
        async with self._locks.setdefault(reference, asyncio.Lock()):
            cached = self._cache.get(reference)
            if cached is None or cached.asked < self._dirty.get(service.name, 0):
                asked = next(self._count)
                answer = await self._ask_aggregated(service, cached)
                if answer is None:
                    return await self._ask_legacy(service, cached)
                cached = self._updated(cached, answer, reference, asked)
                self._cache[reference] = cached
        return cached.versions.get((service.group, service.version), Version())

    async def _ask_aggregated(self, service: APIService, cached: _Cached | None) -> Answer | None:
        """Return the answer to ``/apis``; ``None`` when it is of no use and legacy discovery has to do."""
        wanted = self.style.value
        if not wanted:
            return None
        accept = ",".join(_ACCEPT.format(version) for version in wanted)
        answer = await self._get(service, "/apis", accept, cached, _POLLER)
        if answer.status in (304, 503):
            return answer
        return answer if answer.status == 200 and content_type_names(answer.header(b"content-type"), wanted) else None

    def _updated(self, cached: _Cached | None, answer: Answer, reference: ServiceReference, asked: int) -> _Cached:
        if answer.status == 304:
            return replace(cached, asked=asked) if cached else _Cached({}, "", asked)
        where = f"service {reference.namespace}/{reference.name}:{reference.port}"
        if answer.status == 503:
            raise RetryError(f"{where} returned non-success response code: 503")
        try:
            return _Cached(parse_aggregated(answer.body), answer.header(b"etag"), asked)
        except ValueError as error:
            raise RetryError(f"{where}: {error}") from error

    async def _ask_legacy(self, service: APIService, cached: _Cached | None) -> Version:
        answer = await self._get(service, service.path, "application/json", cached, _FALLBACK_POLLER)
        if answer.status != 200:
            raise RetryError(f"failed to download legacy discovery for {service.path}: {answer}")
        try:
            return parse_legacy(answer.body, service.version)
        except ValueError as error:
            raise RetryError(f"legacy discovery for {service.path}: {error}") from error

    async def _get(self, service: APIService, path: str, accept: str, cached: _Cached | None, user: User) -> Answer:
        headers = [(b"Accept", accept.encode())]
        if cached is not None and cached.etag:
            headers.append((b"If-None-Match", cached.etag.encode("latin-1")))
        return await fetch(self._handler_of(service), path, headers, user, self._timing.discovery_timeout)


def _api_group(versions: Sequence[APIService]) -> JsonObject:
    listed = [{"groupVersion": each.group_version, "version": each.version} for each in versions]
    return {"name": versions[0].group, "versions": listed, "preferredVersion": listed[0]}
