from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from metrics_api.scraper.deadline import Deadline

FLOOR, CEILING = 10.0, 30.0


def test_a_quick_node_has_the_floor() -> None:
    deadline = Deadline(FLOOR, CEILING)
    for _ in range(5):
        deadline.answered(0.05)
    assert deadline.seconds == FLOOR


def test_a_slow_answer_raises_the_deadline_at_once() -> None:
    deadline = Deadline(FLOOR, CEILING)
    deadline.answered(8.0)
    assert deadline.seconds == 16.0


def test_each_timeout_doubles_it_and_after_the_ceiling_it_begins_again() -> None:
    deadline = Deadline(FLOOR, CEILING)
    given_ = []
    for _ in range(5):
        given_.append(deadline.seconds)
        deadline.timed_out(deadline.seconds)
    assert given_ == [10, 20, 30, 10, 20]


def test_a_connection_that_never_came_about_earns_no_more_time() -> None:
    deadline = Deadline(FLOOR, CEILING)
    deadline.timed_out(3.0)
    assert deadline.seconds == FLOOR


def test_an_answer_that_needed_the_ceiling_keeps_it() -> None:
    deadline = Deadline(FLOOR, CEILING)
    deadline.timed_out(10.0)
    deadline.timed_out(20.0)
    deadline.answered(28.0)
    assert deadline.seconds == CEILING


def test_a_floor_above_two_periods_is_kept() -> None:
    deadline = Deadline(40.0, CEILING)
    deadline.timed_out(40.0)
    assert deadline.seconds == 40.0


@given(st.lists(st.tuples(st.booleans(), st.floats(min_value=0, max_value=1000))))
def test_it_never_leaves_its_bounds(history: list[tuple[bool, float]]) -> None:
    deadline = Deadline(FLOOR, CEILING)
    for answered, took in history:
        (deadline.answered if answered else deadline.timed_out)(took)
        assert FLOOR <= deadline.seconds <= CEILING
