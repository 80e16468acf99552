from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_api.telemetry.distribution import Distribution, exponential_bounds, go_float


def test_a_value_counts_in_every_bucket_that_is_not_below_it() -> None:
    distribution = Distribution((1.0, 2.5, 15.0))
    for value in (0.5, 1.0, 2.0, 100.0):
        distribution.observe(value)

    assert distribution.buckets() == [("1", 2.0), ("2.5", 3.0), ("15", 3.0), ("+Inf", 4.0)]
    assert distribution.total == 103.5


def test_many_equal_values_are_counted_at_once() -> None:
    distribution = Distribution((1.0,))
    distribution.observe(0.5, 1000)
    assert (distribution.count, distribution.total) == (1000, 500.0)


@pytest.mark.parametrize(("value", "text"), [(0.005, "0.005"), (15.0, "15"), (12.5, "12.5"), (1.364, "1.364")])
def test_bounds_are_written_as_go_writes_them(value: float, text: str) -> None:
    assert go_float(value) == text


def test_the_bounds_of_freshness_end_where_metrics_servers_do() -> None:
    bounds = exponential_bounds(1.0, 1.364, 20)
    assert len(bounds) == 20
    assert bounds[0] == 1.0
    assert bounds[-1] == pytest.approx(364.3, abs=0.1)


@given(st.lists(st.floats(min_value=0, max_value=100), min_size=1), st.sampled_from([0.5, 0.99, 1.0]))
def test_a_quantile_is_a_bound_that_this_part_of_the_values_does_not_exceed(values: list[float], part: float) -> None:
    distribution = Distribution((1.0, 10.0, 50.0, 100.0))
    for value in values:
        distribution.observe(value)
    assert sum(value <= distribution.quantile(part) for value in values) >= part * len(values)


def test_the_quantile_of_nothing_is_zero() -> None:
    assert Distribution().quantile(0.5) == 0.0
