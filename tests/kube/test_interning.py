from __future__ import annotations

import pytest

from metrics_api.kube.interning import Interned


def test_equal_keys_get_the_same_value() -> None:
    table: Interned[str, list[str]] = Interned(lambda key: [key])

    assert table["a"] is table["a"]


def test_the_table_stays_bounded_and_keeps_what_is_in_use() -> None:
    table: Interned[int, list[int]] = Interned(lambda key: [key], size=10)
    kept = table[-1]
    for number in range(1000):
        table[number]
        assert table[-1] is kept
        assert len(table) <= 20


def test_what_cannot_be_made_is_not_kept() -> None:
    table: Interned[str, int] = Interned(int)
    with pytest.raises(ValueError, match="invalid literal"):
        table["x"]

    assert len(table) == 0
