"""One replica's store hands over to another's: both then serve the same, now and after the next scrape."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from metrics_api.handover import Counter, NodeHandover, PodHandover, Served
from metrics_api.model import Row
from metrics_api.store.store import Store
from tests.store.builders import (
    MAX_AGE,
    SECOND,
    START,
    HandClock,
    new_store,
    node_info,
    pod_info,
    pod_of,
    pod_sample,
    sample,
    scrape,
)

NODE = "node-a"


def offered(store: Store) -> NodeHandover:
    """Return what the store hands over, as the other side decodes it."""
    given = store.hand_over(NODE)
    assert given is not None
    return msgspec.msgpack.decode(msgspec.msgpack.encode(given), type=NodeHandover)


def moved(given: NodeHandover, seconds: float) -> NodeHandover:
    """Return the handover with all its times set forward."""

    def later(counter: Counter) -> Counter:
        return msgspec.structs.replace(counter, time=counter.time + seconds, prev_time=counter.prev_time + seconds)

    pods = tuple(
        msgspec.structs.replace(pod, counters=tuple(later(counter) for counter in pod.counters)) for pod in given.pods
    )
    return msgspec.structs.replace(given, clock=given.clock + seconds, counter=later(given.counter), pods=pods)


def served(store: Store) -> list[tuple[Any, ...]]:
    """Return all rows but for the time of their encoding."""
    rows: list[Row] = [*store.nodes(), *store.pods(None)]
    return [(row.namespace, row.name, row.labels, row.usage) for row in rows]


def say(store: Store, clock: HandClock, total: int, *, rate: int | None = None, idle: int | None = None) -> None:
    """Take in a scrape of the node and two pods; the second has no rate of the kubelet's when it is idle."""
    at = clock.now() - 3
    store.record(
        node_info(),
        scrape(
            clock,
            pod_sample(app=sample(at, total, rate, memory=5000), log=sample(at, total // 2, rate, memory=100)),
            pod_sample("idle", app=sample(at - 2, idle or total // 10, None)),
            node=sample(at, 8 * total, rate),
            date=math.floor(clock.now()),
        ),
    )


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def known(clock: HandClock) -> Store:
    store = new_store(clock)
    store.set_pod(pod_info("web", "app", "log"))
    store.set_pod(pod_info("idle", "app", static_uids=("hash",)))
    return store


@pytest.fixture
def giver(clock: HandClock) -> Store:
    store = known(clock)
    say(store, clock, 100 * SECOND, rate=40_000_000)
    clock.forward(15)
    say(store, clock, 101 * SECOND, rate=70_000_000)
    assert len(served(store)) == 3
    return store


@pytest.fixture
def taker(clock: HandClock) -> Store:
    return known(clock)


def test_the_other_replica_serves_the_same_at_once(giver: Store, taker: Store) -> None:
    taker.take_over(offered(giver), delay=0)

    assert served(taker) == served(giver)


def test_after_the_next_scrape_both_serve_the_same_although_one_has_seen_one(
    giver: Store, taker: Store, clock: HandClock
) -> None:
    taker.take_over(offered(giver), delay=0)
    clock.forward(15)
    for store in (giver, taker):
        say(store, clock, 103 * SECOND)  # no rate: only the counter of the scrape before leads to a usage

    assert served(taker) == served(giver)
    assert taker.pods(None)[0].usage.time == clock.now() - 5


def test_what_is_taken_over_gets_too_old_when_it_does_at_the_giver(
    giver: Store, taker: Store, clock: HandClock
) -> None:
    taker.take_over(offered(giver), delay=0)
    counts = []
    for _ in range(int(MAX_AGE)):
        clock.forward(1)
        giver.expire()
        taker.expire()
        counts.append((len(served(giver)), len(served(taker))))

    assert all(ours == theirs for ours, theirs in counts)
    assert counts[0] == (3, 3)
    assert counts[-1] == (0, 0)


def test_the_time_on_the_way_counts_as_age(giver: Store, taker: Store) -> None:
    taker.take_over(offered(giver), delay=MAX_AGE)

    assert served(taker) == []


@pytest.mark.parametrize("ahead", [-40.0, 40.0])
def test_the_clocks_of_the_replicas_need_not_agree_to_the_minute(giver: Store, clock: HandClock, ahead: float) -> None:
    elsewhere = HandClock(clock.now() + ahead - 77)
    elsewhere.forward(77)
    taker = known(elsewhere)
    taker.take_over(offered(giver), delay=0)

    assert served(taker) == served(giver)


@pytest.mark.parametrize("ahead", [-3600.0, -61.0, 61.0, 86_400.0, 253_402_300_799.0 - 61 - START])
def test_no_clock_is_believed_that_is_not_near_ours(giver: Store, taker: Store, clock: HandClock, ahead: float) -> None:
    lie = moved(offered(giver), ahead)
    taker.take_over(lie, delay=0)
    assert served(taker) == []

    clock.forward(15)
    say(taker, clock, 103 * SECOND, rate=80_000_000)
    at = clock.now() - 3
    assert [(row.name, row.usage.time) for row in [*taker.nodes(), *taker.pods(None)]] == [(NODE, at), ("web", at)]


@pytest.mark.parametrize("still", [False, True], ids=["counters", "rows alone"])
def test_what_is_scraped_here_takes_the_place_of_what_lies_ahead_of_it(
    giver: Store, taker: Store, clock: HandClock, still: bool
) -> None:
    lie = moved(offered(giver), 50)
    if still:
        containers = (("app", 1, 1), ("log", 1, 1))
        row = Served(clock.now() + 50, 15_000, containers)
        pods = tuple(PodHandover(pod.uid, (), row) for pod in lie.pods)
        nothing = msgspec.structs.replace(lie.counter, window_ms=0)
        ours = Served(clock.now() + 50, 15_000, (("", 1, 1),))
        lie = msgspec.structs.replace(lie, pods=pods, counter=nothing, served=ours)
    taker.take_over(lie, delay=0)
    assert all(row.usage.time > clock.now() for row in [*taker.nodes(), *taker.pods(None)])
    assert len(served(taker)) == 3

    clock.forward(5)
    say(taker, clock, 102 * SECOND, rate=80_000_000, idle=9 * SECOND)
    at = clock.now() - 3
    assert [(row.name, row.usage.time) for row in [*taker.nodes(), *taker.pods(None)]] == [(NODE, at), ("web", at)]
    clock.forward(15)
    say(taker, clock, 103 * SECOND, rate=80_000_000, idle=10 * SECOND)
    assert [row.usage.time for row in taker.pods("shop")] == [clock.now() - 5, clock.now() - 3]


def test_an_old_sample_of_a_container_that_has_ended_does_not_shield_what_lies_ahead(
    giver: Store, taker: Store, clock: HandClock
) -> None:
    taker.take_over(moved(offered(giver), 50), delay=0)
    clock.forward(5)
    at = clock.now() - 3
    containers = {
        "app": sample(at, 102 * SECOND, 7),
        "log": sample(at, 51 * SECOND, 7),
        "init": sample(at - 1000, SECOND, 7),
    }
    taker.record(node_info(), scrape(clock, pod_of(containers)))

    row = taker.pod("shop", "web")
    assert row is not None
    assert row.usage.time == at


def test_a_sample_that_steps_back_a_little_does_not_belie_what_was_taken_over(
    giver: Store, taker: Store, clock: HandClock
) -> None:
    taker.take_over(moved(offered(giver), 3), delay=0)
    before = served(taker)
    say(taker, clock, 101 * SECOND)

    assert served(taker) == before


def test_a_row_that_outlives_a_restarted_container_is_handed_over_too(
    giver: Store, taker: Store, clock: HandClock
) -> None:
    clock.forward(15)
    at = clock.now() - 3
    restarted = pod_sample(app=sample(at, 5, start=at - 1), log=sample(at, 51 * SECOND))
    giver.record(node_info(), scrape(clock, restarted, node=sample(at, 9000 * SECOND)))
    before = giver.pod("shop", "web")
    assert before is not None
    assert before.usage.time == clock.now() - 18
    taker.take_over(offered(giver), delay=0)

    after = taker.pod("shop", "web")
    assert after is not None
    assert after.usage == before.usage


def test_what_was_learned_here_is_never_replaced(giver: Store, taker: Store, clock: HandClock) -> None:
    old = offered(giver)
    clock.forward(15)
    say(taker, clock, 103 * SECOND, rate=90_000_000)
    ours = served(taker)
    assert [name for _, name, *_ in ours] == [NODE, "web"]
    taker.take_over(old, delay=15)

    assert [row for row in served(taker) if row[1] != "idle"] == ours


def test_a_pod_whose_first_sample_here_gives_no_usage_is_served_by_the_peers(
    giver: Store, taker: Store, clock: HandClock
) -> None:
    old = offered(giver)
    clock.forward(2)
    say(taker, clock, 102 * SECOND, rate=70_000_000)
    assert taker.pod("shop", "idle") is None
    taker.take_over(old, delay=2)

    row, theirs = taker.pod("shop", "idle"), giver.pod("shop", "idle")
    assert row is not None
    assert theirs is not None
    assert row.usage == theirs.usage


def test_a_node_that_was_never_scraped_has_nothing_to_hand_over(taker: Store) -> None:
    assert taker.hand_over(NODE) is None
    assert taker.hand_over("nowhere") is None


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"name": "node-b"}, id="of an unknown node"),
        pytest.param({"uid": "another"}, id="of another node of that name"),
        pytest.param({"clock": math.nan}, id="without a time"),
        pytest.param({"clock": math.inf}, id="at no time"),
        pytest.param({"clock": 0.0}, id="of a node in 1970"),
        pytest.param({"clock": 9e9}, id="of a node that is ahead by centuries"),
    ],
)
def test_a_handover_changes_nothing(giver: Store, taker: Store, change: dict[str, Any]) -> None:
    taker.take_over(msgspec.structs.replace(offered(giver), **change), delay=0)

    assert served(taker) == []


def test_a_node_that_is_not_selected_takes_nothing_and_gives_nothing(giver: Store, taker: Store) -> None:
    taker.set_node(node_info(), selected=False)
    taker.take_over(offered(giver), delay=0)

    assert served(taker) == []
    giver.set_node(node_info(), selected=False)
    assert giver.hand_over(NODE) is None


@pytest.mark.parametrize(
    "change",
    [
        {"node_name": "node-b"},
        {"uid": "another-life"},
    ],
    ids=["is bound to another node", "has been replaced"],
)
def test_nothing_is_believed_of_a_pod_that(giver: Store, clock: HandClock, change: dict[str, str]) -> None:
    taker = new_store(clock)
    taker.set_node(node_info("node-b"))
    taker.set_pod(pod_info("web", "app", "log", **change))
    taker.take_over(offered(giver), delay=0)

    assert taker.pods(None) == []


def test_a_pods_other_uids_are_no_names_between_replicas(giver: Store, taker: Store) -> None:
    given = offered(giver)
    pods = tuple(msgspec.structs.replace(pod, uid="hash") for pod in given.pods)
    taker.take_over(msgspec.structs.replace(given, pods=pods), delay=0)

    assert [row.name for row in taker.pods(None)] == []


BROKEN: dict[str, dict[str, Any]] = {
    "from the future": {"time": 1_788_264_000.0 + 300},
    "too old": {"time": 1_788_264_000.0 - 200},
    "at no time": {"time": math.nan},
    "after an endless time": {"time": math.inf},
    "after itself": {"prev_time": 1_788_264_000.0 + 14},
    "more CPU than the node has": {"cpu": 5 * SECOND},
    "more memory than the node has": {"memory": 1 << 40},
    "usage over no time": {"window_ms": 0},
    "a lack that nobody knows": {"lack": 200},
    "a granularity that is none": {"step": math.nan},
    "a granularity beyond reason": {"prev_step": 1e6},
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_a_pod_is_not_served_when_one_of_its_counters_shows(giver: Store, taker: Store, change: dict[str, Any]) -> None:
    given = offered(giver)
    pods = tuple(
        msgspec.structs.replace(pod, counters=(msgspec.structs.replace(pod.counters[0], **change), *pod.counters[1:]))
        for pod in given.pods
    )
    counter = msgspec.structs.replace(given.counter, **change)
    taker.take_over(msgspec.structs.replace(given, pods=pods, counter=counter), delay=0)

    assert served(taker) == []


STILL: dict[str, Served] = {
    "from the future": Served(1_788_264_000.0 + 300, 15_000, (("app", 1, 1), ("log", 1, 1))),
    "too old": Served(1_788_264_000.0 - 200, 15_000, (("app", 1, 1), ("log", 1, 1))),
    "of half the containers": Served(1_788_264_000.0, 15_000, (("app", 1, 1),)),
    "of a container twice": Served(1_788_264_000.0, 15_000, (("app", 1, 1), ("app", 1, 1), ("log", 1, 1))),
    "of no container": Served(1_788_264_000.0, 15_000, ()),
    "over no time": Served(1_788_264_000.0, 0, (("app", 1, 1), ("log", 1, 1))),
    "beyond the node's cores": Served(1_788_264_000.0, 15_000, (("app", 5 * SECOND, 1), ("log", 1, 1))),
    "beyond the node's memory": Served(1_788_264_000.0, 15_000, (("app", 1, 1 << 40), ("log", 1, 1))),
}


@pytest.mark.parametrize("still", STILL.values(), ids=STILL)
def test_usage_that_is_still_served_is_not_believed(giver: Store, taker: Store, still: Served) -> None:
    given = offered(giver)
    pods = tuple(PodHandover(pod.uid, (), still) for pod in given.pods if pod.uid == "uid-of-web")
    taker.take_over(msgspec.structs.replace(given, pods=pods), delay=0)

    assert taker.pods(None) == []


@pytest.mark.parametrize("name", ["APP", "a" * 64, "app\n", "ä", "-app", "a.b"])
def test_a_container_whose_name_cannot_be_is_no_document(giver: Store, name: str) -> None:
    given = offered(giver)
    counter: Counter = msgspec.structs.replace(given.counter, name=name)

    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(msgspec.msgpack.encode(counter), type=Counter)


def test_a_field_that_a_later_version_adds_is_passed_over(giver: Store, taker: Store) -> None:
    given = msgspec.msgpack.decode(msgspec.msgpack.encode(offered(giver)))
    later = msgspec.msgpack.encode([*given, "something new"])
    taker.take_over(msgspec.msgpack.decode(later, type=NodeHandover), delay=0)

    assert served(taker) == served(giver)
