"""``/metrics`` on the application."""

from __future__ import annotations

import httpx
import pytest

from metrics_api.api.app import build_api
from metrics_api.api.probes import Probes
from metrics_api.api.requestinfo import RequestInfo
from metrics_api.app.admission import Admission
from metrics_api.app.collection import Collection
from metrics_api.app.exporter import Exporter
from metrics_api.app.measured import Measured
from metrics_api.errors import StatusError
from metrics_api.settings.values import Settings
from metrics_api.store.store import Store
from metrics_api.telemetry.kubelet_requests import KubeletRequests
from metrics_api.telemetry.lag import LoopLag
from metrics_api.telemetry.reads import Reads
from tests.store.builders import HandClock, new_store, node_info, pod_info, record, scrape


class Refusing:
    """Lets nobody see the metrics."""

    async def __call__(self, scope: object, request: RequestInfo) -> None:
        if request.path == "/metrics":
            raise StatusError(403, "Forbidden", "no")


def client(store: Store, clock: HandClock, gate: Refusing | None = None) -> httpx.AsyncClient:
    settings = Settings(authentication_skip_lookup=True)
    requests, reads, lag = KubeletRequests(clock, period=15.0), Reads(clock), LoopLag(clock)
    collection = Collection(settings, clock, store, requests)
    measured = Measured(store, collection, Admission(settings, clock, lambda _: None, lambda _: ()))
    api = build_api(store, Probes(), version="0.1.0", gate=gate, reads=reads)
    Exporter(requests, reads, lag, measured).add_to(api)
    return httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="https://metrics")


async def test_metrics_are_text_that_counts_what_is_served() -> None:
    clock = HandClock()
    store = new_store(clock)
    store.set_pod(pod_info())
    store.set_pod(pod_info("db"))
    record(store, clock)
    async with client(store, clock) as asking:
        await asking.get("/apis/metrics.k8s.io/v1/pods")
        await asking.get("/apis/metrics.k8s.io/v1/nodes/nope")
        response = await asking.get("/metrics")

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
    lines = response.text.splitlines()
    assert 'metrics_api_completeness_ratio{resource="pods"} 0.5' in lines
    assert 'metrics_server_storage_points{type="node"} 1.0' in lines
    assert 'metrics_api_read_duration_seconds_count{route="list pods"} 1.0' in lines
    assert 'metrics_api_read_errors_total{code="404"} 1.0' in lines
    assert "metrics_server_api_metric_freshness_seconds_count 1.0" in lines


async def test_metrics_can_be_asked_for_before_anything_has_begun_and_again_and_again() -> None:
    clock = HandClock()
    async with client(Store(clock, resolution=15.0, max_age=90.0), clock) as asking:
        first, second = await asking.get("/metrics"), await asking.get("/metrics")
    assert (first.status_code, second.status_code) == (200, 200)
    assert 'metrics_api_completeness_ratio{resource="nodes"} 1.0' in second.text


@pytest.mark.parametrize(("ahead", "skewed"), [(0.0, 0), (-4.0, 0), (7.0, 1), (-90.0, 1)])
async def test_nodes_with_a_wrong_clock_are_counted(ahead: float, skewed: int) -> None:
    clock = HandClock()
    store = new_store(clock)
    store.record(node_info("node-a"), scrape(clock, date=clock.now() + ahead))
    async with client(store, clock) as asking:
        response = await asking.get("/metrics")

    assert f"metrics_api_nodes_clock_skewed {skewed:.1f}" in response.text.splitlines()


async def test_metrics_are_authorized_like_any_path() -> None:
    clock = HandClock()
    async with client(new_store(clock), clock, Refusing()) as asking:
        assert (await asking.get("/metrics")).status_code == 403


async def test_metrics_stand_in_the_index() -> None:
    clock = HandClock()
    async with client(new_store(clock), clock) as asking:
        assert "/metrics" in (await asking.get("/")).json()["paths"]
