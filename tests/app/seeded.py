"""A store with a past, the same in every run, and its answers: ``python -m tests.app.seeded`` writes them anew.

The past holds what kubelets do to a rate: rates that fit and that do not, restarts, counters that fall, samples that
repeat, come late or not at all, containers that come and go, and quantities of every form.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from metrics_api.model import PodInfo, PodSample, Sample
from metrics_api.store.store import Store
from tests.api.golden import LIST, OBJECT, render
from tests.api.views import V1, V1BETA1
from tests.store.builders import MAX_AGE, PERIOD, SECOND, HandClock, node_info, pod_info, scrape

FOLDER = Path(__file__).parent.parent / "data/seeded"
ROUTES: Mapping[str, tuple[str, Sequence[str]]] = {
    "node": (f"{V1BETA1}/nodes/node-b", OBJECT),
    "nodes": (f"{V1}/nodes", LIST),
    "pod": (f"{V1BETA1}/namespaces/shop/pods/pod-3", OBJECT),
    "pods": (f"{V1}/pods", LIST),
    "pods-of-a-namespace": (f"{V1BETA1}/namespaces/team/pods", LIST),
    "pods-selected": (f"{V1}/namespaces/shop/pods?labelSelector=app%3Dweb", LIST),
}

_TURNS = 24
_NODES = ("node-a", "node-b", "node-c")
_PODS = 4
_CONTAINERS = ("app", "istio-proxy", "log")


def grown_store() -> tuple[Store, list[str]]:
    """Return the store at the end of its past, and for each scrape of it a digest of all items there were."""
    rng, clock = random.Random(6), HandClock()
    store = Store(clock, resolution=PERIOD, max_age=MAX_AGE)
    pods = {name: [_pod(node, number) for number in range(_PODS)] for node, name in enumerate(_NODES)}
    for name, of_node in pods.items():
        store.set_node(node_info(name))
        for pod in of_node:
            store.set_pod(pod)
    counters = {
        (pod.uid, name): rng.randrange(10**13) for of_node in pods.values() for pod in of_node for name in _CONTAINERS
    }
    digests = []
    for _ in range(_TURNS):
        clock.forward(PERIOD)
        for name, of_node in pods.items():
            said = [PodSample(p.namespace, p.name, p.uid, dict(_containers(p, counters, clock, rng))) for p in of_node]
            of_node_itself = _sample(10**13 + int(clock.now()) * SECOND // 3, clock, rng, ok=rng.random() < 0.9)
            stepping = 1.0 if rng.random() < 0.8 else 0.001
            store.record(node_info(name), scrape(clock, *said, node=of_node_itself, step=stepping))
        store.expire()
        items = b"\n".join(row.item for row in (*store.nodes(), *store.pods(None)))
        digests.append(hashlib.sha256(items).hexdigest())
    return store, digests


def _pod(node: int, number: int) -> PodInfo:
    count = 1 + (node + number) % len(_CONTAINERS)
    return pod_info(
        f"pod-{node * _PODS + number}",
        *(_CONTAINERS[:count] if number != 2 else ()),
        namespace=("shop", "team")[node % 2],
        labels={"app": ("web", "db")[number % 2], "note": 'a <b> & "c"'} if number else {},
        node_name=_NODES[node],
    )


def _containers(
    pod: PodInfo, counters: dict[tuple[str, str], int], clock: HandClock, rng: random.Random
) -> Iterator[tuple[str, Sample]]:
    for name in pod.required or _CONTAINERS:
        fault = rng.random()
        if fault < 0.02:
            continue
        key = pod.uid, name
        counters[key] = rng.randrange(10**9) if fault < 0.05 else counters[key] + rng.randrange(2 * 15 * SECOND)
        yield name, _sample(counters[key], clock, rng, ok=fault > 0.15)


def _sample(total: int, clock: HandClock, rng: random.Random, *, ok: bool) -> Sample:
    """Return an ordinary sample, or with ``ok`` false one of the other kinds."""
    time = float(clock.now() - rng.randrange(10))
    rate, memory, start = rng.randrange(2 * SECOND), 4096 * rng.randrange(1, 500_000), clock.now() - 86_400.0
    if ok:
        return Sample(time, total, rate, memory, start)
    return rng.choice(
        [
            Sample(time, total, None, memory, start),
            Sample(time, total, 0, memory, start),
            Sample(time, total, rate // 1000 * 1000, memory // (1 << 20) * (1 << 20), start),
            Sample(time, total, rate, memory + 5, clock.now() - 12.0),
            Sample(time - 20.0, total, rate, memory, start),
            Sample(time - 200.0, total, rate, memory, start),
            Sample(time + 100.0, total, rate, memory, start),
            Sample(time, total, 1 << 63, 1 << 50, start),
            Sample(time, None, rate, memory, start),
            Sample(time, total, rate, None, None),
            Sample(time + 0.25, total, rate, 0, time + 0.25),
        ]
    )


def past(digests: Sequence[str]) -> str:
    """Return the digests as they are written down."""
    return "".join(f"{digest}\n" for digest in digests)


def main() -> None:
    """Write all of them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    store, digests = grown_store()
    (FOLDER / "past.txt").write_text(past(digests))
    for name, (path, accepts) in ROUTES.items():
        (FOLDER / f"{name}.txt").write_text(asyncio.run(render(path, accepts, store)))


if __name__ == "__main__":
    main()
