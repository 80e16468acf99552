"""Which answers are current and which are shared, and which are compressed, through the whole application."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest

from metrics_api.api.app import MetricsAPI
from metrics_api.api.body import GZIP_ABOVE_BYTES
from metrics_api.model import Row
from tests.api.protobuf import decode_object
from tests.api.views import V1, V1BETA1, FakeView, connect, make_api, make_row
from tests.fakes import FakeClock

_PB = "application/vnd.kubernetes.protobuf"
_FORMATS = [
    "application/json",
    "application/yaml",
    _PB,
    "application/json;as=Table;v=v1;g=meta.k8s.io",
    f"{_PB};as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
]


class _World:
    """An application over 300 nodes and 300 pods in each of two namespaces; its rows can change."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        nodes = [make_row("", f"n{index:03}", {}) for index in range(300)]
        pods = [make_row(place, f"p{index:03}", {"app": "web"}) for place in "ab" for index in range(300)]
        few = [make_row("few", f"p{index:03}", {}) for index in range(256)]
        self.api: MetricsAPI = make_api(FakeView(nodes, [*pods, *few]), clock=self.clock)
        self.rows = {f"{row.namespace}/{row.name}": row for row in (*nodes, *pods, *few)}

    def change(self, row: Row) -> None:
        """Do what the store does with new usage; the name shows what was changed."""
        changed = make_row(row.namespace, row.name, {"app": "web", "changed": "yes"})
        row.labels, row.usage, row.item, row.protobuf = changed.labels, changed.usage, changed.item, None


@pytest.fixture
async def world() -> AsyncIterator[_World]:
    world = _World()
    yield world
    await world.clock.advance(10)


@pytest.fixture
async def client(world: _World) -> AsyncIterator[httpx.AsyncClient]:
    async with connect(world.api) as client:
        client.headers["accept-encoding"] = "identity"
        yield client


@pytest.mark.parametrize("accept", _FORMATS)
@pytest.mark.parametrize(
    ("path", "changed"), [("/nodes", "/n001"), ("/pods", "a/p001"), ("/namespaces/a/pods", "a/p001")]
)
async def test_a_long_list_is_at_most_a_second_old(
    world: _World, client: httpx.AsyncClient, path: str, changed: str, accept: str
) -> None:
    first = await client.get(V1 + path, headers={"accept": accept})
    world.change(world.rows[changed])
    world.rows[changed].name = "changed"  # so that it can be seen in a Table, too
    await world.clock.advance(0.9)
    assert (await client.get(V1 + path, headers={"accept": accept})).content == first.content
    await world.clock.advance(0.1)
    later = await client.get(V1 + path, headers={"accept": accept})
    assert later.content != first.content
    assert b"changed" in later.content


@pytest.mark.parametrize("accept", ["application/json", _PB])
@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/nodes/n001", id="node"),
        pytest.param("/namespaces/a/pods/p001", id="pod"),
        pytest.param("/namespaces/a/pods?labelSelector=app=web", id="selector"),
        pytest.param("/pods?fieldSelector=metadata.name=p001", id="field-selector"),
        pytest.param("/nodes?fieldSelector=metadata.namespace=", id="selector-that-matches-all"),
        pytest.param("/namespaces/few/pods", id="short-list"),
    ],
)
async def test_any_other_answer_is_current(world: _World, client: httpx.AsyncClient, path: str, accept: str) -> None:
    await client.get(V1 + path, headers={"accept": accept})
    for row in world.rows.values():
        world.change(row)
    assert b"changed" in (await client.get(V1 + path, headers={"accept": accept})).content


async def test_lists_that_differ_in_anything_are_different_snapshots(client: httpx.AsyncClient) -> None:
    paths = [f"{V1}/pods", f"{V1BETA1}/pods", f"{V1}/namespaces/a/pods", f"{V1}/namespaces/b/pods", f"{V1}/nodes"]
    seen = {(await client.get(path + query)).content for path in paths for query in ("", "?pretty=1")}
    assert len(seen) == 10


async def test_a_list_is_compressed_for_those_only_who_asked_for_that(client: httpx.AsyncClient) -> None:
    encodings = [
        (await client.get(f"{V1}/pods", headers={"accept-encoding": asked})).headers.get("content-encoding")
        for asked in ("identity", "gzip", "identity", "gzip")
    ]
    assert encodings == [None, "gzip", None, "gzip"]


class _CountedRows(list[Row]):
    """Counts how often slices of it are taken."""

    slices = 0

    def __getitem__(self, index: Any) -> Any:
        self.slices += 1
        return super().__getitem__(index)


class _CountingView(FakeView):
    """Serves counted rows."""

    def __init__(self, rows: Sequence[Row]) -> None:
        super().__init__()
        self.rows = _CountedRows(rows)

    def pods(self, namespace: str | None) -> Sequence[Row]:
        return self.rows


async def test_the_same_list_is_made_once_for_all_who_ask_together(world: _World) -> None:
    view = _CountingView([row for row in world.rows.values() if row.namespace == "a"])
    async with connect(make_api(view, clock=world.clock)) as client:
        headers = {"accept": _PB}
        bodies = await asyncio.gather(*(client.get(f"{V1}/pods", headers=headers) for _ in range(10)))
    assert len({response.content for response in bodies}) == 1
    assert view.rows.slices == 3  # slices of a hundred rows, once


def _sized_view(size: int, count: int) -> FakeView:
    """Return a view whose list of so many pods has that many bytes as compact JSON of v1."""
    rows = [make_row("a", f"p{index:03}", {"pad": ""}) for index in range(count)]
    head = len('{"kind":"PodMetricsList","apiVersion":"metrics.k8s.io/v1","metadata":{},"items":[')
    rest = size - head - len("]}\n") - (count - 1) - sum(len(row.item) for row in rows)
    return FakeView(pods=[*rows[:-1], make_row("a", rows[-1].name, {"pad": "x" * rest})])


@pytest.mark.parametrize(
    ("count", "query"), [(10, ""), (300, ""), (300, "?labelSelector=pad")], ids=["short", "snapshot", "selection"]
)
@pytest.mark.parametrize("beyond", [0, 1])
async def test_a_body_is_compressed_beyond_128_kib_when_that_is_asked_for(
    world: _World, count: int, query: str, beyond: int
) -> None:
    size = 131_072 + beyond
    async with connect(make_api(_sized_view(size, count), clock=world.clock)) as client:
        plain = await client.get(f"{V1}/pods{query}", headers={"accept-encoding": "identity"})
        asked = await client.get(f"{V1}/pods{query}", headers={"accept-encoding": "gzip"})
    assert (size > GZIP_ABOVE_BYTES, len(plain.content)) == (bool(beyond), size)
    assert "content-encoding" not in plain.headers
    assert "vary" not in plain.headers
    assert asked.content == plain.content  # httpx has uncompressed it
    expected = ("gzip", "Accept-Encoding") if beyond else (None, None)
    assert (asked.headers.get("content-encoding"), asked.headers.get("vary")) == expected
    assert (int(asked.headers["content-length"]) < size) is bool(beyond)


@pytest.mark.parametrize("accept", _FORMATS)
async def test_a_long_list_is_compressed_in_every_format(world: _World, accept: str) -> None:
    view = FakeView(nodes=[make_row("", f"n{index:05}", {"zone": "a"}) for index in range(4000)])
    api = make_api(view, clock=world.clock)
    headers = {"accept": accept, "accept-encoding": "gzip"}
    async with connect(api) as client, client.stream("GET", f"{V1}/nodes", headers=headers) as response:
        raw = b"".join([chunk async for chunk in response.aiter_raw()])
    assert response.headers["content-encoding"] == "gzip"
    assert response.headers["content-length"] == str(len(raw))
    assert raw[8] == 4  # the header's note of the fastest level
    plain = gzip.decompress(raw)
    if accept == _PB:
        assert len(decode_object(plain)["items"]) == 4000
    elif accept == "application/json":
        assert len(json.loads(plain)["items"]) == 4000
    else:
        assert len(plain) > GZIP_ABOVE_BYTES


async def test_others_have_their_turn_while_a_long_list_is_compressed(world: _World) -> None:
    view = FakeView(pods=[make_row("a", f"p{index:05}", {"x": str(index)}) for index in range(5000)])
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    async with connect(make_api(view, clock=world.clock)) as client:
        response = await client.get(f"{V1}/pods?labelSelector=x", headers={"accept-encoding": "gzip"})
    counting.cancel()
    assert len(response.json()["items"]) == 5000
    assert turns > 15
