"""Who is known and served, and in which order."""

import json

import pytest

from metrics_api.model import PodKey
from metrics_api.store.store import Store
from tests.store.builders import (
    SECOND,
    HandClock,
    names,
    new_store,
    node_info,
    pod_info,
    pod_sample,
    record,
    sample,
    scrape,
    web,
)


def test_a_scrape_is_visible_at_once(store: Store, clock: HandClock) -> None:
    store.set_pod(pod_info("web", "app"))
    record(store, clock)

    node, pod = store.node("node-a"), store.pod("shop", "web")
    assert node is not None
    assert pod is not None
    assert (node.usage.time, node.usage.window, node.usage.containers[0].cpu) == (clock.now() - 5, 10, 7)
    assert (pod.usage.time, pod.usage.window, pod.usage.containers[0].cpu) == (clock.now() - 5, 20, 7)
    assert (pod.namespace, pod.labels, pod.created) == ("shop", {"app": "web"}, clock.now())
    assert json.loads(pod.item)["containers"] == [{"name": "app", "usage": {"cpu": "7n", "memory": "4Ki"}}]
    assert json.loads(node.item)["usage"] == {"cpu": "7n", "memory": "4Ki"}
    assert (store.served_nodes, store.served_pods) == (1, 1)


def test_known_is_not_the_same_as_served(store: Store) -> None:
    store.set_pod(pod_info("web"))

    assert store.knows_node("node-a")
    assert store.knows_pod("shop", "web")
    assert store.node("node-a") is None
    assert store.pod("shop", "web") is None
    assert not store.nodes()
    assert not store.pods(None)
    assert (store.served_nodes, store.served_pods) == (0, 0)


def test_what_was_never_heard_of_is_neither(store: Store) -> None:
    assert not store.knows_node("node-x")
    assert not store.knows_pod("shop", "x")
    assert store.pod("nowhere", "x") is None
    assert not store.pods("nowhere")
    store.remove_node("node-x")
    store.remove_pod(PodKey("shop", "x"))


def test_a_row_follows_the_samples_in_place(store: Store, clock: HandClock) -> None:
    store.set_pod(pod_info("web", "app"))
    record(store, clock)
    row, rows = store.pod("shop", "web"), store.pods("shop")
    assert row is not None
    before = row.item
    row.protobuf = b"encoded elsewhere"
    clock.forward(15)
    record(store, clock, rate=9)

    assert store.pod("shop", "web") is row
    assert row.protobuf is None, "it goes with the item it was made beside"
    assert store.pods("shop") is rows
    assert row.item != before
    assert row.created == clock.now()
    assert json.loads(row.item)["metadata"]["creationTimestamp"] == "2026-09-01T12:00:15Z"


def test_a_scrape_that_repeats_its_samples_changes_nothing(store: Store, clock: HandClock) -> None:
    store.set_pod(pod_info("web", "app"))
    again = web(clock)
    record(store, clock, again)
    row = store.pod("shop", "web")
    assert row is not None
    before = row.item, row.created
    clock.forward(15)
    record(store, clock, again)

    assert (row.item, row.created) == before


# Which scrapes count


@pytest.mark.parametrize("change", ["unknown", "removed", "replaced", "unselected"])
def test_a_scrape_of_a_node_that_is_not_ours_any_more_is_ignored(clock: HandClock, change: str) -> None:
    store = new_store(clock)
    store.set_pod(pod_info("web", "app"))
    if change in ("unknown", "removed"):
        store.remove_node("node-a")
    else:
        store.set_node(
            node_info(uid="another" if change == "replaced" else "uid-of-node-a"), selected=change == "replaced"
        )
    record(store, clock)

    assert store.knows_node("node-a") is (change not in ("unknown", "removed"))
    assert store.node("node-a") is None
    assert store.pod("shop", "web") is None


def test_a_node_that_is_removed_is_forgotten_with_its_pods_rows(store: Store, clock: HandClock) -> None:
    store.set_pod(pod_info("web", "app"))
    record(store, clock)
    store.remove_node("node-a")

    assert not store.knows_node("node-a")
    assert store.knows_pod("shop", "web")
    assert not store.nodes()
    assert not store.pods(None)
    assert (store.served_nodes, store.served_pods) == (0, 0)


@pytest.mark.parametrize(
    "change", [{"uid": "another"}, {"selected": False}], ids=["its name is taken over", "it is unselected and selected"]
)
def test_a_node_begins_anew_when(store: Store, clock: HandClock, change: dict[str, str]) -> None:
    """A second sample without a rate is usage only where the first is remembered."""
    store.set_pod(pod_info("web", "app"))
    counted = node_info(uid=change.get("uid", "uid-of-node-a"))
    record(store, clock)
    if "selected" in change:
        store.set_node(node_info(), selected=False)
        assert store.knows_node("node-a")
        assert not store.nodes()
        assert not store.pods(None)
    store.set_node(counted)
    assert not store.pods(None)
    clock.forward(15)
    for turn, expected in enumerate(([], ["web"])):
        bare = sample(clock.now() - 5, (101 + turn) * SECOND)
        store.record(counted, scrape(clock, pod_sample(app=bare), node=bare))
        assert names(store) == expected
        assert len(store.nodes()) == len(expected)
        clock.forward(15)


def test_a_pod_is_forgotten_at_once(store: Store, clock: HandClock) -> None:
    store.set_pod(pod_info("web", "app"))
    record(store, clock)
    store.remove_pod(PodKey("shop", "web"))

    assert not store.knows_pod("shop", "web")
    assert store.pod("shop", "web") is None
    assert not store.pods("shop")
    assert store.served_pods == 0
