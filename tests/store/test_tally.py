"""Counting what should be served and what is."""

from __future__ import annotations

import pytest

from metrics_api.store.store import Store
from metrics_api.store.tally import RowTally, Tally
from tests.store.builders import HandClock, node_info, pod_info, record, web


def tally(store: Store) -> Tally:
    found = store.new_tally()
    for name in store.selected_nodes():
        store.count(name, found)
    return found


def counts(rows: RowTally) -> tuple[int, int, int, int]:
    return rows.expected, rows.served, rows.stale, rows.points


def test_what_has_no_usage_is_expected_and_not_served(store: Store) -> None:
    store.set_pod(pod_info())
    assert counts(tally(store).nodes) == (1, 0, 0, 0)
    assert counts(tally(store).pods) == (1, 0, 0, 0)


def test_what_is_served_counts_with_its_age(store: Store, clock: HandClock) -> None:
    store.set_pod(pod_info())
    record(store, clock)
    clock.forward(15)
    record(store, clock)
    found = tally(store)
    assert counts(found.nodes) == (1, 1, 0, 1)
    assert counts(found.pods) == (1, 1, 0, 1)
    assert found.pods.age(0.5) == pytest.approx(6, abs=1)


def test_what_is_old_is_stale(store: Store, clock: HandClock) -> None:
    store.set_pod(pod_info())
    record(store, clock)
    clock.forward(70)
    assert tally(store).pods.stale == 1
    assert tally(store).pods.age(1.0) == pytest.approx(76, abs=1)


def test_pods_of_a_node_that_is_not_selected_are_not_expected(store: Store) -> None:
    store.set_node(node_info("node-b"), selected=False)
    store.set_pod(pod_info(node_name="node-b"))
    assert counts(tally(store).pods) == (0, 0, 0, 0)
    assert store.selected_nodes() == ["node-a"]


def test_a_static_pod_counts_once(store: Store, clock: HandClock) -> None:
    store.set_pod(pod_info(static_uids=("hash-1", "hash-2")))
    record(store, clock, web(clock, uid="hash-1"))
    assert tally(store).pods.expected == 1


def test_a_node_that_went_meanwhile_counts_nothing(store: Store) -> None:
    found = store.new_tally()
    store.remove_node("node-a")
    store.count("node-a", found)
    assert counts(found.nodes) == (0, 0, 0, 0)
