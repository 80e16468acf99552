from __future__ import annotations

from collections.abc import Sequence

from metrics_api.api.requestinfo import parse_request
from metrics_api.api.resources import Resources, resource_of
from metrics_api.model import Row
from tests.api.views import V1, FakeView, make_row
from tests.fakes import FakeClock


async def test_a_selection_over_several_slices_is_the_one_over_all() -> None:
    rows = [make_row("a", f"p{index:05}", {"odd": str(index % 2)}) for index in range(4001)]
    found = await _find(Resources(FakeView(pods=rows), FakeClock()), "/pods", b"labelSelector=odd=0")
    assert list(found) == rows[::2]
    found = await _find(Resources(FakeView(pods=rows), FakeClock()), "/namespaces/a/pods", b"labelSelector=odd=1")
    assert list(found) == rows[1::2]


async def _find(resources: Resources, path: str, query: bytes) -> Sequence[Row]:
    request = parse_request("GET", V1 + path, query)
    return (await resources.find(resource_of("GET", request), request, query)).rows


class _StableView(FakeView):
    """Returns the same sequence until ``pods_of`` gets another, as the store does."""

    def __init__(self, **pods_of: Sequence[Row]) -> None:
        super().__init__()
        self.pods_of = pods_of

    def pods(self, namespace: str | None) -> Sequence[Row]:
        return self.pods_of["all" if namespace is None else namespace]


async def test_a_selection_is_kept_while_the_namespace_is_the_same() -> None:
    view = _StableView(a=[make_row("a", "p1", {"app": "web"}), make_row("a", "p2", {})], b=[], all=[])
    resources = Resources(view, FakeClock())
    query = b"labelSelector=app=web"
    first = await _find(resources, "/namespaces/a/pods", query)
    assert await _find(resources, "/namespaces/a/pods", query) is first
    assert not await _find(resources, "/namespaces/b/pods", query)
    assert not await _find(resources, "/pods", query)
    assert await _find(resources, "/namespaces/a/pods", query) is first


async def test_a_selection_is_made_anew_when_the_namespace_has_changed() -> None:
    view = _StableView(a=[make_row("a", "p1", {"app": "web"})])
    resources = Resources(view, FakeClock())
    query = b"labelSelector=app=web"
    await _find(resources, "/namespaces/a/pods", query)
    view.pods_of = {"a": [make_row("a", "p1", {"app": "db"}), make_row("a", "p2", {"app": "web"})]}
    assert [row.name for row in await _find(resources, "/namespaces/a/pods", query)] == ["p2"]
    view.pods_of = {"a": []}
    assert await _find(resources, "/namespaces/a/pods", query) == []


async def test_no_more_selections_are_kept_than_a_thousand() -> None:
    resources = Resources(_StableView(a=[make_row("a", "p1", {})]), FakeClock())
    first = await _find(resources, "/namespaces/a/pods", b"labelSelector=!x")
    for number in range(1024):
        await _find(resources, "/namespaces/a/pods", b"labelSelector=x%d" % number)
    assert await _find(resources, "/namespaces/a/pods", b"labelSelector=!x") is not first
    very_long = b"labelSelector=!x&y=" + b"z" * 2048
    kept = await _find(resources, "/namespaces/a/pods", very_long)
    assert await _find(resources, "/namespaces/a/pods", very_long) is not kept
