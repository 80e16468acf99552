"""Keeps the condition ``Available`` of every APIService.

Source: kube-aggregator ``pkg/controllers/status``.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from metrics_api.clock import Clock
from metrics_api.errors import StatusError
from metrics_api.localcluster import statuses
from metrics_api.localcluster.aggregation.apiservice import AVAILABLE, APIService
from metrics_api.localcluster.aggregation.probe import Prober
from metrics_api.localcluster.aggregation.registry import Registry
from metrics_api.localcluster.aggregation.resolve import Obstacle, Resolver, service_of_slice
from metrics_api.localcluster.aggregation.seams import ObjectSource
from metrics_api.localcluster.aggregation.tls import TransportBuildError, Trust
from metrics_api.localcluster.aggregation.workqueue import RetryError, WorkQueue
from metrics_api.localcluster.history import Change
from metrics_api.localcluster.resources import API_SERVICES, ENDPOINT_SLICES, SERVICES
from metrics_api.timetext import format_rfc3339

_FIRST_BACKOFF = 0.005
_LONGEST_BACKOFF = 30.0
_PASSED = Obstacle("True", "Passed", "all checks passed")
_LOCAL = Obstacle("True", "Local", "Local APIServices are always available")


class AvailabilityController:
    """Checks APIServices when something about them changes, and at intervals.

    Args:
        objects: Where APIServices, Services and EndpointSlices are.
        registry: The parsed APIServices.
        resolver: Says what stands in the way of a Service.
        prober: Asks the backends.
        trust_of: How a backend is trusted.
        clock: For intervals and ``lastTransitionTime``.
        resync: Seconds between checks without a cause.
    """

    def __init__(
        self,
        objects: ObjectSource,
        registry: Registry,
        resolver: Resolver,
        prober: Prober,
        trust_of: Callable[[APIService], Trust],
        clock: Clock,
        resync: float,
    ) -> None:
        self._objects = objects
        self._registry = registry
        self._resolver = resolver
        self._prober = prober
        self._trust_of = trust_of
        self._clock = clock
        self._resync = resync
        self._queue = WorkQueue(self._sync, clock, first_delay=_FIRST_BACKOFF, longest_delay=_LONGEST_BACKOFF)
        self.unavailable: dict[str, bool] = {}
        """APIService -> whether it is unavailable: ``aggregator_unavailable_apiservice``."""
        self.became_unavailable: Counter[tuple[str, str]] = Counter()
        """(APIService, reason) -> how often it became so: ``aggregator_unavailable_apiservice_total``."""

    async def run(self) -> None:
        """Check until cancelled."""
        endings = (
            self._registry.on_change(self._queue.add),
            self._objects.subscribe(SERVICES, self._service_changed),
            self._objects.subscribe(ENDPOINT_SLICES, self._slice_changed),
        )
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._queue.run())
                while True:
                    for service in self._registry:
                        self._queue.add(service.name)
                    await self._clock.sleep(self._resync)
        finally:
            for end in endings:
                end()
            await self._prober.aclose()

    async def idle(self) -> None:
        """Return once every check that is due is done, down to its last probe."""
        await self._queue.idle()
        await self._prober.idle()

    def _service_changed(self, change: Change) -> None:
        self._backend_changed(change.stored.namespace, change.stored.name)

    def _slice_changed(self, change: Change) -> None:
        for stored in (change.stored, change.previous):
            name = service_of_slice(stored.labels) if stored else None
            if stored and name:
                self._backend_changed(stored.namespace, name)

    def _backend_changed(self, namespace: str, name: str) -> None:
        for service in self._registry:
            if service.service and (service.service.namespace, service.service.name) == (namespace, name):
                self._queue.add(service.name)

    async def _sync(self, name: str) -> None:
        service = self._registry.get(name)
        if service is None:
            self.unavailable.pop(name, None)
            return
        if service.service is None:
            self._report(service, _LOCAL)
            return
        obstacle = self._resolver.obstacle(service.service)
        if obstacle is not None:
            self._report(service, obstacle)
            return
        try:
            failure = await self._prober.check(service, self._trust_of(service))
        except TransportBuildError as error:
            raise RetryError(str(error)) from error  # no condition is written: kube-apiserver writes none either
        if failure is None:
            self._report(service, _PASSED)
            return
        self._report(service, Obstacle("False", "FailedDiscoveryCheck", failure))
        raise RetryError(failure)

    def _report(self, checked: APIService, found: Obstacle) -> None:
        """Write the condition if it is another one; ``lastTransitionTime`` moves with the status only."""
        self.unavailable[checked.name] = found.status != "True"
        current = self._registry.get(checked.name)
        if current is None or current.uid != checked.uid:
            return  # deleted while it was looked at, or another one by now
        before = checked.condition
        if before and (before.status, before.reason, before.message) == (found.status, found.reason, found.message):
            return
        if current.resource_version != checked.resource_version:
            # What was found is of another state of it; kube-apiserver's write would be refused.
            raise RetryError(str(statuses.conflict(API_SERVICES, checked.name, statuses.MODIFIED)))
        changed = before.changed if before and before.status == found.status else None
        condition = {
            "type": AVAILABLE,
            "status": found.status,
            "lastTransitionTime": changed or format_rfc3339(self._clock.now()),
            "reason": found.reason,
            "message": found.message,
        }
        try:
            self._write(checked.name, condition)
        except StatusError as error:
            raise RetryError(str(error)) from error
        if current.available and found.status != "True":
            self.became_unavailable[(checked.name, found.reason)] += 1

    def _write(self, name: str, condition: dict[str, str]) -> None:
        obj = self._objects.get(API_SERVICES, "", name) or {}
        status = obj.get("status") or {}
        others = [each for each in status.get("conditions") or () if each.get("type") != AVAILABLE]
        self._objects.set_status(API_SERVICES, "", name, {**status, "conditions": [*others, condition]})
