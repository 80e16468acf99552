"""Lists in pages, through the whole application: what a client sees that follows ``continue``."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import quote_plus

import httpx
import pytest
import yaml

from metrics_api.model import Row
from tests.api.protobuf import decode_object
from tests.api.views import V1, V1BETA1, FakeView, connect, make_api, make_row
from tests.fakes import FakeClock

_PB = "application/vnd.kubernetes.protobuf"
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_PLACES = [(place, f"p{index}") for place in ("a", "b") for index in range(5)]


class _World:
    """Ten pods and three nodes behind two replicas, whose pods can be changed."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.view = _StableView([make_row(*place, {"app": "web"}) for place in _PLACES])
        self.one = connect(make_api(self.view, clock=self.clock))
        self.other = connect(make_api(self.view, clock=self.clock))

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.one.get(V1BETA1 + path, headers=headers)

    async def token(self, path: str = "/pods", limit: int = 3) -> str:
        """Return the token of a list's first page."""
        page = await self.get(f"{path}{'&' if '?' in path else '?'}limit={limit}")
        found: str = page.json()["metadata"]["continue"]
        return found


class _StableView(FakeView):
    """Returns the same sequence until its pods are replaced, as the store does."""

    def __init__(self, pods: Sequence[Row]) -> None:
        super().__init__([make_row("", f"n{index}", {}) for index in range(3)])
        self.replace(pods)

    def replace(self, pods: Sequence[Row]) -> None:
        self._all = list(pods)
        self._of = {place: [row for row in pods if row.namespace == place] for place in {row.namespace for row in pods}}

    def pods(self, namespace: str | None) -> Sequence[Row]:
        return self._all if namespace is None else self._of.get(namespace, [])


@pytest.fixture
async def world() -> AsyncIterator[_World]:
    world = _World()
    async with world.one, world.other:
        yield world


def names(document: dict[str, Any]) -> list[str]:
    rows = [row["object"] for row in document["rows"]] if "rows" in document else document["items"]
    return ["/".join(filter(None, (row["metadata"].get("namespace"), row["metadata"]["name"]))) for row in rows]


ALL = [f"{place}/{name}" for place, name in _PLACES]


def _decode(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    if response.headers["content-type"] == _PB:
        return decode_object(response.content)
    found: dict[str, Any] = yaml.safe_load(response.content)
    return found


@pytest.mark.parametrize(
    "accept", ["application/json", "application/json;pretty=1", "application/yaml", _PB, _TABLE, f"{_TABLE};pretty=1"]
)
async def test_pages_together_are_the_list(world: _World, accept: str) -> None:
    seen, remaining, following = [], [], ""
    while True:
        page = _decode(await world.get(f"/pods?limit=4{following}", accept=accept))
        seen.append(names(page))
        remaining.append(page["metadata"].get("remainingItemCount"))
        if not page["metadata"]:
            break
        following = f"&continue={page['metadata']['continue']}"
    assert seen == [ALL[:4], ALL[4:8], ALL[8:]]
    assert remaining == [6, 2, None]


async def test_metadata_of_a_page_stands_where_go_writes_it(world: _World) -> None:
    body = (await world.get("/nodes?limit=2")).text
    token = await world.token("/nodes", 2)
    head = '{"kind":"NodeMetricsList","apiVersion":"metrics.k8s.io/v1beta1",'
    assert body.startswith(f'{head}"metadata":{{"continue":"{token}","remainingItemCount":1}},"items":[{{')


@pytest.mark.parametrize("limit", ["10", "11", "500", "0", "-1", "-9223372036854775808", "9223372036854775807"])
async def test_a_list_that_fits_is_the_whole_list_to_the_byte(world: _World, limit: str) -> None:
    assert (await world.get(f"/pods?limit={limit}")).content == (await world.get("/pods")).content


async def test_without_a_limit_the_rest_comes_at_once(world: _World) -> None:
    page = (await world.get(f"/pods?continue={await world.token()}")).json()
    assert (names(page), page["metadata"]) == (ALL[3:], {})


@pytest.mark.parametrize("selector", ["labelSelector=app=web", "fieldSelector=metadata.name!=x"])
async def test_a_selection_does_not_say_how_many_remain(world: _World, selector: str) -> None:
    for path in ("/pods", "/namespaces/a/pods"):
        page = (await world.get(f"{path}?limit=2&{selector}")).json()
        assert list(page["metadata"]) == ["continue"]
        rest = (await world.get(f"{path}?{selector}&continue={page['metadata']['continue']}")).json()
        assert names(page) + names(rest) == (ALL if path == "/pods" else ALL[:5])


async def test_later_pages_show_what_was_there_at_the_first_for_a_minute(world: _World) -> None:
    token = await world.token()
    world.view.replace([make_row("a", "p9", {}), make_row("c", "new", {})])
    await world.clock.advance(59)
    assert names((await world.get(f"/pods?continue={token}")).json()) == ALL[3:]
    await world.clock.advance(1)
    assert names((await world.get(f"/pods?continue={token}")).json()) == ["a/p9", "c/new"]


async def test_any_replica_goes_on_behind_the_last_name_in_what_it_has(world: _World) -> None:
    token = await world.token()
    world.view.replace([make_row(*place, {}) for place in (("a", "p0"), ("a", "p2x"), ("b", "p1"))])
    page = await world.other.get(f"{V1}/pods?limit=1&continue={token}")
    assert names(page.json()) == ["a/p2x"]
    assert page.json()["metadata"]["remainingItemCount"] == 1


async def test_a_token_is_good_for_five_minutes_from_its_page(world: _World) -> None:
    token = await world.token()
    await world.clock.advance(300)
    assert (await world.get(f"/pods?continue={token}")).status_code == 200
    await world.clock.advance(1)
    late = await world.get(f"/pods?continue={token}")
    status = late.json()
    assert (late.status_code, status["reason"], status["code"]) == (410, "Expired", 410)
    assert status["message"] == (
        "The provided continue parameter is too old to display a consistent list result. You can start a new list "
        "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
        "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
        "modified, or deleted between the time the first chunk was returned and now may show up in the list."
    )
    assert "details" not in status


@pytest.mark.parametrize("accept", ["application/json", "application/yaml", _PB])
async def test_who_takes_the_rest_as_it_is_now_goes_on_with_the_token_of_the_refusal(
    world: _World, accept: str
) -> None:
    token = await world.token()
    await world.clock.advance(301)
    world.view.replace([make_row(*place, {}) for place in (("a", "p0"), ("a", "p2x"), ("b", "p1"), ("c", "new"))])
    late = await world.get(f"/pods?continue={token}", accept=accept)
    status = decode_object(late.content) if accept == _PB else yaml.safe_load(late.content)
    assert list(status["metadata"]) == ["continue"]
    first = (await world.get(f"/pods?limit=2&continue={status['metadata']['continue']}")).json()
    assert (names(first), first["metadata"]["remainingItemCount"]) == (["a/p2x", "b/p1"], 1)
    rest = (await world.get(f"/pods?continue={first['metadata']['continue']}")).json()
    assert names(rest) == ["c/new"]
    await world.clock.advance(301)
    assert (await world.get(f"/pods?continue={status['metadata']['continue']}")).status_code == 410


async def test_a_view_is_found_again_only_from_the_same_list(world: _World) -> None:
    token = await world.token()
    world.view.replace([make_row("a", "p9", {}), make_row("b", "p9", {})])
    elsewhere = [
        (f"/namespaces/a/pods?continue={token}", ["a/p9"]),
        (f"/pods?labelSelector=!x&continue={token}", ["a/p9", "b/p9"]),
        (f"/pods?fieldSelector=metadata.name=p9&continue={token}", ["a/p9", "b/p9"]),
        (f"/nodes?continue={token}", []),
    ]
    for path, expected in elsewhere:
        assert names((await world.get(path)).json()) == expected


def _forge(content: object) -> str:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


_GOOD = {"view": "", "issued": 1_767_225_600, "namespace": "a", "name": "p1", "v": "metrics.k8s.io/1"}


@pytest.mark.parametrize(
    "token",
    [
        "abc",
        "%%%",
        "a",
        "é",
        "=",
        "YQ==",
        "\x00",
        _forge(b"\xff\xfe"),
        _forge([]),
        _forge({}),
        _forge(b'{"v":'),
        _forge({**_GOOD, "issued": "x"}),
        _forge({**_GOOD, "issued": -1}),
        _forge({**_GOOD, "issued": 10**400}),
        _forge({**_GOOD, "issued": 1e300}),
        _forge({**_GOOD, "name": None}),
        _forge({**_GOOD, "name": "x" * 1000}),
        _forge({key: value for key, value in _GOOD.items() if key != "namespace"}),
        "A" * 10_000,
        _forge(b"[" * 700),
    ],
    ids=range(20),
)
async def test_a_token_that_is_none_of_ours_is_refused(world: _World, token: str) -> None:
    response = await world.get(f"/pods?continue={quote_plus(token)}")
    status = response.json()
    assert (response.status_code, status["reason"]) == (400, "BadRequest")
    assert status["message"] == "invalid continue token: continue key is not valid"


async def test_a_token_of_another_version_is_refused_by_name(world: _World) -> None:
    token = _forge({"v": "meta.k8s.io/v1", "rv": 5, "start": "x"})
    message = (await world.get(f"/pods?continue={token}")).json()["message"]
    said = 'server does not recognize this encoded version "meta.k8s.io/v1"'
    assert message == f"invalid continue token: continue key is not valid: {said}"


async def test_a_forged_place_leads_only_into_the_list_that_was_asked_for(world: _World) -> None:
    token = _forge({**_GOOD, "namespace": "", "name": "\ud800"})
    assert (await world.get(f"/pods?continue={token}")).status_code == 400
    page = await world.get(f"/namespaces/b/pods?continue={_forge(_GOOD)}")
    assert names(page.json()) == ALL[5:]


@pytest.mark.parametrize(("version", "code"), [("", 200), ("0", 200), ("5", 400), ("x", 400)])
async def test_a_resource_version_cannot_be_told_with_a_token(world: _World, version: str, code: int) -> None:
    response = await world.get(f"/pods?continue={await world.token()}&resourceVersion={version}")
    assert response.status_code == code
    if code == 400:
        assert response.json()["message"] == "specifying resource version is not allowed when using continue"


async def test_the_longest_names_make_a_token_that_is_taken_back(world: _World) -> None:
    rows = [make_row("n" * 63, f"{index}".rjust(253, "p"), {}) for index in range(3)]
    world.view.replace(rows)
    page = (await world.get(f"/pods?continue={await world.token(limit=2)}")).json()
    assert len(page["items"]) == 1
