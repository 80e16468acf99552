from __future__ import annotations

from itertools import pairwise

import pytest

from metrics_api.localcluster.fleet.sampling import (
    IDLE,
    NODE,
    WORKING,
    Cadence,
    kubelet_instants,
    on_demand_instants,
)

ANCHOR = 1_767_225_600.25


def instants(cadence: Cadence, *, salt: int = 7, until: float = 20_000.0) -> list[float]:
    """Return every sample that is ever the latest one."""
    seen = {kubelet_instants(ANCHOR, salt, cadence, ANCHOR + second / 2).latest for second in range(int(2 * until))}
    return sorted(seen)


@pytest.mark.parametrize(
    ("cadence", "shortest", "longest"),
    [(WORKING, 10.0, 20.0), (IDLE, 15.0, 30.0), (NODE, 9.8, 10.2)],
    ids=["working", "idle", "node"],
)
def test_samples_are_as_far_apart_as_a_kubelet_s(cadence: Cadence, shortest: float, longest: float) -> None:
    gaps = [after - before for before, after in pairwise(instants(cadence))]

    assert shortest <= min(gaps)
    assert max(gaps) <= longest
    assert max(gaps) - min(gaps) > 0.5 * (longest - shortest)


def test_the_sample_before_is_what_was_the_latest_one_before() -> None:
    known = instants(WORKING, until=3000)

    for before, latest in pairwise(known):
        assert kubelet_instants(ANCHOR, 7, WORKING, latest) == (latest, before)


def test_no_sample_is_in_the_future_or_older_than_the_longest_spacing() -> None:
    ages = [
        ANCHOR + tenth / 10 - kubelet_instants(ANCHOR, 3, WORKING, ANCHOR + tenth / 10).latest
        for tenth in range(50_000)
    ]

    assert min(ages) >= 0
    assert max(ages) < 20


def test_the_first_sample_is_taken_at_once_and_has_none_before() -> None:
    assert kubelet_instants(ANCHOR, 3, WORKING, ANCHOR) == (ANCHOR, None)
    assert kubelet_instants(ANCHOR, 3, WORKING, ANCHOR + 9) == (ANCHOR, None)
    assert kubelet_instants(ANCHOR, 3, WORKING, ANCHOR + 18).previous == ANCHOR


def test_two_cgroups_are_sampled_at_different_moments() -> None:
    assert instants(WORKING, salt=1, until=500) != instants(WORKING, salt=2, until=500)


def test_on_demand_the_sample_is_of_now_and_the_rate_over_ten_seconds() -> None:
    assert on_demand_instants(ANCHOR, 1, WORKING, ANCHOR + 60) == (ANCHOR + 60, ANCHOR + 50)


def test_on_demand_the_rate_of_a_young_cgroup_is_since_its_start() -> None:
    assert on_demand_instants(ANCHOR, 1, WORKING, ANCHOR + 4) == (ANCHOR + 4, ANCHOR)
    assert on_demand_instants(ANCHOR, 1, WORKING, ANCHOR) == (ANCHOR, None)
