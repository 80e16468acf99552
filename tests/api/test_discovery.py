from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
import yaml

from tests.api.protobuf import decode_object
from tests.api.views import DATA, V1, V1BETA1, FakeView, connect, get, make_api

_V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_V2BETA1 = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
_VERSIONS = (
    '"versions":[{"groupVersion":"metrics.k8s.io/v1","version":"v1"},'
    '{"groupVersion":"metrics.k8s.io/v1beta1","version":"v1beta1"}],'
    '"preferredVersion":{"groupVersion":"metrics.k8s.io/v1","version":"v1"}'
)
_GROUP_LIST = (
    f'{{"kind":"APIGroupList","groups":[{{"name":"metrics.k8s.io",{_VERSIONS},'
    '"serverAddressByClientCIDRs":[{"clientCIDR":"0.0.0.0/0","serverAddress":":443"}]}]}\n'
)


@pytest.mark.parametrize("path", ["/apis", "/apis/"])
@pytest.mark.parametrize(
    "accept",
    ["", "*/*", "application/*", "application/json", f"{_V2};q=0.5,application/json"],
    ids=lambda a: a or "none",
)
async def test_apis_is_the_legacy_list_for_who_asks_for_plain_json(path: str, accept: str) -> None:
    response = await get(path, accept=accept)
    assert (response.status_code, response.text) == (200, _GROUP_LIST)
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-cache, private"
    assert "vary" not in response.headers


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        pytest.param(f"{_V2},{_V2BETA1}", _V2, id="kube-apiserver-1.36"),
        pytest.param(f"{_V2};profile=nopeer", _V2, id="unknown-parameter"),
        pytest.param(f"{_V2},{_V2BETA1},application/json", _V2, id="client-go"),
        pytest.param(_V2BETA1, _V2BETA1, id="kube-apiserver-1.26"),
        pytest.param(f"{_V2BETA1},application/json", _V2BETA1, id="client-go-1.26"),
    ],
)
async def test_apis_is_the_aggregated_list_for_who_asks_for_it(accept: str, content_type: str) -> None:
    response = await get("/apis", accept=accept)
    assert response.status_code == 200
    assert response.headers["content-type"] == content_type
    assert response.headers["vary"] == "Accept"
    assert response.headers["cache-control"] == "public"
    assert response.headers["etag"] == f'"{hashlib.sha512(response.content).hexdigest().upper()}"'
    assert response.json()["apiVersion"] == f"apidiscovery.k8s.io/{'v2beta1' if 'v2beta1' in content_type else 'v2'}"


def _only_v1beta1(document: dict[str, Any]) -> dict[str, Any]:
    for item in document["items"]:
        item["versions"] = [version for version in item["versions"] if version["version"] == "v1beta1"]
    return document


async def test_the_aggregated_document_is_the_one_proven_against_kube_apiserver_and_has_v1_before() -> None:
    document = (await get("/apis", accept=_V2)).json()
    assert [version["version"] for version in document["items"][0]["versions"]] == ["v1", "v1beta1"]
    assert _only_v1beta1(document) == json.loads((DATA / "minimal-aggdisc-v2.json").read_text())


async def test_the_aggregated_document_differs_from_metrics_servers_in_the_response_kinds_only() -> None:
    document = _only_v1beta1((await get("/apis", accept=_V2)).json())
    for resource in document["items"][0]["versions"][0]["resources"]:
        resource["responseKind"] |= {"group": "", "version": ""}
    captured = json.loads((DATA / "aggdisc.json").read_text())
    assert document == captured
    assert json.dumps(document) == json.dumps(captured)  # the same order of keys


@pytest.mark.parametrize(
    "tags", [pytest.param("{}", id="same"), pytest.param('"old", W/{}', id="among-others-and-weak")]
)
async def test_a_document_the_client_has_is_not_sent_again(tags: str) -> None:
    etag = (await get("/apis", accept=_V2)).headers["etag"]
    response = await get("/apis", accept=_V2, if_none_match=tags.format(etag))
    assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", etag)


async def test_a_document_the_client_has_an_older_one_of_is_sent() -> None:
    assert (await get("/apis", accept=_V2, if_none_match='"old"')).status_code == 200


@pytest.mark.parametrize("path", ["/apis/metrics.k8s.io", "/apis/metrics.k8s.io/"])
async def test_the_group_lists_its_versions_stable_first(path: str) -> None:
    response = await get(path)
    body = f'{{"kind":"APIGroup","apiVersion":"v1","name":"metrics.k8s.io",{_VERSIONS}}}\n'
    assert (response.status_code, response.text) == (200, body)


@pytest.mark.parametrize("path", [V1, V1BETA1, f"{V1}/", f"{V1BETA1}/"])
async def test_a_version_lists_its_resources_before_there_are_any_metrics(path: str) -> None:
    response = await get(path, make_api(FakeView()))
    body = (
        '{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"' + path.strip("/").removeprefix("apis/") + '",'
        '"resources":[{"name":"nodes","singularName":"","namespaced":false,"kind":"NodeMetrics","verbs":["get","list"]},'
        '{"name":"pods","singularName":"","namespaced":true,"kind":"PodMetrics","verbs":["get","list"]}]}\n'
    )
    assert (response.status_code, response.text) == (200, body)


_NO_FORM = "only the following media types are accepted: "
_NO_TYPE = "406: Not Acceptable\n\nAvailable representations: "


@pytest.mark.parametrize(
    ("path", "accept", "message"),
    [
        ("/apis", "text/html", _NO_TYPE),
        ("/apis", "application/cbor", _NO_TYPE),
        ("/apis", _V2.replace("v=v2", "v=v3"), _NO_FORM),
        ("/apis", _V2.replace("json", "yaml"), _NO_FORM),
        ("/apis", "application/json;as=Table;g=meta.k8s.io;v=v1", _NO_FORM),
        ("/apis/metrics.k8s.io", "text/html", _NO_TYPE),
        ("/apis/metrics.k8s.io", _V2, _NO_FORM),
        (V1, "application/cbor", _NO_TYPE),
        (V1, "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", _NO_FORM),
    ],
)
async def test_a_form_that_there_is_not_is_not_acceptable(path: str, accept: str, message: str) -> None:
    response = await get(path, accept=accept)
    assert response.status_code == 406
    types = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    assert response.json()["message"] == message + types


@pytest.mark.parametrize("accept", ["text/html", "application/yaml", "application/vnd.kubernetes.protobuf"])
async def test_the_version_is_json_only(accept: str) -> None:
    response = await get("/version", accept=accept)
    assert response.status_code == 406
    assert f"{_NO_TYPE}application/json".encode().splitlines()[-1] in response.content


@pytest.mark.parametrize("path", ["/apis", "/apis/metrics.k8s.io", V1, "/version"])
@pytest.mark.parametrize(
    ("content_type", "code"),
    [("", 200), ("application/json", 200), ("text/x, application/json ;a=b", 200), ("*/*", 415), ("text/html", 415)],
)
async def test_a_body_that_nobody_reads_has_to_be_of_a_known_type(path: str, content_type: str, code: int) -> None:
    async with connect(make_api()) as client:
        response = await client.get(path, headers={"content-type": content_type})
    assert response.status_code == code
    if code == 415:
        assert response.json()["message"] == "415: Unsupported Media Type"


@pytest.mark.parametrize("path", ["/apis", "/apis/metrics.k8s.io", V1, V1BETA1])
async def test_the_legacy_documents_are_the_same_in_every_form(path: str) -> None:
    api = make_api()
    document = (await get(path, api)).json()
    pretty = await get(f"{path}?pretty=true", api)
    assert pretty.text == json.dumps(document, indent=2)
    as_yaml = await get(path, api, accept="application/yaml")
    assert as_yaml.headers["content-type"] == "application/yaml"
    assert yaml.safe_load(as_yaml.text) == document
    protobuf = await get(path, api, accept="application/vnd.kubernetes.protobuf")
    assert protobuf.headers["content-type"] == "application/vnd.kubernetes.protobuf"
    assert decode_object(protobuf.content) == document


async def test_the_resources_are_listed_in_protobuf_as_by_metrics_server() -> None:
    response = await get(V1BETA1, accept="application/vnd.kubernetes.protobuf")
    assert response.content == (DATA / "resourcelist.pb").read_bytes()


@pytest.mark.parametrize("path", ["/apis", "/apis/metrics.k8s.io", V1])
@pytest.mark.parametrize("method", ["HEAD", "POST", "DELETE"])
async def test_discovery_can_only_be_got(path: str, method: str) -> None:
    async with connect(make_api()) as client:
        response = await client.request(method, path)
    assert response.status_code == 405


async def test_the_legacy_list_names_the_port_we_listen_on() -> None:
    from metrics_api.api.discovery import Discovery

    body = Discovery(10250).groups({}, b"").body
    assert json.loads(body)["groups"][0]["serverAddressByClientCIDRs"][0]["serverAddress"] == ":10250"
