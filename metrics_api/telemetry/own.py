"""Our families. None has a label of nodes, pods or users: their number does not grow with the cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from metrics_api.telemetry.distribution import Distribution
from metrics_api.telemetry.lag import LoopLag
from metrics_api.telemetry.reads import Reads
from metrics_api.telemetry.sources import Sources


class OwnCollector(Collector):
    """Reads the counts when asked.

    Args:
        sources: What the workers count.
        reads: Requests to us.
        lag: Of the event loop.
    """

    def __init__(self, sources: Sources, reads: Reads, lag: LoopLag) -> None:
        self._sources = sources
        self._reads = reads
        self._lag = lag

    def collect(self) -> Iterator[Metric]:
        """Yield the families."""
        yield from self._scraping()
        yield from self._standing()
        yield from self._serving()
        yield from self._reading()
        yield from self._asking()
        yield from self._starting()

    def _scraping(self) -> Iterator[Metric]:
        scrapes = CounterMetricFamily(
            "metrics_api_scrapes",
            "Scrapes of nodes that ended, by result and reason of failure.",
            labels=["result", "reason"],
        )
        for reason, count in sorted(self._sources.scrape_results().items()):
            good = reason == "ok"
            scrapes.add_metric(["success" if good else "failure", "" if good else reason], count)
        yield scrapes
        yield _counter(
            "dropped_points",
            "Points of kubelets' documents that were not used.",
            "reason",
            self._sources.dropped_points(),
        )
        yield _counter(
            "kubelet_body_bytes", "Bytes of kubelets' answers as received.", "document", self._sources.body_bytes()
        )

    def _standing(self) -> Iterator[Metric]:
        standing = self._sources.nodes_standing()
        yield _gauge(
            "nodes",
            "Nodes that are scraped, by how it stands.",
            "state",
            {key: each.nodes for key, each in standing.items()},
        )
        yield _gauge(
            "scrape_deadline_seconds",
            "The longest deadline of a node's scrapes.",
            "state",
            {key: each.most_deadline for key, each in standing.items()},
        )
        yield _gauge(
            "scrape_wait_seconds",
            "The longest wait of a node for its next scrape.",
            "state",
            {key: each.most_wait for key, each in standing.items()},
        )
        yield GaugeMetricFamily(
            "metrics_api_nodes_clock_skewed",
            "Nodes whose clock is five seconds or more from ours.",
            self._sources.skewed_nodes(),
        )

    def _serving(self) -> Iterator[Metric]:
        rows = self._sources.rows()
        served = {key: each.served for key, each in rows.items()}
        expected = {key: each.expected for key, each in rows.items()}
        yield _gauge("rows_served", "Nodes and pods that are served.", "resource", served)
        yield _gauge("rows_expected", "Nodes and running pods that should be served.", "resource", expected)
        yield _gauge(
            "rows_stale",
            "Rows that are served although newer usage should have come.",
            "resource",
            {key: each.stale for key, each in rows.items()},
        )
        yield _gauge(
            "completeness_ratio",
            "Rows served of rows expected; 1 when none is expected.",
            "resource",
            {key: served[key] / expected[key] if expected[key] else 1.0 for key in rows},
        )
        ages = GaugeMetricFamily(
            "metrics_api_sample_age_seconds",
            "Age of what is served, corrected for the nodes' clocks, that this part of the rows does not exceed.",
            labels=["resource", "quantile"],
        )
        for key, each in rows.items():
            for part, age in each.ages.items():
                ages.add_metric([key, f"{part:g}"], age)
        yield ages

    def _reading(self) -> Iterator[Metric]:
        latencies = HistogramMetricFamily(
            "metrics_api_read_duration_seconds", "From a request to the end of its answer.", labels=["route"]
        )
        for route, distribution in sorted(self._reads.latencies.items()):
            latencies.add_metric([route], distribution.buckets(), distribution.total)
        yield latencies
        errors = {str(code): count for code, count in self._reads.errors.copy().items()}
        yield _counter("read_errors", "Answers that were errors, by HTTP status.", "code", errors)
        watchers = self._sources.watchers()
        yield GaugeMetricFamily("metrics_api_watchers", "Clients that watch what is served.", watchers.open)
        yield CounterMetricFamily(
            "metrics_api_watchers_cut_off", "Clients whose watch was cut off: they did not keep up.", watchers.cut_off
        )
        yield _histogram("event_loop_lag_seconds", "How late the event loop wakes up.", self._lag.lags)

    def _asking(self) -> Iterator[Metric]:
        watches = self._sources.watches()
        for name, text in (
            ("restarts", "Watches of kube-apiserver that ended and were taken up again."),
            ("relists", "Lists made again after the first."),
            ("skipped", "Objects that could not be understood and were left out."),
        ):
            counts = {key: int(getattr(each, name)) for key, each in watches.items()}
            yield _counter(f"watch_{name}", text, "resource", counts)
        yield _gauge(
            "watched_objects", "Objects known.", "resource", {key: each.known for key, each in watches.items()}
        )
        yield _gauge(
            "certificate_expiry_timestamp_seconds",
            "When the first of these certificates expires, in seconds since unix epoch.",
            "certificate",
            self._sources.certificate_expiries(),
        )
        caches = self._sources.review_caches()
        yield _counter(
            "review_cache_hits",
            "Reviews answered from memory.",
            "cache",
            {key: each.hits for key, each in caches.items()},
        )
        yield _counter(
            "review_cache_misses",
            "Reviews asked of kube-apiserver.",
            "cache",
            {key: each.misses for key, each in caches.items()},
        )
        yield _gauge(
            "review_cache_size", "Reviews remembered.", "cache", {key: each.size for key, each in caches.items()}
        )

    def _starting(self) -> Iterator[Metric]:
        warm = self._sources.warm_start()
        if warm is None:
            return
        yield _gauge(
            "warm_start_result",
            "1 for how the warm start of this process went: whole, part or cold.",
            "result",
            {each: float(each == warm.result) for each in ("whole", "part", "cold")},
        )
        yield _gauge(
            "warm_start_taken",
            "Nodes and pods that another replica gave when this process started.",
            "resource",
            {"nodes": warm.nodes, "pods": warm.pods},
        )
        yield GaugeMetricFamily(
            "metrics_api_warm_start_seconds",
            "What the warm start took, from when nodes and pods were listed.",
            warm.seconds,
        )


def _counter(name: str, text: str, label: str, counts: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(f"metrics_api_{name}", text, labels=[label])
    for key, count in sorted(counts.items()):
        family.add_metric([key], count)
    return family


def _gauge(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"metrics_api_{name}", text, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key], value)
    return family


def _histogram(name: str, text: str, distribution: Distribution) -> Metric:
    family = HistogramMetricFamily(f"metrics_api_{name}", text)
    family.add_metric([], distribution.buckets(), distribution.total)
    return family
