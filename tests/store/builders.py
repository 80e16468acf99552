"""Short ways to say what a kubelet or the API server said, and a clock that is moved by hand."""

from __future__ import annotations

from typing import Any

from metrics_api.model import Endpoint, NodeInfo, NodeSamples, PodInfo, PodSample, Sample
from metrics_api.store.store import Store

START = 1_788_264_000.0
"""2026-09-01T12:00:00Z."""
SECOND = 1_000_000_000
GIB = 1 << 30
PERIOD = 15.0
MAX_AGE = 90.0


class HandClock:
    """Wall and monotonic time that pass when told to."""

    def __init__(self, now: float = START) -> None:
        self._now = now
        self._monotonic = 5_000.0

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(f"the store waits for {seconds} s")

    def forward(self, seconds: float) -> None:
        self._now += seconds
        self._monotonic += seconds

    def step_wall(self, seconds: float) -> None:
        self._now += seconds


def node_info(name: str = "node-a", **changes: Any) -> NodeInfo:
    facts: dict[str, Any] = {
        "name": name,
        "uid": f"uid-of-{name}",
        "labels": {"zone": "a"},
        "cpu_cores": 4.0,
        "memory_capacity": 8 * GIB,
    }
    return NodeInfo(**{**facts, **changes})


def pod_info(name: str = "web", *required: str, **changes: Any) -> PodInfo:
    facts: dict[str, Any] = {
        "namespace": "shop",
        "name": name,
        "uid": f"uid-of-{name}",
        "labels": {"app": "web"},
        "node_name": "node-a",
        "required": required,
    }
    return PodInfo(**{**facts, **changes})


def sample(
    time: float,
    total: int | None = 100 * SECOND,
    rate: int | None = None,
    *,
    memory: int | None = 4096,
    start: float | None = None,
) -> Sample:
    return Sample(time=time, cpu_total=total, cpu_rate=rate, working_set=memory, start_time=start)


def pod_of(containers: dict[str, Sample], name: str = "web", *, uid: str | None = "") -> PodSample:
    """Say what a kubelet says of a pod; its uid is that of ``pod_info`` unless given."""
    return PodSample("shop", name, f"uid-of-{name}" if uid == "" else uid, containers)


def pod_sample(name: str = "web", *, uid: str | None = "", **containers: Sample) -> PodSample:
    """Say the same with a keyword for each container."""
    return pod_of(containers, name, uid=uid)


def scrape(
    clock: HandClock,
    *pods: PodSample,
    node: Sample | None = None,
    step: float = 1.0,
    unstamped: bool = False,
    date: float | None = None,
) -> NodeSamples:
    """Say what a kubelet answers now; ``date`` is the node's clock in its answer."""
    return NodeSamples(
        node=node,
        pods=list(pods),
        endpoint=Endpoint.SUMMARY if step == 1.0 else Endpoint.RESOURCE,
        time_step=step,
        received=clock.now(),
        requested=clock.now() - 0.1,
        unstamped=unstamped,
        server_time=date,
    )


def new_store(clock: HandClock) -> Store:
    """Return a store that knows ``node-a``."""
    store = Store(clock, resolution=PERIOD, max_age=MAX_AGE)
    store.set_node(node_info())
    return store


def names(store: Store, namespace: str | None = None) -> list[str]:
    return [row.name for row in store.pods(namespace)]


def record(store: Store, clock: HandClock, *pods: PodSample, node: str = "node-a", rate: int = 7) -> None:
    """Take in a scrape with these pods, or with pod ``web`` that has one container."""
    of_node = sample(clock.now() - 5, rate=rate)
    store.record(node_info(node), scrape(clock, *(pods or (web(clock, rate=rate),)), node=of_node))


def web(clock: HandClock, name: str = "web", *, uid: str | None = "", rate: int = 7) -> PodSample:
    return pod_sample(name, uid=uid, app=sample(clock.now() - 5, rate=rate))
