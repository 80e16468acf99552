"""The stand-in as a backend: its clock is the suite's, so that no test waits for real time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from metrics_api.localcluster.aggregation.aggregator import Aggregator
from metrics_api.localcluster.aggregation.timing import Timing
from metrics_api.localcluster.apiserver import ApiServer
from metrics_api.localcluster.objects import ObjectStore
from tests.contract.backend import TOKENS, Place, authorities
from tests.fakes import FakeClock, settle
from tests.localcluster.aggregation.extension_server import front_proxy_pair


class StandInBackend:
    """An :class:`ApiServer` with its aggregation layer."""

    def __init__(self, server: ApiServer, aggregator: Aggregator, clock: FakeClock, timing: Timing) -> None:
        self.place = Place(server.url, "127.0.0.1", timing.request_timeout)
        self._aggregator = aggregator
        self._clock = clock

    async def pass_time(self, seconds: float) -> None:
        await self._aggregator.idle()
        await self._clock.advance(seconds)
        await self._aggregator.idle()


@asynccontextmanager
async def stand_in(timing: Timing | None = None) -> AsyncIterator[StandInBackend]:
    """Start one and stop it."""
    clock = FakeClock()
    objects = ObjectStore(clock)
    aggregator = Aggregator(objects, front_proxy_pair(), clock, timing=timing)
    async with ApiServer(objects, authorities(), clock, aggregator=aggregator) as server:
        for token, user in TOKENS.items():
            server.tokens.put(token, user)
        running = asyncio.create_task(aggregator.run())
        await settle()
        try:
            yield StandInBackend(server, aggregator, clock, timing or Timing())
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
