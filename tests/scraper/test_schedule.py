import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_api.scraper.schedule import phase, until_next_phase, until_retry

PERIOD = 15.0


def test_phases_of_many_nodes_fill_the_period_evenly() -> None:
    counts = [0] * 15
    for number in range(15_000):
        counts[int(phase(f"uid-{number}", PERIOD))] += 1

    assert min(counts) > 850
    assert max(counts) < 1150


def test_nodes_are_asked_in_groups_of_a_sixtieth() -> None:
    phases = {phase(f"uid-{number}", PERIOD) for number in range(1000)}

    assert phases == {number * PERIOD / 60 for number in range(60)}


def test_a_node_keeps_its_phase_whoever_computes_it() -> None:
    assert phase("6f1f9a0e-0001", PERIOD) == phase("6f1f9a0e-0001", PERIOD)


@given(st.text(), st.floats(min_value=1e9, max_value=2e9))
def test_the_next_turn_comes_at_the_nodes_phase_and_never_too_soon(uid: str, now: float) -> None:
    wait = until_next_phase(uid, PERIOD, now)

    assert PERIOD / 4 <= wait < PERIOD * 5 / 4
    distance = abs((now + wait) % PERIOD - phase(uid, PERIOD))
    assert min(distance, PERIOD - distance) < 1e-3


@pytest.mark.parametrize(
    ("failures", "age", "low", "high"),
    [
        pytest.param(1, None, 1, 2, id="a first failure is asked again at once"),
        pytest.param(2, None, 3.75, 4.5, id="a second after a quarter of a period"),
        pytest.param(3, None, 15, 18, id="a third after a period"),
        pytest.param(4, None, 30, 36, id="a fourth after two"),
        pytest.param(9, None, 60, 60, id="many at the ceiling"),
        pytest.param(9, 30.0, 15, 15, id="a young node never waits more than a period"),
        pytest.param(10_000, None, 60, 60, id="any number of them"),
    ],
)
@pytest.mark.parametrize("jitter", [0.0, 1.0])
def test_the_wait_after_failures(failures: int, age: float | None, low: float, high: float, jitter: float) -> None:
    assert low <= until_retry(failures, PERIOD, jitter=jitter, age=age) <= high


def test_the_ceiling_is_a_period_when_periods_are_long() -> None:
    assert until_retry(9, 120.0, jitter=1.0, age=None) == 120.0
