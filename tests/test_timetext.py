import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_api.timetext import format_duration, format_rfc3339, parse_duration, parse_rfc3339


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-09-01T12:00:00Z", 1788264000.0),
        ("2026-09-01T12:00:00.25Z", 1788264000.25),
        ("2026-09-01T14:00:00+02:00", 1788264000.0),
        ("1970-01-01T00:00:00Z", 0.0),
    ],
)
def test_a_time_is_read_as_unix_seconds(text: str, seconds: float) -> None:
    assert parse_rfc3339(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "now", "2026-09-01", "2026-09-01T12:00:00", "0001-01-01T00:00:00Z", "2026-13-01T00:00:00Z", "2" * 5000],
)
def test_what_is_no_time_in_reach_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_rfc3339(text)


@given(st.integers(min_value=0, max_value=253402300799))
def test_whole_seconds_read_back_the_same(second: int) -> None:
    assert parse_rfc3339(format_rfc3339(second)) == second


def test_the_fraction_of_a_second_is_cut_not_rounded() -> None:
    assert format_rfc3339(1788264000.999) == "2026-09-01T12:00:00Z"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.01, "10ms"),
        (0.999, "999ms"),
        (1, "1s"),
        (15.034, "15.034s"),
        (14.9, "14.9s"),
        (60, "1m0s"),
        (61.5, "1m1.5s"),
        (3600, "1h0m0s"),
        (7384.25, "2h3m4.25s"),
    ],
)
def test_a_duration_is_written_as_go_does(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("15s", 15), ("1m30s", 90), ("1.5h", 5400), ("-2s", -2), ("0", 0), ("100ms", 0.1), ("1h2m3s", 3723), (".5s", 0.5)],
)
def test_a_duration_is_read_as_go_does(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "abc", "1", "15", "1x", "s", "1s2", "--1s", "1 s"])
def test_what_is_no_duration_is_refused_in_gos_words(text: str) -> None:
    with pytest.raises(ValueError, match="time: "):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("abc", 'time: invalid duration "abc"'),
        ("15", 'time: missing unit in duration "15"'),
        ("1s2", 'time: missing unit in duration "1s2"'),
        ("1d", 'time: unknown unit "d" in duration "1d"'),
        ("1h2day", 'time: unknown unit "day" in duration "1h2day"'),
        ("9999999h", 'time: invalid duration "9999999h"'),
    ],
)
def test_what_is_wrong_with_a_duration_is_said_as_go_says_it(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=f"^{fault}$"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=10**10))
def test_durations_of_whole_milliseconds_read_back_the_same(total_ms: int) -> None:
    assert parse_duration(format_duration(total_ms / 1000)) == pytest.approx(total_ms / 1000)
