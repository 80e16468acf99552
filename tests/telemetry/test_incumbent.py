"""metrics-server's families, to the letter."""

from __future__ import annotations

from metrics_api.model import ContainerUsage, NodeInfo, Row, Usage
from metrics_api.telemetry.kubelet_requests import cycle_bounds
from tests.telemetry.sources import Exposed

NODE = NodeInfo(name="n1", uid="u1", labels={})


def _row(time: float) -> Row:
    return Row("", "n1", {}, Usage(time, 15.0, (ContainerUsage("", 1, 1),)), 0.0, b"")


def test_there_are_exactly_metrics_servers_six_families_with_its_types_and_texts() -> None:
    exposed = Exposed()
    exposed.requests.scraped(NODE, 0.2, ended=1.0)
    exposed.reads.answered("get", "nodes", [_row(exposed.clock.now() - 10)], 0.001)

    assert [line for line in exposed.lines("metrics_server_") if line.startswith("# ")] == [
        "# HELP metrics_server_manager_tick_duration_seconds [ALPHA] The total time spent collecting and storing"
        " metrics in seconds.",
        "# TYPE metrics_server_manager_tick_duration_seconds histogram",
        "# HELP metrics_server_kubelet_request_total [ALPHA] Number of requests sent to Kubelet API",
        "# TYPE metrics_server_kubelet_request_total counter",
        "# HELP metrics_server_kubelet_request_duration_seconds [ALPHA] Duration of requests to Kubelet API in seconds",
        "# TYPE metrics_server_kubelet_request_duration_seconds histogram",
        "# HELP metrics_server_kubelet_last_request_time_seconds [ALPHA] Time of last request performed to Kubelet API"
        " since unix epoch in seconds",
        "# TYPE metrics_server_kubelet_last_request_time_seconds gauge",
        "# HELP metrics_server_api_metric_freshness_seconds [ALPHA] Freshness of metrics exported",
        "# TYPE metrics_server_api_metric_freshness_seconds histogram",
        "# HELP metrics_server_storage_points [ALPHA] Number of metrics points stored.",
        "# TYPE metrics_server_storage_points gauge",
    ]


def test_requests_are_counted_by_success() -> None:
    assert [line for line in Exposed().lines("metrics_server_kubelet_request_total") if line[0] != "#"] == [
        'metrics_server_kubelet_request_total{success="false"} 10.0',
        'metrics_server_kubelet_request_total{success="true"} 90.0',
    ]


def test_points_are_counted_by_type() -> None:
    assert [line for line in Exposed().lines("metrics_server_storage_points") if line[0] != "#"] == [
        'metrics_server_storage_points{type="container"} 450.0',
        'metrics_server_storage_points{type="node"} 9.0',
    ]


def test_a_nodes_requests_have_the_default_buckets() -> None:
    exposed = Exposed()
    exposed.requests.scraped(NODE, 0.2, ended=1.0)

    lines = [line for line in exposed.lines("metrics_server_kubelet_request_duration_seconds") if line[0] != "#"]
    bounds = [".005", ".01", ".025", ".05", ".1", ".25", ".5", "1", "2.5", "5", "10", "+Inf"]
    assert lines == [
        *(
            f'metrics_server_kubelet_request_duration_seconds_bucket{{le="{"0" if bound[0] == "." else ""}{bound}",'
            f'node="n1"}} {float(index >= 5)}'
            for index, bound in enumerate(bounds)
        ),
        'metrics_server_kubelet_request_duration_seconds_count{node="n1"} 1.0',
        'metrics_server_kubelet_request_duration_seconds_sum{node="n1"} 0.2',
    ]
    (last,) = [line for line in exposed.lines("metrics_server_kubelet_last") if line[0] != "#"]
    series, _, value = last.partition(" ")
    assert series == 'metrics_server_kubelet_last_request_time_seconds{node="n1"}'
    assert float(value) == exposed.clock.now()


def test_a_node_that_is_gone_leaves_no_series() -> None:
    exposed = Exposed()
    for number in range(1000):
        exposed.requests.scraped(NodeInfo(name=f"n{number}", uid="u", labels={}), 0.2, ended=1.0)
        exposed.requests.forget(f"n{number}")

    assert not [line for line in exposed.lines() if "node=" in line]


def test_families_by_node_can_be_turned_off() -> None:
    exposed = Exposed(per_node=False)
    exposed.requests.scraped(NODE, 0.2, ended=1.0)

    assert not [line for line in exposed.lines() if "node=" in line]
    assert not exposed.lines("metrics_server_kubelet_request_duration_seconds")


def test_the_bounds_of_cycles_stand_around_the_period() -> None:
    assert cycle_bounds(15.0)[-5:] == (10.0, 12.5, 15.0, 22.5, 30.0)
    assert cycle_bounds(60.0)[-4:] == (35.0, 60.0, 90.0, 120.0)
    assert cycle_bounds(10.0)[-1] == 10.0


def test_a_cycle_lasts_as_long_as_the_longest_scrape_of_its_period() -> None:
    exposed = Exposed()
    for ended, took in ((0.0, 0.1), (5.0, 9.0), (14.0, 0.2), (16.0, 1.0), (31.0, 1.0)):
        exposed.requests.scraped(NODE, took, ended=ended)

    assert exposed.requests.cycles.count == 2
    assert exposed.requests.cycles.total == 10.0


def test_freshness_is_absent_until_something_was_read() -> None:
    assert not Exposed().lines("metrics_server_api_metric_freshness_seconds")


def test_freshness_counts_every_object_of_a_list() -> None:
    exposed = Exposed()
    exposed.reads.answered("list", "nodes", [_row(exposed.clock.now() - 10)] * 3, 0.001)

    lines = exposed.lines("metrics_server_api_metric_freshness_seconds")
    assert next(line for line in lines if line.endswith(" 3.0") and "bucket" in line).startswith(
        'metrics_server_api_metric_freshness_seconds_bucket{le="11.98'
    )
    assert "metrics_server_api_metric_freshness_seconds_sum 30.0" in lines
