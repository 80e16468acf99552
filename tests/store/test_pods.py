"""A pod is served whole or not at all."""

from collections import Counter
from collections.abc import Callable

import pytest

from metrics_api.model import ContainerUsage, Sample
from metrics_api.store.history import Lack, unpack
from metrics_api.store.nodes import Node, terms_of
from metrics_api.store.pods import NamePool, PodHistory, observe
from metrics_api.store.store import Store
from tests.store.builders import SECOND, HandClock, names, node_info, pod_info, pod_of, sample, scrape


def take(store: Store, clock: HandClock, **containers: Sample) -> None:
    store.record(node_info(), scrape(clock, pod_of(containers)))


def served(store: Store) -> list[tuple[str, int]]:
    row = store.pod("shop", "web")
    return [] if row is None else [(c.name, c.cpu) for c in row.usage.containers]


def usable(clock: HandClock, rate: int = 7, age: float = 5) -> Sample:
    return sample(clock.now() - age, rate=rate)


def unusable(clock: HandClock) -> Sample:
    return sample(clock.now() - 5, rate=0)


def zero(clock: HandClock) -> Sample:
    return sample(clock.now() - 5, 0, 0, memory=0)


def test_containers_come_sorted_by_name_with_the_time_and_window_of_the_oldest(store: Store, clock: HandClock) -> None:
    store.set_pod(pod_info("web", "b", "a", "c"))
    fresh = sample(clock.now() - 8, 2 * SECOND, start=clock.now() - 28)
    take(store, clock, c=usable(clock, 3), b=fresh, a=usable(clock, 1))

    row = store.pod("shop", "web")
    assert row is not None
    assert row.usage.containers == tuple(
        ContainerUsage(n, c, 4096) for n, c in [("a", 1), ("b", SECOND // 10), ("c", 3)]
    )
    assert (row.usage.time, row.usage.window) == (clock.now() - 8, 20.0)


@pytest.mark.parametrize(
    ("required", "finished", "containers", "expected"),
    [
        pytest.param("ab", "", {"a": usable, "b": usable}, "ab", id="all that must be are there"),
        pytest.param("ab", "", {"a": usable}, "", id="one that must be is absent"),
        pytest.param("ab", "", {"a": usable, "b": unusable}, "", id="one that must be has no usage yet"),
        pytest.param("ab", "", {"a": usable, "b": zero}, "", id="one that must be is zero"),
        pytest.param("a", "", {"a": usable, "e": usable}, "ae", id="an ephemeral one is served too"),
        pytest.param("a", "", {"a": usable, "e": unusable}, "a", id="but not waited for"),
        pytest.param("a", "i", {"a": usable, "i": usable}, "a", id="a finished one is not served"),
        pytest.param("a", "i", {"a": usable, "i": zero}, "a", id="nor waited for"),
        pytest.param("", "", {"a": usable, "b": usable}, "ab", id="status lists none: all that are reported"),
        pytest.param("", "", {"a": usable, "b": unusable}, "", id="status lists none: all must be usable"),
        pytest.param("", "i", {"a": usable, "i": zero}, "a", id="status lists none: but for finished ones"),
        pytest.param("", "i", {"i": usable}, "", id="only finished ones are none"),
        pytest.param("", "", {}, "", id="a sandbox only"),
        pytest.param("a", "", {}, "", id="a sandbox only, of a pod that runs"),
        pytest.param("i", "i", {"i": usable}, "", id="running and finished is a contradiction"),
    ],
)
def test_which_containers_are_served(
    store: Store,
    clock: HandClock,
    required: str,
    finished: str,
    containers: dict[str, Callable[[HandClock], Sample]],
    expected: str,
) -> None:
    store.set_pod(pod_info("web", *required, finished=tuple(finished)))
    take(store, clock, **{name: make(clock) for name, make in containers.items()})

    assert "".join(name for name, _ in served(store)) == expected


@pytest.mark.parametrize("fault", ["absent", "zero", "without memory", "no pod", "no answer"])
def test_the_last_complete_usage_stays_while_one_container_lacks_any(
    store: Store, clock: HandClock, fault: str
) -> None:
    store.set_pod(pod_info("web", "a", "b"))
    take(store, clock, a=usable(clock, 1), b=usable(clock, 2))
    row = store.pod("shop", "web")
    assert row is not None
    before = row.item
    clock.forward(15)
    if fault == "absent":
        take(store, clock, a=usable(clock, 5))
    elif fault == "no pod":
        store.record(node_info(), scrape(clock))
    elif fault != "no answer":
        bad = zero(clock) if fault == "zero" else sample(clock.now() - 5, 101 * SECOND, memory=None)
        take(store, clock, a=usable(clock, 5), b=bad)
    store.expire()

    assert row.item == before
    clock.forward(15)
    take(store, clock, a=sample(clock.now() - 5, 103 * SECOND), b=sample(clock.now() - 5, 106 * SECOND))
    assert row.item != before
    assert [name for name, _ in served(store)] == ["a", "b"]
    assert row.usage.time == clock.now() - 5


def test_the_last_complete_usage_goes_when_it_is_too_old(store: Store, clock: HandClock) -> None:
    store.set_pod(pod_info("web", "a", "b"))
    take(store, clock, a=usable(clock, 1), b=usable(clock, 2))
    for _ in range(5):
        clock.forward(15)
        take(store, clock, a=usable(clock, 1))
        store.expire()
        assert names(store) == ["web"]
    clock.forward(15)
    take(store, clock, a=usable(clock, 1))
    store.expire()

    assert names(store) == []


def test_a_pod_with_one_repeated_sample_is_served_with_its_time(store: Store, clock: HandClock) -> None:
    store.set_pod(pod_info("web", "a", "b"))
    slow = usable(clock, 2)
    take(store, clock, a=usable(clock, 1), b=slow)
    clock.forward(15)
    take(store, clock, a=sample(clock.now() - 5, 115 * SECOND), b=slow)

    assert served(store) == [("a", SECOND), ("b", 2)]
    row = store.pod("shop", "web")
    assert row is not None
    assert (row.usage.time, row.usage.window) == (slow.time, 20.0)


def test_a_served_time_does_not_go_back_for_a_container_that_comes_with_an_older_one(
    store: Store, clock: HandClock
) -> None:
    store.set_pod(pod_info("web", "a"))
    take(store, clock, a=usable(clock, 1))
    take(store, clock, a=usable(clock, 1), e=usable(clock, 2, age=9))
    assert served(store) == [("a", 1)]
    clock.forward(15)
    take(store, clock, a=sample(clock.now() - 5, 115 * SECOND), e=sample(clock.now() - 9, 130 * SECOND))

    assert served(store) == [("a", SECOND), ("e", 2 * SECOND)]


def test_what_must_be_served_may_change(store: Store, clock: HandClock) -> None:
    store.set_pod(pod_info("web", "a", "b"))
    take(store, clock, a=usable(clock, 1), i=usable(clock, 9))
    assert served(store) == []
    store.set_pod(pod_info("web", "a", finished=("i",)))

    assert served(store) == [("a", 1)]


def test_a_dead_ephemeral_container_holds_a_pod_back_no_longer_than_its_sample_is_good(
    store: Store, clock: HandClock
) -> None:
    store.set_pod(pod_info("web", "a"))
    dead = usable(clock, 2)
    for turn in range(12):
        take(store, clock, a=sample(clock.now() - 5, (100 + turn) * SECOND, rate=5), e=dead)
        assert served(store)[0][0] == "a"
        for _ in range(15):
            clock.forward(1)
            store.expire()
            assert served(store), f"nothing is served {turn} scrapes later"

    assert [name for name, _ in served(store)] == ["a"]


def test_a_container_that_ends_is_no_longer_waited_for_when_status_lists_none(store: Store, clock: HandClock) -> None:
    store.set_pod(pod_info("web"))
    take(store, clock, a=usable(clock), b=usable(clock))
    clock.forward(15)
    take(store, clock, a=sample(clock.now() - 5, 115 * SECOND))

    assert served(store) == [("a", SECOND)]


def test_histories_are_kept_of_what_is_reported_or_required_and_no_more(clock: HandClock) -> None:
    state = Node(node_info(), selected=True)
    terms = terms_of(state, scrape(clock), monotonic=clock.monotonic(), period=15, max_age=90)
    pod, pool, lacks = PodHistory(), NamePool(), Counter[int]()
    for number in range(20):
        containers = {"b": usable(clock), f"debugger-{number}": usable(clock)}
        if number == 0:
            containers["a"] = usable(clock)
        observe(pod, containers, terms, required=("a", "b"), pool=pool, lacks=lacks)

    assert pod.names == ("a", "b", "debugger-19")
    assert len(unpack(pod.packed)) == 3
    assert lacks == {Lack.ABSENT: 19}


def test_name_lists_are_shared_and_the_pool_stays_small() -> None:
    pool = NamePool()
    kept = pool.share(tuple("ab"))
    assert pool.share(tuple("ab")) is kept

    long = tuple(str(number) for number in range(200))
    assert pool.share(long) is long
    for number in range(10_000):
        pool.share((str(number),))
    assert pool.share(("a", "b")) is not kept, "the pool has started over"
