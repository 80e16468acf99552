"""Every change of a row is numbered and told to those who follow; comings and goings are remembered for a while."""

from __future__ import annotations

import pytest

from metrics_api.model import Change
from metrics_api.store.changes import Changes
from metrics_api.store.store import Store
from tests.store.builders import MAX_AGE, PERIOD, HandClock, new_store, node_info, pod_info, record, web

FIRST = 1000


class Noting:
    """Keeps what it is told: version, name, and whether the row was there before and after."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, str, bool, bool]] = []

    def changed(self, change: Change) -> None:
        row = change.after or change.before
        assert row is not None
        self.seen.append((change.version, row.name, change.before is not None, change.after is not None))


@pytest.fixture
def changes() -> Changes:
    return Changes(FIRST, kept=4)


@pytest.fixture
def store(clock: HandClock, changes: Changes) -> Store:
    store = Store(clock, resolution=PERIOD, max_age=MAX_AGE, changes=changes)
    store.set_node(node_info())
    store.set_pod(pod_info("web", "app"))
    return store


def follow(changes: Changes, scope: str | None) -> Noting:
    noting = Noting()
    changes.follow(scope, noting)
    return noting


def test_every_change_of_a_row_has_the_next_number(store: Store, changes: Changes, clock: HandClock) -> None:
    record(store, clock)
    assert [row.version for row in (*store.nodes(), *store.pods(None))] == [FIRST + 1, FIRST + 2]
    clock.forward(15)
    record(store, clock)
    assert [row.version for row in (*store.nodes(), *store.pods(None))] == [FIRST + 3, FIRST + 4]
    assert changes.version == FIRST + 4


def test_followers_are_told_of_their_rows_only(store: Store, changes: Changes, clock: HandClock) -> None:
    nodes, shop, other, everywhere = (follow(changes, scope) for scope in ("", "shop", "other", None))
    record(store, clock)
    clock.forward(15)
    record(store, clock)
    store.remove_pod(pod_info("web").key)
    assert nodes.seen == [(FIRST + 1, "node-a", False, True), (FIRST + 3, "node-a", True, True)]
    assert shop.seen == everywhere.seen
    assert shop.seen == [
        (FIRST + 2, "web", False, True),
        (FIRST + 4, "web", True, True),
        (FIRST + 5, "web", True, False),
    ]
    assert other.seen == []


def test_who_follows_no_more_is_told_nothing(store: Store, changes: Changes, clock: HandClock) -> None:
    first, second = follow(changes, "shop"), follow(changes, "shop")
    changes.unfollow("shop", first)
    record(store, clock)
    changes.unfollow("shop", second)
    clock.forward(15)
    record(store, clock)
    assert (first.seen, len(second.seen)) == ([], 1)


def test_new_labels_are_a_change_from_the_old_ones(store: Store, changes: Changes, clock: HandClock) -> None:
    record(store, clock)
    version = changes.version
    store.set_pod(pod_info("web", "app", labels={"app": "db"}))
    found = changes.since(version, "shop")
    assert found is not None
    (change,) = found
    row = store.pod("shop", "web")
    assert change.before is not None
    assert row is not None
    assert change.after is row
    assert (change.before.labels, row.labels) == ({"app": "web"}, {"app": "db"})
    assert b'"web"}' in change.before.item
    assert change.version == version + 1


def test_what_came_and_went_is_known_by_scope(store: Store, changes: Changes, clock: HandClock) -> None:
    record(store, clock)
    store.remove_pod(pod_info("web").key)

    def known(version: int, scope: str | None) -> list[tuple[int, bool]] | None:
        found = changes.since(version, scope)
        return None if found is None else [(each.version, each.after is None) for each in found]

    assert known(FIRST, "") == [(FIRST + 1, False)]
    assert known(FIRST, "shop") == known(FIRST, None) == [(FIRST + 2, False), (FIRST + 3, True)]
    assert known(FIRST + 2, "shop") == [(FIRST + 3, True)]
    assert known(FIRST + 3, "shop") == known(FIRST, "other") == []


def test_a_number_that_is_too_old_or_of_another_process_is_not_known(
    store: Store, changes: Changes, clock: HandClock
) -> None:
    record(store, clock)
    for name in ("a", "b", "c"):
        store.set_pod(pod_info(name, "app"))
        record(store, clock, web(clock, name), web(clock))
    # Five came, one more than are kept.
    assert changes.since(FIRST, None) is None
    assert changes.since(FIRST + 1, None) is not None
    assert changes.since(changes.version, None) == []
    assert changes.since(changes.version + 1, None) is None


def test_processes_count_in_places_of_their_own() -> None:
    firsts = [Changes().version for _ in range(200)]
    assert len(set(firsts)) == 200
    assert {len(str(first)) for first in firsts} == {19}
    assert max(firsts) < 2**63
    assert min(abs(a - b) for a, b in zip(sorted(firsts), sorted(firsts)[1:], strict=False)) >= 2**32


def test_rows_have_no_number_when_nobody_may_watch(clock: HandClock) -> None:
    store = new_store(clock)
    record(store, clock)
    assert [row.version for row in store.nodes()] == [0]
