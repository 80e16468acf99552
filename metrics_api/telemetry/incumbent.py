"""metrics-server's six families, with its names, labels, texts and buckets: dashboards made for it go on working.

Source: metrics-server v0.9.0 ``pkg/server/server.go``, ``pkg/scraper/scraper.go``, ``pkg/api/monitoring.go`` and
``pkg/storage/monitoring.go``; ``[ALPHA]`` is set before each text by component-base.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from metrics_api.telemetry.kubelet_requests import KubeletRequests
from metrics_api.telemetry.reads import Reads
from metrics_api.telemetry.sources import Sources


class IncumbentCollector(Collector):
    """Reads the counts when asked.

    Args:
        requests: Requests to kubelets.
        reads: Requests to us.
        sources: The rest.
    """

    def __init__(self, requests: KubeletRequests, reads: Reads, sources: Sources) -> None:
        self._requests = requests
        self._reads = reads
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        """Yield the families; those that have had nothing to count yet are left out where metrics-server does so."""
        cycles = HistogramMetricFamily(
            "metrics_server_manager_tick_duration_seconds",
            "[ALPHA] The total time spent collecting and storing metrics in seconds.",
        )
        cycles.add_metric([], self._requests.cycles.buckets(), self._requests.cycles.total)
        yield cycles
        yield from self._of_kubelets()
        freshness = self._reads.freshness
        if freshness.count:
            family = HistogramMetricFamily(
                "metrics_server_api_metric_freshness_seconds", "[ALPHA] Freshness of metrics exported"
            )
            family.add_metric([], freshness.buckets(), freshness.total)
            yield family
        points = GaugeMetricFamily(
            "metrics_server_storage_points", "[ALPHA] Number of metrics points stored.", labels=["type"]
        )
        rows = self._sources.rows()
        points.add_metric(["container"], rows["pods"].points)
        points.add_metric(["node"], rows["nodes"].points)
        yield points

    def _of_kubelets(self) -> Iterator[Metric]:
        results = self._sources.scrape_results()
        total = CounterMetricFamily(
            "metrics_server_kubelet_request", "[ALPHA] Number of requests sent to Kubelet API", labels=["success"]
        )
        good = results.get("ok", 0)
        total.add_metric(["false"], sum(results.values()) - good)
        total.add_metric(["true"], good)
        yield total
        nodes = list(self._requests.nodes.items())
        if not nodes:
            return
        durations = HistogramMetricFamily(
            "metrics_server_kubelet_request_duration_seconds",
            "[ALPHA] Duration of requests to Kubelet API in seconds",
            labels=["node"],
        )
        last = GaugeMetricFamily(
            "metrics_server_kubelet_last_request_time_seconds",
            "[ALPHA] Time of last request performed to Kubelet API since unix epoch in seconds",
            labels=["node"],
        )
        for name, requests in nodes:
            durations.add_metric([name], requests.durations.buckets(), requests.durations.total)
            last.add_metric([name], int(requests.last))
        yield durations
        yield last
