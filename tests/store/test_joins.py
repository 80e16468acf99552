"""Which pods a node speaks of, when others know of them sooner or later."""

import pytest

from metrics_api.model import PodKey
from metrics_api.store.store import Store
from tests.store.builders import SECOND, HandClock, names, node_info, pod_info, pod_sample, record, sample, scrape, web


def test_a_pod_that_the_api_server_tells_us_of_late_is_served_as_soon_as_it_does(
    store: Store, clock: HandClock
) -> None:
    record(store, clock)
    assert not store.knows_pod("shop", "web")
    clock.forward(3)
    store.set_pod(pod_info("web", "app"))

    assert names(store) == ["web"]


def test_a_late_pod_of_a_kubelet_without_uids_is_found_by_name(store: Store, clock: HandClock) -> None:
    record(store, clock, web(clock, uid=None))
    store.set_pod(pod_info("web", "app"))

    assert names(store) == ["web"]


def test_a_late_static_pod_is_found_by_the_hash_of_its_configuration(store: Store, clock: HandClock) -> None:
    record(store, clock, web(clock, uid="hash"))
    store.set_pod(pod_info("web", "app", uid="mirror", static_uids=("other", "hash")))

    assert names(store) == ["web"]


def test_a_late_pod_goes_on_from_what_was_said_before(store: Store, clock: HandClock) -> None:
    store.record(node_info(), scrape(clock, pod_sample(app=sample(clock.now() - 5, 100 * SECOND))))
    clock.forward(15)
    store.set_pod(pod_info("web", "app"))
    store.record(node_info(), scrape(clock, pod_sample(app=sample(clock.now() - 5, 103 * SECOND))))

    row = store.pod("shop", "web")
    assert row is not None
    assert (row.usage.containers[0].cpu, row.usage.window) == (200_000_000, 15)


def test_an_unknown_pod_is_forgotten_when_the_kubelet_no_longer_mentions_it(store: Store, clock: HandClock) -> None:
    record(store, clock)
    record(store, clock, web(clock, "other"))
    store.set_pod(pod_info("web", "app"))

    assert not store.pods(None)


def test_unknown_pods_are_kept_up_to_a_limit(store: Store, clock: HandClock) -> None:
    record(store, clock, *[web(clock, f"web-{number}") for number in range(1500)])
    for number in range(1500):
        store.set_pod(pod_info(f"web-{number}", "app"))

    assert store.served_pods == 1000


def test_a_node_that_claims_another_nodes_pod_changes_nothing(store: Store, clock: HandClock) -> None:
    store.set_node(node_info("node-b"))
    store.set_pod(pod_info("web", "app"))
    for uid in ("", None):
        record(store, clock, web(clock, uid=uid, rate=4), node="node-b")
        assert not store.pods(None)
    record(store, clock)
    row = store.pod("shop", "web")
    assert row is not None
    before = row.item
    clock.forward(1)
    for uid in ("", None):
        record(store, clock, web(clock, uid=uid, rate=4), node="node-b")

    assert row.item == before


def test_a_sample_of_another_life_of_the_pods_name_changes_nothing(store: Store, clock: HandClock) -> None:
    store.set_pod(pod_info("web", "app"))
    record(store, clock, web(clock, uid="another"))

    assert not store.pods(None)


def test_a_pod_with_a_new_uid_begins_anew(store: Store, clock: HandClock) -> None:
    store.set_pod(pod_info("web", "app"))
    record(store, clock)
    store.set_pod(pod_info("web", "app", uid="second"))
    assert store.knows_pod("shop", "web")
    assert store.pod("shop", "web") is None
    clock.forward(15)
    store.record(node_info(), scrape(clock, web(clock), pod_sample(uid="second", app=sample(clock.now() - 5))))
    assert store.pod("shop", "web") is None, "there is no rate, and no first sample of this life"

    clock.forward(15)
    late = sample(clock.now() - 5, 130 * SECOND)
    store.record(node_info(), scrape(clock, web(clock), pod_sample(uid="second", app=late)))
    row = store.pod("shop", "web")
    assert row is not None
    assert row.usage.containers[0].cpu == 2 * SECOND


def test_a_pod_with_a_new_uid_is_served_by_what_its_kubelet_said_already(store: Store, clock: HandClock) -> None:
    store.set_pod(pod_info("web", "app"))
    record(store, clock, web(clock), web(clock, uid="second", rate=9))
    store.set_pod(pod_info("web", "app", uid="second"))

    row = store.pod("shop", "web")
    assert row is not None
    assert row.usage.containers[0].cpu == 9


def test_without_uids_a_restart_under_the_same_name_is_seen_by_its_start(store: Store, clock: HandClock) -> None:
    store.set_pod(pod_info("web", "app"))
    first = sample(clock.now() - 5, 100 * SECOND, start=clock.now() - 900)
    store.record(node_info(), scrape(clock, pod_sample(uid=None, app=first), step=0.001))
    store.set_pod(pod_info("web", "app", uid="second"))
    clock.forward(15)
    second = sample(clock.now() - 5, 101 * SECOND, start=clock.now() - 7)
    store.record(node_info(), scrape(clock, pod_sample(uid=None, app=second), step=0.001))

    assert store.pod("shop", "web") is None


@pytest.mark.parametrize("informed_first", [True, False], ids=["before its scrape", "after it"])
def test_without_uids_a_dead_namesake_is_not_taken_for_the_new_pod(
    store: Store, clock: HandClock, informed_first: bool
) -> None:
    born = clock.now() - 8
    dead = sample(clock.now() - 5, 100 * SECOND, rate=7, start=clock.now() - 900)
    store.set_pod(pod_info("web", "app"))
    store.remove_pod(PodKey("shop", "web"))
    if informed_first:
        store.set_pod(pod_info("web", "app", uid="second", started=born))
    store.record(node_info(), scrape(clock, pod_sample(uid=None, app=dead), step=0.001))
    store.set_pod(pod_info("web", "app", uid="second", started=born))
    assert store.pod("shop", "web") is None

    clock.forward(15)
    living = sample(clock.now() - 2, 3 * SECOND, rate=9, start=born + 1)
    store.record(node_info(), scrape(clock, pod_sample(uid=None, app=living), step=0.001))
    row = store.pod("shop", "web")
    assert row is not None
    assert row.usage.containers[0].cpu == 9


def test_a_stranger_last_seen_before_a_pod_started_is_not_its_past(store: Store, clock: HandClock) -> None:
    store.record(node_info(), scrape(clock, pod_sample(uid=None, app=sample(clock.now() - 20, rate=7)), step=0.001))
    store.set_pod(pod_info("web", "app", started=clock.now() - 10))

    assert store.pod("shop", "web") is None


def test_a_counter_stays_usable_when_the_endpoint_changes(store: Store, clock: HandClock) -> None:
    store.set_pod(pod_info("web", "app"))
    store.record(node_info(), scrape(clock, pod_sample(app=sample(clock.now() - 5, 100 * SECOND))))
    clock.forward(15)
    late = sample(clock.now() - 4.5, 103 * SECOND)
    store.record(node_info(), scrape(clock, pod_sample(uid=None, app=late), step=0.001))

    row = store.pod("shop", "web")
    assert row is not None
    assert (row.usage.containers[0].cpu, row.usage.window) == (int(3 * SECOND / 15.5), 15.5)


def test_a_pod_that_moves_to_another_node_is_no_longer_served_by_the_first(store: Store, clock: HandClock) -> None:
    store.set_node(node_info("node-b"))
    store.set_pod(pod_info("web", "app"))
    record(store, clock)
    store.set_pod(pod_info("web", "app", node_name="node-b"))
    assert not store.pods(None)
    record(store, clock)
    assert not store.pods(None)
    record(store, clock, node="node-b")

    assert names(store) == ["web"]


def test_a_pod_that_is_not_bound_yet_is_served_when_it_is(store: Store, clock: HandClock) -> None:
    store.set_pod(pod_info("web", "app", node_name=""))
    record(store, clock)
    assert not store.pods(None)
    store.set_pod(pod_info("web", "app"))

    assert names(store) == ["web"]


def test_the_uids_of_a_static_pod_may_change(store: Store, clock: HandClock) -> None:
    store.set_pod(pod_info("web", "app", static_uids=("old",)))
    store.set_pod(pod_info("web", "app", static_uids=("new",)))
    record(store, clock, web(clock, uid="old"))
    assert not store.pods(None)
    record(store, clock, web(clock, uid="new"))

    assert names(store) == ["web"]


def test_the_capacity_of_a_node_may_change(store: Store, clock: HandClock) -> None:
    store.set_pod(pod_info("web", "app"))
    record(store, clock, rate=8 * SECOND)
    assert not store.pods(None), "it has four cores"
    store.set_node(node_info(cpu_cores=64.0))
    clock.forward(15)
    used = 100 * SECOND + 8 * 15 * SECOND
    store.record(node_info(), scrape(clock, pod_sample(app=sample(clock.now() - 5, used, 8 * SECOND))))

    assert names(store) == ["web"]
