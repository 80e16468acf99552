"""How the OpenAPI documents are handed out: forms, ETags, hashes, and for how long they may be kept."""

from __future__ import annotations

import hashlib
import json

import httpx
import pytest
import yaml
from starlette.types import Scope

from metrics_api.api.app import MetricsAPI, build_api
from metrics_api.api.probes import Probes
from metrics_api.api.requestinfo import RequestInfo
from metrics_api.errors import StatusError
from tests.api.views import FakeView, connect, get, make_api
from tests.fakes import FakeClock

_V2 = "/openapi/v2"
_V3 = "/openapi/v3"
_GROUP_VERSIONS = [f"{_V3}/apis/metrics.k8s.io/v1", f"{_V3}/apis/metrics.k8s.io/v1beta1"]
_ALL = [_V2, _V3, *_GROUP_VERSIONS]
_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_OLD_PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"


def _api(version: str = "0.1.0") -> MetricsAPI:
    return build_api(FakeView(), Probes(), version=version, clock=FakeClock(1_767_225_600.0))


def _digest(response: httpx.Response) -> str:
    return hashlib.sha512(response.content).hexdigest().upper()


@pytest.mark.parametrize("path", _ALL)
@pytest.mark.parametrize("accept", ["", "*/*", "application/*", "application/json", "application/json, */*"])
async def test_a_document_is_json_unless_told_otherwise(path: str, accept: str) -> None:
    response = await get(path, accept=accept)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert isinstance(response.json()["paths"], dict)
    assert response.headers["etag"] == f'"{_digest(response)}"'


@pytest.mark.parametrize("path", [_V2, *_GROUP_VERSIONS])
async def test_what_has_forms_says_that_it_varies(path: str) -> None:
    assert (await get(path)).headers["vary"] == "Accept"


@pytest.mark.parametrize(
    "accept",
    [_PROTOBUF, _OLD_PROTOBUF, f"{_OLD_PROTOBUF}, application/json;q=0.9", f"text/html, {_PROTOBUF}"],
    ids=["new", "old", "preferred", "after-what-there-is-not"],
)
async def test_version_2_is_protobuf_for_who_asks_for_it(accept: str) -> None:
    response = await get(_V2, accept=accept)
    assert response.status_code == 200
    assert response.headers["content-type"] == _PROTOBUF
    assert response.content.startswith(b"\x0a\x032.0")  # field 1, three bytes
    assert response.headers["etag"] == f'"{_digest(response)}"'
    assert response.headers["etag"] != (await get(_V2)).headers["etag"]


async def test_version_2_is_json_for_who_likes_json_better() -> None:
    response = await get(_V2, accept=f"{_PROTOBUF};q=0.5, application/json")
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        (_V2, "text/html"),
        (_V2, "application/yaml"),
        (_V2, _PROTOBUF.replace("v2", "v3")),
        *((path, "text/html") for path in _GROUP_VERSIONS),
        *((path, _PROTOBUF.replace("v2", "v3")) for path in _GROUP_VERSIONS),
    ],
)
async def test_a_form_that_there_is_not_is_not_acceptable(path: str, accept: str) -> None:
    response = await get(path, accept=accept)
    status = yaml.safe_load(response.text)  # JSON is YAML too
    assert (response.status_code, status["reason"]) == (406, "NotAcceptable")
    assert status["message"].startswith("only the following media types are accepted: application/json")


@pytest.mark.parametrize("path", _ALL)
@pytest.mark.parametrize("tags", ["{}", 'W/{}, "other"'], ids=["same", "among-others-and-weak"])
async def test_a_document_the_client_has_is_not_sent_again(path: str, tags: str) -> None:
    etag = (await get(path)).headers["etag"]
    response = await get(path, if_none_match=tags.format(etag))
    assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", etag)


async def test_a_client_that_has_the_json_is_sent_the_protobuf() -> None:
    etag = (await get(_V2)).headers["etag"]
    assert (await get(_V2, accept=_PROTOBUF, if_none_match=etag)).status_code == 200


async def test_the_index_names_our_versions_and_nothing_that_others_have_too() -> None:
    index = (await get(_V3)).json()
    assert list(index) == ["paths"]
    assert list(index["paths"]) == ["apis/metrics.k8s.io/v1", "apis/metrics.k8s.io/v1beta1"]
    for key, entry in index["paths"].items():
        digest = _digest(await get(f"{_V3}/{key}"))
        assert entry == {"serverRelativeURL": f"{_V3}/{key}?hash={digest}"}


@pytest.mark.parametrize("not_modified", [False, True], ids=["sent", "not-modified"])
async def test_a_document_asked_for_by_its_hash_may_be_kept_for_a_year(not_modified: bool) -> None:
    async with connect(_api()) as client:
        for entry in (await client.get(_V3)).json()["paths"].values():
            url = entry["serverRelativeURL"]
            known = {"if-none-match": f'"{url.partition("=")[2]}"'} if not_modified else {}
            response = await client.get(url, headers=known)
            assert response.status_code == (304 if not_modified else 200)
            assert response.headers["cache-control"] == "public, immutable"
            assert response.headers["expires"] == "Fri, 01 Jan 2027 00:00:00 GMT"
            assert response.headers["vary"] == "Accept"


@pytest.mark.parametrize("path", _GROUP_VERSIONS)
@pytest.mark.parametrize("query", ["", "?hash=", "?hash=0F", "?hash=%22%22", "?other=1"])
async def test_with_another_hash_or_none_the_current_document_comes_and_is_not_kept(path: str, query: str) -> None:
    response = await get(f"{path}{query}")
    assert (response.status_code, _digest(response)) == (200, _digest(await get(path)))
    assert response.headers["cache-control"] == "no-cache, private"
    assert "expires" not in response.headers
    assert "location" not in response.headers


async def test_one_versions_hash_does_not_make_the_other_version_kept() -> None:
    v1, v1beta1 = _GROUP_VERSIONS
    response = await get(f"{v1}?hash={_digest(await get(v1beta1))}")
    assert response.headers["cache-control"] == "no-cache, private"


@pytest.mark.parametrize("path", _ALL)
async def test_two_replicas_of_a_release_have_the_same_documents_and_two_releases_have_not(path: str) -> None:
    first, same, other = [await get(path, _api(version)) for version in ("0.1.0", "0.1.0", "0.2.0")]
    assert first.content == same.content
    assert first.headers["etag"] != other.headers["etag"]


@pytest.mark.parametrize("path", [f"{path}/" for path in _ALL])
async def test_a_trailing_slash_makes_another_path_and_no_redirect(path: str) -> None:
    assert (await get(path)).status_code == 404


@pytest.mark.parametrize(
    "path", ["/openapi", f"{_V3}/apis", f"{_V3}/apis/metrics.k8s.io", f"{_V3}/version", "/openapi.json"]
)
async def test_there_is_no_other_document(path: str) -> None:
    assert (await get(path)).status_code == 404


@pytest.mark.parametrize("path", _ALL)
async def test_the_documents_are_there_before_there_are_any_metrics_and_can_only_be_got(path: str) -> None:
    async with connect(make_api(FakeView())) as client:
        assert (await client.get(path)).status_code == 200
        assert (await client.post(path, content=b"{}")).status_code == 405


class _Refusing:
    """A gate that lets nobody pass and remembers whom it was asked about."""

    def __init__(self) -> None:
        self.asked: list[RequestInfo] = []

    async def __call__(self, scope: Scope, request: RequestInfo) -> None:
        self.asked.append(request)
        raise StatusError(403, "Forbidden", "no")


@pytest.mark.parametrize("path", _ALL)
async def test_nobody_reads_a_document_without_leave_to_get_its_path(path: str) -> None:
    gate = _Refusing()
    response = await get(path, make_api(gate=gate))
    assert (response.status_code, json.loads(response.content)["message"]) == (403, "no")
    assert [(each.verb, each.path, each.is_resource) for each in gate.asked] == [("get", path, False)]
