"""``/metrics``: what is counted everywhere, as the text that Prometheus reads."""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response

from metrics_api.app.measured import Measured
from metrics_api.telemetry.kubelet_requests import KubeletRequests
from metrics_api.telemetry.lag import LoopLag
from metrics_api.telemetry.reads import Reads

if TYPE_CHECKING:
    from prometheus_client.registry import CollectorRegistry

PATH = "/metrics"


class Exporter:
    """Answers ``/metrics``. The library that writes the text is imported when somebody asks for the first time.

    Args:
        requests: Requests to kubelets.
        reads: Requests to us.
        lag: Of the event loop.
        measured: What the workers count.
        registry: Where to register; ``None`` makes one.
    """

    def __init__(
        self,
        requests: KubeletRequests,
        reads: Reads,
        lag: LoopLag,
        measured: Measured,
        registry: CollectorRegistry | None = None,
    ) -> None:
        self._requests = requests
        self._reads = reads
        self._lag = lag
        self._measured = measured
        self._registry = registry
        self._registered = False
        self._exposing = asyncio.Lock()

    def add_to(self, api: FastAPI) -> None:
        """Add the path."""

        async def metrics(_: Request) -> Response:
            return await self._answer()

        api.add_api_route(PATH, metrics, methods=["GET", "HEAD"], response_model=None, include_in_schema=False)

    async def _answer(self) -> Response:
        async with self._exposing:  # one at a time: whoever asks too often waits for himself
            await asyncio.to_thread(importlib.import_module, "metrics_api.telemetry.exposition")
            from metrics_api.telemetry.exposition import CONTENT_TYPE, expose

            await self._measured.count_rows()
            body = await asyncio.to_thread(expose, self._registered_registry())
        return Response(body, headers={"Content-Type": CONTENT_TYPE})

    def _registered_registry(self) -> CollectorRegistry:
        from prometheus_client.registry import CollectorRegistry

        from metrics_api.telemetry.exposition import register

        registry = self._registry = self._registry or CollectorRegistry()
        if not self._registered:
            register(registry, self._requests, self._reads, self._lag, self._measured)
            self._registered = True
        return registry
