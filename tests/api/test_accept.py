from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_api.api.accept import MediaRange, parse_accept


@pytest.mark.parametrize(
    ("header", "clauses"),
    [
        pytest.param("", [("*/*", {})], id="none"),
        pytest.param("  ", [("*/*", {})], id="blank"),
        pytest.param("application/json", [("application/json", {})], id="one"),
        pytest.param(
            "application/vnd.kubernetes.protobuf, */*",
            [("application/vnd.kubernetes.protobuf", {}), ("*/*", {})],
            id="as-they-stand",
        ),
        pytest.param("a/a;q=0.1,b/b;q=0.9,c/c", [("c/c", {}), ("b/b", {}), ("a/a", {})], id="by-quality"),
        pytest.param("a/a;q=0,b/b", [("b/b", {})], id="refused"),
        pytest.param("a/a;q=-1,b/b,c/c;q=2", [("c/c", {}), ("b/b", {}), ("a/a", {})], id="quality-out-of-range"),
        pytest.param("a/a;q=x", [("a/a", {})], id="quality-is-no-number"),
        pytest.param("a/a;q=nan", [("a/a", {})], id="quality-is-nan"),
        pytest.param("A/B; As=Table ;V=v1;", [("a/b", {"as": "Table", "v": "v1"})], id="parameters"),
        pytest.param(",;a=b,a/a", [("a/a", {})], id="empty-clauses"),
    ],
)
def test_an_accept_header_is_read_in_the_order_of_wishes(
    header: str, clauses: list[tuple[str, dict[str, str]]]
) -> None:
    assert list(parse_accept(header)) == [MediaRange(*clause) for clause in clauses]


def test_only_the_first_4096_characters_of_a_header_are_read() -> None:
    assert len(parse_accept("a/a," * 2000)) == 1024


@pytest.mark.parametrize(
    ("media_range", "media_type", "included"),
    [
        ("*/*", "a/b", True),
        ("a/*", "a/b", True),
        ("a/*", "b/b", False),
        ("a/b", "a/b", True),
        ("a/b", "a/c", False),
        ("*", "a/b", False),
    ],
)
def test_wildcards_include(media_range: str, media_type: str, included: bool) -> None:
    assert MediaRange(media_range, {}).includes(media_type) is included


@given(st.text())
def test_any_header_can_be_read(header: str) -> None:
    for clause in parse_accept(header):
        assert clause.media_type
