from __future__ import annotations

import asyncio
import json

import pytest

from metrics_api.api.app import build_api
from metrics_api.api.listoptions import parse_list_options
from metrics_api.api.probes import Probes
from tests.api.views import DATA, V1, V1BETA1, FakeView, connect, get, make_api, make_row, small_view

_CASES = json.loads((DATA / "selector-cases.json").read_text())
_SELECTORS = [
    pytest.param(parameter, *case, id=f"{parameter}-{case[0][:30]}")
    for parameter in ("labelSelector", "fieldSelector")
    for case in _CASES[parameter]
]


def _names(body: bytes) -> list[str]:
    return [
        "/".join(filter(None, (item["metadata"].get("namespace"), item["metadata"]["name"])))
        for item in json.loads(body)["items"]
    ]


@pytest.mark.parametrize(
    ("path", "document"),
    [("/nodes/n1", "node.json"), ("/nodes/n1/", "node.json"), ("/namespaces/default/pods/web-1", "pod.json")],
)
async def test_an_object_is_answered_byte_for_byte_as_metrics_server_does(path: str, document: str) -> None:
    response = await get(V1BETA1 + path)
    assert response.status_code == 200
    assert response.content == (DATA / document).read_bytes()
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", ["/nodes/n1", "/nodes", "/pods", "/namespaces/default/pods/web-1"])
async def test_v1_differs_from_v1beta1_in_the_version_it_says_only(path: str) -> None:
    old, new = await get(V1BETA1 + path), await get(V1 + path)
    assert old.content.count(b'"metrics.k8s.io/v1beta1"') == 1
    assert new.content == old.content.replace(b'"metrics.k8s.io/v1beta1"', b'"metrics.k8s.io/v1"')


async def test_a_list_has_items_without_kind_in_an_object_with_empty_metadata() -> None:
    response = await get(f"{V1BETA1}/namespaces/shop/pods")
    assert response.content == (
        b'{"kind":"PodMetricsList","apiVersion":"metrics.k8s.io/v1beta1","metadata":{},"items":['
        + make_row("shop", "web-1", {"app": "web"}).item
        + b"]}\n"
    )


async def test_a_list_of_nodes_holds_the_items_joined() -> None:
    item = (DATA / "node.json").read_bytes().split(b'"apiVersion":"metrics.k8s.io/v1beta1",')[1].strip()
    response = await get(f"{V1BETA1}/nodes")
    assert response.content == (
        b'{"kind":"NodeMetricsList","apiVersion":"metrics.k8s.io/v1beta1","metadata":{},"items":[{'
        + item
        + b","
        + make_row("", "n2", {"zone": "b"}).item
        + b"]}\n"
    )


@pytest.mark.parametrize("path", ["/nodes", "/pods", "/namespaces/nowhere/pods"])
async def test_an_empty_list_has_no_items_but_the_word(path: str) -> None:
    response = await get(V1 + path, make_api(FakeView()))
    kind = "NodeMetricsList" if path == "/nodes" else "PodMetricsList"
    body = f'{{"kind":"{kind}","apiVersion":"metrics.k8s.io/v1","metadata":{{}},"items":[]}}\n'
    assert (response.status_code, response.text) == (200, body)


@pytest.mark.parametrize(
    ("path", "names"),
    [
        pytest.param("/pods", ["default/db-0", "default/web-1", "default/web-2", "shop/web-1"], id="all"),
        pytest.param(
            "/pods?labelSelector=", ["default/db-0", "default/web-1", "default/web-2", "shop/web-1"], id="blank"
        ),
        pytest.param("/namespaces/default/pods", ["default/db-0", "default/web-1", "default/web-2"], id="namespace"),
        pytest.param("/namespaces/default/pods/", ["default/db-0", "default/web-1", "default/web-2"], id="slash"),
        pytest.param(
            "/namespaces/default/pods?labelSelector=app%3Dweb", ["default/web-1", "default/web-2"], id="labels"
        ),
        pytest.param("/pods?labelSelector=app+in+(web),!track", ["default/web-1", "shop/web-1"], id="label-set"),
        pytest.param("/pods?fieldSelector=metadata.name=web-1", ["default/web-1", "shop/web-1"], id="name"),
        pytest.param("/pods?fieldSelector=metadata.namespace!=default", ["shop/web-1"], id="not-namespace"),
        pytest.param(
            "/namespaces/default/pods?fieldSelector=metadata.namespace=shop", [], id="namespace-against-the-path"
        ),
        pytest.param(
            "/pods?fieldSelector=metadata.name=web-1,metadata.namespace=shop&labelSelector=app=web",
            ["shop/web-1"],
            id="everything",
        ),
        pytest.param("/nodes?labelSelector=zone=b", ["n2"], id="nodes-by-label"),
        pytest.param("/nodes?fieldSelector=metadata.name=n1", ["n1"], id="nodes-by-name"),
        pytest.param("/nodes?fieldSelector=metadata.namespace=x", [], id="nodes-have-no-namespace"),
        pytest.param("/nodes?fieldSelector=metadata.namespace=", ["n1", "n2"], id="nodes-have-a-blank-namespace"),
    ],
)
async def test_a_list_holds_what_is_selected_in_order(path: str, names: list[str]) -> None:
    response = await get(V1BETA1 + path)
    assert (response.status_code, _names(response.content)) == (200, names)


@pytest.mark.parametrize(
    "query",
    [
        "limit=500",
        "limit=0",
        "limit=-9223372036854775808",
        "limit=%2B0000000000000000000000002",
        "continue=",
        "resourceVersion=0",
        "resourceVersion=1&resourceVersionMatch=Exact",
        "resourceVersion=0&resourceVersionMatch=NotOlderThan",
        "resourceVersionMatch=",
        "timeoutSeconds=30",
        "timeout=32s",
        "timeout=",
        "watch=false",
        "watch=0",
        "pretty=true",
        "whatever=x&",
        "dryRun=All&fieldManager=x&fieldValidation=Strict",
        "allowWatchBookmarks=maybe",
    ],
)
async def test_a_parameter_without_effect_is_accepted(query: str) -> None:
    response = await get(f"{V1BETA1}/nodes?{query}")
    assert (response.status_code, _names(response.content)) == (200, ["n1", "n2"])


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("sendInitialEvents=true", ["resourceVersionMatch"]),
        ("resourceVersionMatch=Exact", ["resourceVersionMatch", "resourceVersionMatch"]),
    ],
)
async def test_a_watch_with_options_that_exclude_each_other_is_refused_for_that(query: str, fields: list[str]) -> None:
    response = await get(f"{V1BETA1}/nodes?watch=true&{query}")
    assert response.status_code == 422
    assert [cause["field"] for cause in response.json()["details"]["causes"]] == fields


async def test_an_empty_namespace_stands_for_all() -> None:
    assert (await get(f"{V1}/namespaces//pods")).content == (await get(f"{V1}/pods")).content
    assert (await get(f"{V1}/namespaces//pods/web-1")).json()["message"] == 'pods "web-1" not found'


@pytest.mark.parametrize("path", [f"{V1}/nodes", f"{V1}/nodes/n1", V1, "/apis", "/livez", "/nope"])
async def test_a_timeout_that_is_none_is_refused_on_every_path(path: str) -> None:
    response = await get(f"{path}?timeout=abc")
    assert response.status_code == 400
    assert response.json()["message"] == ('invalid timeout specified in the request URL - time: invalid duration "abc"')


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/nodes?limit=abc", 'strconv.ParseInt: parsing "abc": invalid syntax'),
        ("/nodes?limit=", 'strconv.ParseInt: parsing "": invalid syntax'),
        ("/nodes?limit=1_0", 'strconv.ParseInt: parsing "1_0": invalid syntax'),
        ("/nodes?limit=9223372036854775808", 'strconv.ParseInt: parsing "9223372036854775808": value out of range'),
        ("/nodes?limit=" + "9" * 5000, f'strconv.ParseInt: parsing "{"9" * 5000}": value out of range'),
        ("/nodes?limit=-9223372036854775809", 'strconv.ParseInt: parsing "-9223372036854775809": value out of range'),
        ("/pods?timeoutSeconds=x", 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("/pods?timeout=abc", 'invalid timeout specified in the request URL - time: invalid duration "abc"'),
        ("/nodes/n1?timeout=abc", 'invalid timeout specified in the request URL - time: invalid duration "abc"'),
        ("/nodes/n1?export=true", "the export parameter, deprecated since v1.14, is no longer supported"),
    ],
)
async def test_a_parameter_that_cannot_be_read_is_a_bad_request(path: str, message: str) -> None:
    response = await get(V1BETA1 + path)
    assert (response.status_code, response.json()["reason"]) == (400, "BadRequest")
    assert response.json()["message"] == message


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "resourceVersionMatch=Exact",
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
        ),
        (
            "resourceVersion=5&resourceVersionMatch=Newest",
            'resourceVersionMatch: Unsupported value: "Newest": supported values: "Exact", "NotOlderThan", ""',
        ),
        (
            "resourceVersion=0&resourceVersionMatch=Exact",
            'resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
        ),
        (
            "resourceVersion=5&resourceVersionMatch=Exact&continue=x",
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided",
        ),
        ("sendInitialEvents=false", "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"),
    ],
)
async def test_options_that_exclude_each_other_are_invalid(query: str, message: str) -> None:
    response = await get(f"{V1BETA1}/pods?{query}")
    status = response.json()
    assert (response.status_code, status["reason"]) == (422, "Invalid")
    assert status["message"] == f'ListOptions.meta.k8s.io "" is invalid: {message}'
    assert (status["details"]["group"], status["details"]["kind"]) == ("meta.k8s.io", "ListOptions")
    assert f"{status['details']['causes'][0]['field']}: {status['details']['causes'][0]['message']}" == message


async def test_several_faults_of_options_are_told_together() -> None:
    response = await get(f"{V1BETA1}/pods?resourceVersionMatch=X&sendInitialEvents=true")
    assert response.json()["message"].startswith('ListOptions.meta.k8s.io "" is invalid: [resourceVersionMatch: ')
    assert [cause["reason"] for cause in response.json()["details"]["causes"]] == [
        "FieldValueForbidden",
        "FieldValueNotSupported",
        "FieldValueForbidden",
    ]


@pytest.mark.parametrize(("parameter", "text", "code", "message"), _SELECTORS)
async def test_a_selector_gets_metrics_servers_answer(
    parameter: str, text: str, code: int, message: str | None
) -> None:
    async with connect(make_api()) as client:
        response = await client.get(f"{V1BETA1}/nodes", params={parameter: text})
    assert response.status_code == code
    assert response.json().get("message") == message
    if code == 400:
        assert response.json()["reason"] == "BadRequest"


@pytest.mark.parametrize("path", ["/nodes", "/pods", "/namespaces/default/pods"])
@pytest.mark.parametrize(
    "query",
    [
        "watch=true",
        "watch=1",
        "watch",
        "watch=1&sendInitialEvents&resourceVersionMatch=NotOlderThan",
        "watch=1&timeout=x",
    ],
)
async def test_a_watch_is_refused(path: str, query: str) -> None:
    response = await get(f"{V1BETA1}{path}?{query}")
    resource = path.rpartition("/")[2]
    assert response.status_code == 405
    assert response.json()["message"] == f'watch is not supported on resources of kind "{resource}.metrics.k8s.io"'
    assert response.json()["details"] == {"group": "metrics.k8s.io", "kind": resource}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/nodes/nope", 'node "nope" not found'),
        ("/nodes/n3", 'nodemetrics.metrics.k8s.io "n3" not found'),
        ("/namespaces/default/pods/nope", 'pods "nope" not found'),
        ("/namespaces/default/pods/young", 'podmetrics.metrics.k8s.io "default/young" not found'),
        ("/namespaces/shop/pods/young", 'pods "young" not found'),
    ],
)
async def test_an_object_that_is_not_there_is_told_from_one_without_metrics(path: str, message: str) -> None:
    response = await get(V1 + path)
    assert (response.status_code, response.json()["message"]) == (404, message)


@pytest.mark.parametrize(
    "path",
    [
        f"{V1}/services",
        f"{V1}/nodes/n1/status",
        f"{V1}/pods/web-1",
        f"{V1}/namespaces",
        f"{V1}/namespaces/default",
        f"{V1}/namespaces/default/nodes",
        f"{V1}/namespaces/default/nodes/n1",
        f"{V1}/namespaces/default/pods/web-1/log",
        f"{V1}//nodes",
        f"{V1}/nodes//n1",
        f"{V1}/watch/nodes",
        f"{V1}/watch/nodes?watch=true",
        f"{V1}/proxy/nodes/n1",
        "/apis/metrics.k8s.io/v1alpha1/nodes",
        "/apis/metrics.k8s.io/v2",
        "/apis/metrics.k8s.io/v1beta1x/nodes",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_path_below_the_group_that_is_nothing_is_not_found(path: str, method: str) -> None:
    async with connect(make_api()) as client:
        response = await client.request(method, path)
    assert response.status_code == 404
    assert response.content == (
        b'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",'
        b'"message":"the server could not find the requested resource","reason":"NotFound","details":{},"code":404}\n'
    )


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])
@pytest.mark.parametrize("path", ["/nodes", "/nodes/n1", "/pods", "/namespaces/a/pods", "/namespaces/a/pods/p"])
async def test_a_resource_can_only_be_got(method: str, path: str) -> None:
    async with connect(make_api()) as client:
        response = await client.request(method, V1 + path)
    assert response.status_code == 405
    assert response.headers["content-type"] == "application/json"
    assert method == "HEAD" or response.json()["details"] == {}


async def test_others_have_their_turn_while_a_whole_cluster_is_answered() -> None:
    rows = [make_row("a", f"p{index}", {"odd": str(index % 2)}) for index in range(20_000)]
    api = make_api(FakeView(pods=rows))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    response = await get(f"{V1}/pods?labelSelector=odd=1", api)
    counting.cancel()
    assert len(response.json()["items"]) == 10_000
    assert turns >= 30  # ten slices to select from, ten to gather, ten to send


def test_options_are_parsed_once_for_the_same_query() -> None:
    query = b"labelSelector=app%3Dweb,track%3Dcanary"
    assert parse_list_options(query) is parse_list_options(query)


def test_a_very_long_query_is_parsed_and_not_kept() -> None:
    query = b"labelSelector=app%3Dweb&x=" + b"y" * 5000
    assert parse_list_options(query) == parse_list_options(query)
    assert parse_list_options(query) is not parse_list_options(query)


class _Reasons:
    def node(self, name: str) -> str | None:
        return f"{name} is asleep"

    def pod(self, namespace: str, name: str) -> str | None:
        return f"{namespace}/{name} started 6 s ago; first sample expected in 9 s"


async def test_a_missing_metric_says_why_behind_metrics_servers_text_and_in_the_causes() -> None:
    api = build_api(small_view(), Probes(), version="0.1.0", reasons=_Reasons())
    status = (await get(f"{V1BETA1}/namespaces/default/pods/young", api)).json()
    why = "default/young started 6 s ago; first sample expected in 9 s"
    assert status["message"] == f'podmetrics.metrics.k8s.io "default/young" not found: {why}'
    assert status["details"] == {
        "name": "default/young",
        "group": "metrics.k8s.io",
        "kind": "podmetrics",
        "causes": [{"reason": "MetricsNotAvailable", "message": why}],
    }
    node = (await get(f"{V1}/nodes/n3", api)).json()
    assert node["message"] == 'nodemetrics.metrics.k8s.io "n3" not found: n3 is asleep'
    assert (node["code"], node["reason"]) == (404, "NotFound")


async def test_what_does_not_exist_is_not_explained() -> None:
    api = build_api(small_view(), Probes(), version="0.1.0", reasons=_Reasons())
    assert (await get(f"{V1}/nodes/nope", api)).json()["message"] == 'node "nope" not found'
    assert (await get(f"{V1}/namespaces/default/pods/nope", api)).json()["message"] == 'pods "nope" not found'
