"""What a pod may cost in a scrape. Whoever needs more raises the number here, and says in the commit what it buys."""

from __future__ import annotations

import random

import pytest

from benchmarks.decode import make_containers, make_summary
from benchmarks.record import node_info, pod_info
from metrics_api.kubelet.summary import decode_summary
from metrics_api.model import Endpoint, NodeInfo, NodeSamples, PodSample
from metrics_api.store.store import Store
from tests.budget.counting import Work, count, kept_blocks
from tests.store.builders import SECOND, START, HandClock, sample

PODS = 30
_NODE = node_info(0)
_PODS = [pod_info(0, number) for number in range(PODS)]


def _scrape(clock: HandClock, turn: int) -> NodeSamples:
    """Return what a kubelet says of pods of two containers that live on."""
    clock.forward(15)
    said = sample(clock.now() - 5, 10**12 + turn * 3 * SECOND, SECOND // 5 + turn, start=clock.now() - 86_400)
    pods = [PodSample(p.namespace, p.name, "".join(list(p.uid)), {"app": said, "sidecar": said}) for p in _PODS]
    return NodeSamples(said, pods, Endpoint.SUMMARY, 1.0, clock.now(), clock.now() - 0.1)


@pytest.fixture
def recorded() -> tuple[Store, HandClock]:
    """A store that has taken in three scrapes."""
    clock = HandClock()
    store = Store(clock, resolution=15.0, max_age=90.0)
    store.set_node(_NODE)
    for pod in _PODS:
        store.set_pod(pod)
    for turn in range(3):
        store.record(_NODE, _scrape(clock, turn))
    return store, clock


def _recording(store: Store, clock: HandClock) -> Work:
    samples = _scrape(clock, 3)
    work = count(lambda: store.record(_NODE, samples))
    return Work(work.calls // PODS, work.lines // PODS)


def test_recording_a_pod_that_nobody_reads(recorded: tuple[Store, HandClock]) -> None:
    calls, lines = _recording(*recorded)
    assert calls <= 20
    assert lines <= 85


def test_recording_a_pod_that_is_read(recorded: tuple[Store, HandClock]) -> None:
    assert len([row.item for row in recorded[0].pods(None)]) == PODS
    calls, lines = _recording(*recorded)
    assert calls <= 40
    assert lines <= 117


def test_reading_pods_that_nobody_has_read_for_a_while(recorded: tuple[Store, HandClock]) -> None:
    rows = recorded[0].pods(None)  # of twenty workloads, so that most labels are written for one pod only
    calls, lines = count(lambda: [row.item for row in rows])
    assert calls <= 44 * PODS
    assert lines <= 58 * PODS


def test_recording_keeps_no_more_than_before(recorded: tuple[Store, HandClock]) -> None:
    store, clock = recorded
    scrapes = [_scrape(clock, turn) for turn in range(3, 23)]

    def record_all() -> None:
        for samples in scrapes:
            store.record(_NODE, samples)

    record_all()  # repeated samples: what is made once is there now
    scrapes = [_scrape(clock, turn) for turn in range(23, 43)]
    assert kept_blocks(record_all) < 20 * PODS // 2, "what was kept of the former scrape is let go"


def test_decoding_a_pod() -> None:
    rng = random.Random(1)
    containers = make_containers(PODS, rng)
    first, second = (make_summary(containers, rng) for _ in range(2))
    node = NodeInfo("node-17.example.internal", "uid", {}, max_pods=110)
    decode_summary(first, node, requested=START, received=START)
    calls, lines = count(lambda: decode_summary(second, node, requested=START, received=START))
    assert calls <= 26 * PODS
    assert lines <= 85 * PODS
