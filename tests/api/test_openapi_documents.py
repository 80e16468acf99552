"""What the OpenAPI documents say: sound in themselves, true of what is served, and in names as metrics-server's."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from metrics_api.api.openapi_v2 import v2_document
from metrics_api.api.openapi_v3 import v3_document
from metrics_api.localcluster.aggregation.swagger import keep_paths, merge
from tests.api import openapi_rules as rules
from tests.api.openapi_rules import JsonObject
from tests.api.views import DATA, FakeView, captured_row, connect, make_api

_V2 = v2_document("title", "v1.2.3")
_V3 = {version: v3_document("title", "v1.2.3", version) for version in ("v1", "v1beta1")}
_WATCHED_V2 = v2_document("title", "v1.2.3", has_watches=True)
_ALL = [
    pytest.param(_V2, id="v2"),
    pytest.param(_WATCHED_V2, id="v2-with-watches"),
    *(pytest.param(each, id=f"v3-{version}") for version, each in _V3.items()),
]
_PACKAGE = "io.k8s.metrics.pkg.apis.metrics."
_CAPTURED_V2 = json.loads((DATA / "openapiv2.json").read_text())
_CAPTURED_V3 = json.loads((DATA / "openapiv3-gv.json").read_text())
_QUERY_EXAMPLES = {
    "labelSelector": "app=web",
    "fieldSelector": "metadata.name=web-1",
    "limit": "500",
    "continue": "",
    "resourceVersion": "0",
    "resourceVersionMatch": "NotOlderThan&resourceVersion=0",
    "timeoutSeconds": "10",
    "pretty": "true",
}

every_document = pytest.mark.parametrize("document", _ALL)


def _client() -> httpx.AsyncClient:
    return connect(make_api(FakeView([captured_row("node.json")], [captured_row("pod.json")])))


def _example(path: str) -> str:
    pod = json.loads((DATA / "pod.json").read_text())["metadata"]
    node = json.loads((DATA / "node.json").read_text())["metadata"]
    name = pod["name"] if "/pods/" in path else node["name"]
    return path.format(namespace=pod["namespace"], name=name)


@every_document
def test_every_reference_leads_to_a_schema(document: JsonObject) -> None:
    references = [node for node in rules.nodes(document) if "$ref" in node]
    targets = [rules.resolve(document, reference) for reference in references]
    assert len(targets) > 4
    assert all(target in rules.schemas(document).values() for target in targets)


@every_document
def test_every_operation_is_a_get_with_an_id_of_its_own_and_an_answer(document: JsonObject) -> None:
    found = list(rules.operations(document))
    ids = [operation["operationId"] for _, _, operation in found]
    assert {method for _, method, _ in found} == {"get"}
    assert len(set(ids)) == len(ids) == len(document["paths"])
    assert all(rules.answer(operation) for _, _, operation in found)


@every_document
def test_the_names_in_a_path_are_its_path_parameters_and_required(document: JsonObject) -> None:
    for path, item in document["paths"].items():
        declared = [each for each in item.get("parameters", ()) if each["in"] == "path"]
        assert {each["name"] for each in declared} == rules.names_in_path(path)
        assert all(each["required"] is True for each in declared)


@every_document
def test_no_parameter_is_declared_twice_for_a_path(document: JsonObject) -> None:
    for item in document["paths"].values():
        names = [(each["in"], each["name"]) for each in item.get("parameters", ())]
        assert len(set(names)) == len(names)


@every_document
def test_operations_name_their_kind_as_an_object_and_schemas_as_a_list(document: JsonObject) -> None:
    kinds = {"nodes": "NodeMetrics", "pods": "PodMetrics"}
    for path, _, operation in rules.operations(document):
        _, _, group, version, *rest = path.split("/")
        resource = next((each for each in rest if each in kinds), None)
        if resource is None:
            assert "x-kubernetes-action" not in operation
            continue
        expected = {"group": group, "version": version, "kind": kinds[resource]}
        assert operation["x-kubernetes-group-version-kind"] == expected
        assert operation["x-kubernetes-action"] == ("get" if path.endswith("{name}") else "list")
    for name, schema in rules.schemas(document).items():
        version, kind = name.removeprefix(_PACKAGE).split(".")
        expected_list = [{"group": "metrics.k8s.io", "version": version, "kind": kind}]
        assert schema.get("x-kubernetes-group-version-kind", []) == (
            [] if kind == "ContainerMetrics" else expected_list
        )


@every_document
def test_everything_is_described(document: JsonObject) -> None:
    described = [operation for _, _, operation in rules.operations(document)]
    described += [parameter for _, parameter in rules.parameters(document)]
    described += [node for schema in rules.schemas(document).values() for node in _described(schema)]
    assert all(each.get("description") or "$ref" in each for each in described)


def _described(schema: JsonObject) -> list[JsonObject]:
    """Return a schema and its properties, and theirs."""
    return [schema, *(each for inner in schema.get("properties", {}).values() for each in _described(inner))]


@pytest.mark.parametrize("version", _V3)
def test_the_schemas_of_both_documents_say_the_same(version: str) -> None:
    v3 = json.loads(json.dumps(rules.schemas(_V3[version])).replace("#/components/schemas/", "#/definitions/"))
    assert {name: each for name, each in rules.schemas(_V2).items() if f".{version}." in name} == v3


def test_the_versions_differ_in_their_names_only() -> None:
    text = json.dumps(_V3["v1beta1"])
    assert json.loads(text.replace("v1beta1", "v1").replace("V1beta1", "V1")) == _V3["v1"]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [pytest.param(_V2, _CAPTURED_V2, id="v2"), pytest.param(_V3["v1beta1"], _CAPTURED_V3, id="v3")],
)
def test_paths_operations_and_schemas_are_named_as_metrics_servers(ours: JsonObject, theirs: JsonObject) -> None:
    prefix = "/apis/metrics.k8s.io/v1beta1/"

    def ids(document: JsonObject) -> dict[str, Any]:
        found = rules.operations(document)
        return {path: operation["operationId"] for path, _, operation in found if path.startswith(prefix)}

    def shapes(document: JsonObject) -> dict[str, Any]:
        kept = {name: each for name, each in rules.schemas(document).items() if name.startswith(f"{_PACKAGE}v1beta1.")}
        return {name: (set(each["required"]), set(each["properties"])) for name, each in kept.items()}

    assert ids(ours) == ids(theirs)
    assert shapes(ours) == shapes(theirs)


@pytest.mark.parametrize("version", _V3)
def test_merged_with_kube_apiservers_own_nothing_is_dropped_or_renamed(version: str) -> None:
    theirs = {name: each for name, each in _CAPTURED_V2["definitions"].items() if not name.startswith(_PACKAGE)}
    kept = keep_paths(_V2, f"/apis/metrics.k8s.io/{version}/")
    ours = {name: each for name, each in _V2["definitions"].items() if f".{version}." in name}
    assert kept["definitions"] == ours
    assert merge({"paths": {}, "definitions": theirs}, kept)["definitions"] == theirs | ours


@pytest.mark.parametrize("path", _V2["paths"])
async def test_an_answer_is_what_its_schema_says(path: str) -> None:
    async with _client() as client:
        response = await client.get(_example(path))
    assert response.status_code == 200
    schema = rules.answer(_V2["paths"][path]["get"])
    assert list(rules.faults(_V2, schema, response.json())) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        pytest.param({"nope": 1}, " has nope, which is not in the schema", id="unknown-field"),
        pytest.param({"window": 15}, ".window is no string", id="number-for-text"),
        pytest.param({"metadata": {"labels": {"a": 1}}}, ".metadata.labels.a is no string", id="deep-inside"),
        pytest.param({"containers": [{"name": "a"}]}, ".containers[0] lacks usage", id="missing-in-a-list"),
    ],
)
def test_a_pod_that_is_not_what_the_schema_says_is_told_apart(change: JsonObject, fault: str) -> None:
    pod = json.loads((DATA / "pod.json").read_text()) | change
    assert list(rules.faults(_V2, {"$ref": f"#/definitions/{_PACKAGE}v1beta1.PodMetrics"}, pod)) == [fault]


def test_a_list_takes_these_parameters_and_an_object_one() -> None:
    for item in _V2["paths"].values():
        query = [each["name"] for each in item.get("parameters", ()) if each["in"] == "query"]
        expected = {"list": list(_QUERY_EXAMPLES), "get": ["pretty"], None: []}
        assert query == expected[item["get"].get("x-kubernetes-action")]


def test_a_list_takes_the_parameters_of_a_watch_where_watches_are_answered() -> None:
    plain, watched = (
        {each["name"]: each["type"] for path, each in rules.parameters(document) if path.endswith("v1/nodes")}
        for document in (_V2, _WATCHED_V2)
    )
    more = {name: kind for name, kind in watched.items() if name not in plain}
    assert more == {"watch": "boolean", "sendInitialEvents": "boolean", "allowWatchBookmarks": "boolean"}
    captured = {each["name"]: each["type"] for each in _CAPTURED_V2["parameters"].values()}
    assert {name: captured.get(name) for name in watched} == watched


@pytest.mark.parametrize(
    "parameter",
    [each for path, each in rules.parameters(_V2) if path.endswith("v1/nodes")],
    ids=lambda each: each["name"],
)
async def test_a_parameter_is_understood_as_declared(parameter: JsonObject) -> None:
    name = parameter["name"]
    async with _client() as client:
        good = await client.get(f"/apis/metrics.k8s.io/v1/nodes?{name}={_QUERY_EXAMPLES[name]}")
        text = await client.get(f"/apis/metrics.k8s.io/v1/nodes?{name}=x&resourceVersion=0")
    assert good.status_code == 200
    assert parameter["type"] == {each["name"]: each["type"] for each in _CAPTURED_V2["parameters"].values()}[name]
    if parameter["type"] == "integer":
        assert text.status_code == 400


@every_document
async def test_what_an_operation_produces_can_be_had(document: JsonObject) -> None:
    async with _client() as client:
        for path, _, operation in rules.operations(document):
            produced = operation.get("produces") or list(operation["responses"]["200"]["content"])
            assert produced
            for media_type in produced:
                response = await client.get(_example(path), headers={"accept": media_type})
                assert (response.status_code, response.headers["content-type"]) == (200, media_type)
