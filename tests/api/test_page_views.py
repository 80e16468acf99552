"""Which rows are kept for the next pages, and what a page costs."""

from __future__ import annotations

from typing import Any

from metrics_api.api.continuetoken import ContinueToken, decode_token
from metrics_api.api.group import NODES
from metrics_api.api.pages import Pages, Scope
from metrics_api.model import Row
from metrics_api.selectors import FieldSelector, LabelSelector
from tests.api.views import make_row
from tests.fakes import FakeClock

_SCOPE = Scope(NODES, "", LabelSelector(), FieldSelector())


def _first_token(pages: Pages, rows: list[Row]) -> ContinueToken:
    meta = pages.cut(rows, None, 1, _SCOPE).meta
    assert meta is not None
    return decode_token(meta.continue_token)


def test_all_who_page_through_the_same_rows_share_a_view() -> None:
    pages = Pages(FakeClock())
    rows = [make_row("", name, {}) for name in "abc"]
    first, second = _first_token(pages, rows), _first_token(pages, rows)
    assert first.view == second.view
    assert pages.kept(first, _SCOPE) is rows


def test_only_so_many_views_are_kept_and_the_oldest_go() -> None:
    pages = Pages(FakeClock())
    tokens = [_first_token(pages, [make_row("", name, {}) for name in "ab"]) for _ in range(65)]
    assert [pages.kept(token, _SCOPE) is None for token in tokens] == [True] + [False] * 64


def test_only_so_many_rows_are_kept_and_the_oldest_go() -> None:
    pages = Pages(FakeClock())
    row = make_row("", "n", {})
    small, large, larger = (_first_token(pages, [row] * size) for size in (2, 300_000, 300_000))
    kept = [pages.kept(token, _SCOPE) is not None for token in (small, large, larger)]
    assert kept == [False, False, True]
    assert pages.kept(_first_token(pages, [row] * 600_000), _SCOPE) is None


class _Looked(list[Row]):
    """Counts how many single rows are looked at."""

    looks = 0

    def __getitem__(self, index: Any) -> Any:
        self.looks += isinstance(index, int)
        return super().__getitem__(index)


def test_a_page_is_found_without_going_through_the_rows() -> None:
    pages = Pages(FakeClock())
    rows = _Looked([make_row("a", f"p{index:05}", {}) for index in range(4096)])
    token = ContinueToken("", 0, "a", "p03000")
    page = pages.cut(rows, token, 10, _SCOPE)
    assert page.rows[0].name == "p03001"
    assert rows.looks <= 13
