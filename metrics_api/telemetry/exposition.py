"""From the counts to the text that Prometheus reads (format 0.0.4)."""

from __future__ import annotations

from prometheus_client import ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import CollectorRegistry

from metrics_api.telemetry.incumbent import IncumbentCollector
from metrics_api.telemetry.kubelet_requests import KubeletRequests
from metrics_api.telemetry.lag import LoopLag
from metrics_api.telemetry.own import OwnCollector
from metrics_api.telemetry.reads import Reads
from metrics_api.telemetry.sources import Sources

CONTENT_TYPE = f"{CONTENT_TYPE_PLAIN_0_0_4}; escaping=underscores"
"""As of Prometheus' Go library: names keep to the old characters."""


def register(
    registry: CollectorRegistry, requests: KubeletRequests, reads: Reads, lag: LoopLag, sources: Sources
) -> None:
    """Register everything there is, the process's own figures included."""
    registry.register(IncumbentCollector(requests, reads, sources))
    registry.register(OwnCollector(sources, reads, lag))
    ProcessCollector(registry=registry)


def expose(registry: CollectorRegistry) -> bytes:
    """Return the text; takes about 20 µs a series, so a thread is the place for it in a large cluster."""
    return generate_latest(registry)
