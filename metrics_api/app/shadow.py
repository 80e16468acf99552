"""Watching and scraping without serving: what this server would say, for whoever compares it with another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from metrics_api.app.collection import Collection
from metrics_api.app.connections import Connections
from metrics_api.clock import Clock
from metrics_api.errors import first_of_ours
from metrics_api.model import Row
from metrics_api.settings.values import Settings
from metrics_api.store.store import Store

_EXPIRY_PERIOD = 1.0


class Shadow:
    """A server that nobody can ask but its owner. It reads the cluster and changes nothing in it.

    Args:
        settings: As for ``serve``; what concerns listening is not looked at.
        clock: Time.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._clock = clock
        self._store = Store(clock, resolution=settings.metric_resolution, max_age=settings.max_metric_age)
        self._collection = Collection(settings, clock, self._store)

    async def run(self) -> None:
        """Watch and scrape until cancelled.

        Raises:
            KubeConfigError: there is no usable way to kube-apiserver.
        """
        connections = Connections(self._clock)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._collection.run(connections))
                group.create_task(self._expire())
        except BaseExceptionGroup as errors:
            raise first_of_ours(errors) from errors
        finally:
            await connections.close()

    def rows(self, resource: str) -> Sequence[Row]:
        """Return what would be served of ``nodes`` or ``pods`` now."""
        return self._store.nodes() if resource == "nodes" else self._store.pods(None)

    def failures(self) -> Sequence[str]:
        """Return why nodes cannot be scraped, a sentence for each reason, that of most nodes first."""
        failing: dict[str, list[str]] = {}
        for name in self._store.selected_nodes():
            situation = self._collection.situation(name)
            if situation is not None and situation.reason is not None:
                failing.setdefault(situation.reason, []).append(f"{name}: {situation.message}")
        ordered = sorted(failing.items(), key=lambda item: -len(item[1]))
        return [
            f"{len(messages)} node{'' if len(messages) == 1 else 's'}: {reason}, such as {messages[0]}"
            for reason, messages in ordered
        ]

    async def _expire(self) -> None:
        while True:
            await self._clock.sleep(_EXPIRY_PERIOD)
            self._store.expire()
