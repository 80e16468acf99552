from __future__ import annotations

import re

import pytest

from metrics_api.model import ContainerUsage, Row, Usage
from metrics_api.telemetry.reads import Reads
from tests.fakes import FakeClock
from tests.telemetry.sources import Exposed


@pytest.mark.parametrize(
    "line",
    [
        'metrics_api_scrapes_total{reason="",result="success"} 90.0',
        'metrics_api_scrapes_total{reason="timeout",result="failure"} 7.0',
        'metrics_api_dropped_points_total{reason="bad_number"} 2.0',
        'metrics_api_kubelet_body_bytes_total{document="summary"} 96000.0',
        'metrics_api_nodes{state="backing_off"} 1.0',
        'metrics_api_scrape_deadline_seconds{state="backing_off"} 30.0',
        'metrics_api_scrape_wait_seconds{state="backing_off"} 60.0',
        'metrics_api_rows_served{resource="pods"} 270.0',
        'metrics_api_rows_expected{resource="pods"} 300.0',
        'metrics_api_rows_stale{resource="pods"} 4.0',
        'metrics_api_completeness_ratio{resource="pods"} 0.9',
        'metrics_api_sample_age_seconds{quantile="0.99",resource="pods"} 70.0',
        'metrics_api_watch_restarts_total{resource="pods"} 2.0',
        'metrics_api_watch_relists_total{resource="pods"} 1.0',
        'metrics_api_watched_objects{resource="pods"} 300.0',
        'metrics_api_certificate_expiry_timestamp_seconds{certificate="serving"} 2e+09',
        "metrics_api_watchers 12.0",
        "metrics_api_watchers_cut_off_total 3.0",
        'metrics_api_review_cache_hits_total{cache="access"} 40.0',
        'metrics_api_review_cache_misses_total{cache="access"} 5.0',
        "metrics_api_event_loop_lag_seconds_count 0.0",
        "metrics_api_nodes_clock_skewed 2.0",
        'metrics_api_warm_start_result{result="whole"} 0.0',
        'metrics_api_warm_start_result{result="part"} 1.0',
        'metrics_api_warm_start_result{result="cold"} 0.0',
        'metrics_api_warm_start_taken{resource="nodes"} 9.0',
        'metrics_api_warm_start_taken{resource="pods"} 270.0',
        "metrics_api_warm_start_seconds 0.8",
    ],
)
def test_what_is_counted_is_exposed(line: str) -> None:
    assert line in Exposed().lines()


def test_no_family_of_ours_has_a_label_that_grows_with_the_cluster() -> None:
    exposed = Exposed()
    exposed.reads.answered("get", "pods", [], 0.001)
    labels = {name for line in exposed.lines("metrics_api_") for name in re.findall(r"(\w+)=\"", line)}
    assert labels <= {
        *(
            "cache",
            "certificate",
            "code",
            "document",
            "le",
            "quantile",
            "reason",
            "resource",
            "result",
            "route",
            "state",
        ),
    }


def test_the_process_shows_its_own_memory() -> None:
    assert Exposed().lines("process_resident_memory_bytes")


def test_reads_are_timed_by_route_and_hostile_paths_make_no_new_one() -> None:
    reads = Reads(FakeClock())
    reads.answered("list", "pods", [], 0.003)
    for path in ("/apis/metrics.k8s.io", "/readyz", "/readyz/ping", "/metrics", "/a", "/b", "//c", ""):
        reads.passed(path, 0.001)

    assert {route: latencies.count for route, latencies in reads.latencies.items()} == {
        "list pods": 1,
        "discovery": 1,
        "probe": 2,
        "metrics": 1,
        "other": 4,
    }


@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 100, 30_001])
def test_a_list_counts_all_its_objects_though_few_are_looked_at(count: int) -> None:
    clock = FakeClock()
    reads = Reads(clock)
    row = Row("", "n", {}, Usage(clock.now() - 5, 15.0, (ContainerUsage("", 1, 1),)), 0.0, b"")
    reads.answered("list", "nodes", [row] * count, 0.001)
    assert reads.freshness.count == count


def test_errors_are_counted_by_status() -> None:
    exposed = Exposed()
    exposed.reads.failed(403)
    assert 'metrics_api_read_errors_total{code="403"} 1.0' in exposed.lines()
