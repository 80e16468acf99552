"""What the requests that autoscalers and kube-apiserver send all day may cost, from the ASGI call to the last byte.

Whoever needs more raises the number here, and says in the commit what it buys.
"""

from __future__ import annotations

import pytest

from metrics_api.api.app import MetricsAPI
from metrics_api.store.store import Store
from tests.api.views import V1BETA1, make_api
from tests.budget.counting import Work, count
from tests.store.builders import HandClock, new_store, pod_info, pod_sample, sample, scrape
from tests.store.builders import node_info as node

_MATCHING, _OTHERS = 15, 285


@pytest.fixture(scope="module")
def api() -> MetricsAPI:
    """Return the application over a namespace in which 15 of 300 pods are of one workload."""
    clock = HandClock()
    store: Store = new_store(clock)
    names = [f"web-{number}" for number in range(_MATCHING)] + [f"db-{number}" for number in range(_OTHERS)]
    for name in names:
        store.set_pod(pod_info(name, "app", labels={"app": name.partition("-")[0]}))
    said = [pod_sample(name, app=sample(clock.now() - 5, rate=7)) for name in names]
    store.record(node(), scrape(clock, *said, node=sample(clock.now() - 5, rate=7)))
    return make_api(store)


def _ask(api: MetricsAPI, path: str, query: str = "") -> Work:
    """Ask twice, for the second time is the usual one, and return the work of the second."""
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(b"host", b"metrics"), (b"accept", b"application/json, */*"), (b"user-agent", b"hpa")],
    }
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        raise AssertionError("a GET has no body")

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    def run() -> None:
        sent.clear()
        asking = api(scope, receive, send)  # type: ignore[arg-type]  # ASGI's types are mappings of anything
        with pytest.raises(StopIteration):  # it waits for nothing, so there is no loop
            asking.send(None)

    run()
    assert sent[0]["status"] == 200
    return count(run)


def test_one_pod(api: MetricsAPI) -> None:
    calls, lines = _ask(api, f"{V1BETA1}/namespaces/shop/pods/web-3")
    assert calls <= 100
    assert lines <= 215


def test_the_pods_of_a_workload(api: MetricsAPI) -> None:
    calls, lines = _ask(api, f"{V1BETA1}/namespaces/shop/pods", "labelSelector=app%3Dweb")
    assert calls <= 140
    assert lines <= 330


@pytest.mark.parametrize("path", ["/apis", V1BETA1])
def test_discovery(api: MetricsAPI, path: str) -> None:
    calls, lines = _ask(api, path)
    assert calls <= 140
    assert lines <= 250
