from __future__ import annotations

from typing import Any

from metrics_api.localcluster.aggregation.swagger import keep_paths, merge
from metrics_api.localcluster.aggregation.swagger_to_v3 import convert
from metrics_api.localcluster.stored import JsonObject


def document(path: str, definitions: JsonObject, **extra: Any) -> JsonObject:
    """Return a document with one path that refers to the first of the definitions."""
    schema = {"$ref": f"#/definitions/{next(iter(definitions))}"}
    paths = {path: {"get": {"responses": {"200": {"description": "OK", "schema": schema}}}}}
    return {"swagger": "2.0", "info": {"title": path}, "paths": paths, "definitions": definitions, **extra}


def schema_of(merged: JsonObject, path: str) -> Any:
    """Return the definition that a path leads to."""
    reference = merged["paths"][path]["get"]["responses"]["200"]["schema"]["$ref"]
    return merged["definitions"][reference.removeprefix("#/definitions/")]


def test_definitions_that_only_other_paths_reached_go_also_in_circles() -> None:
    definitions = {
        "a": {"properties": {"b": {"items": {"$ref": "#/definitions/b"}}}},
        "b": {"properties": {"a": {"$ref": "#/definitions/a"}}},
        "never-used": {"$ref": "#/definitions/other"},
        "other": {"properties": {"circle": {"$ref": "#/definitions/circle"}}},
        "circle": {"properties": {"other": {"$ref": "#/definitions/other"}, "a": {"$ref": "#/definitions/a"}}},
    }
    given = document("/apis/g/v/x", definitions)
    given["paths"]["/apis/other/v/y"] = {"schema": {"$ref": "#/definitions/other"}}
    kept = keep_paths(given, "/apis/g/v/")
    assert set(kept["definitions"]) == {"a", "b", "never-used"}


def test_parameters_are_kept() -> None:
    given = document("/apis/g/v/x", {"a": {}}, parameters={"used": {"name": "u"}, "unused": {"name": "n"}})
    given["paths"]["/apis/g/v/x"]["parameters"] = [{"$ref": "#/parameters/used"}]
    assert keep_paths(given, "/apis/g/v/")["parameters"] == given["parameters"]


def test_a_reference_to_nothing_is_left_alone() -> None:
    given = document("/apis/g/v/x", {"a": {"$ref": "#/definitions/missing"}})
    assert keep_paths(given, "/apis/g/v/") == given


def test_the_path_of_another_version_with_the_same_beginning_is_not_kept() -> None:
    assert keep_paths(document("/apis/g/v1beta1/x", {"a": {}}), "/apis/g/v1/")["paths"] == {}


def test_a_definition_that_both_have_alike_is_merged() -> None:
    merged = merge(document("/1", {"a": {"type": "string"}}), document("/2", {"a": {"type": "string"}}))
    assert merged["definitions"] == {"a": {"type": "string"}}


def test_a_definition_that_means_something_else_is_renamed_wherever_it_is_used() -> None:
    first = document("/1", {"a": {"type": "string"}})
    second = document("/2", {"a": {"type": "object", "properties": {"self": {"$ref": "#/definitions/a"}}}})
    merged = merge(first, second)

    assert set(merged["definitions"]) == {"a", "a_v2"}
    assert schema_of(merged, "/1") == {"type": "string"}
    assert schema_of(merged, "/2")["properties"]["self"]["$ref"] == "#/definitions/a_v2"
    assert schema_of(second, "/2")["properties"]["self"]["$ref"] == "#/definitions/a"


def test_a_third_meaning_gets_the_next_number_and_a_known_one_its_own() -> None:
    merged = document("/1", {"a": {"type": "string"}})
    for path, kind in (("/2", "integer"), ("/3", "boolean"), ("/4", "integer")):
        merged = merge(merged, document(path, {"a": {"type": kind}}))

    assert {name: each["type"] for name, each in merged["definitions"].items()} == {
        "a": "string",
        "a_v2": "integer",
        "a_v3": "boolean",
    }
    assert schema_of(merged, "/4") == {"type": "integer"}


def test_definitions_that_differ_in_their_kinds_only_are_one_with_all_kinds() -> None:
    key = "x-kubernetes-group-version-kind"
    merged = merge(document("/1", {"a": {key: [{"kind": "A"}]}}), document("/2", {"a": {key: [{"kind": "B"}]}}))
    assert merged["definitions"] == {"a": {key: [{"kind": "A"}, {"kind": "B"}]}}


def test_a_path_that_both_have_stays_the_firsts() -> None:
    merged = merge(document("/1", {"a": {"type": "string"}}), document("/1", {"b": {"type": "integer"}}))
    assert schema_of(merged, "/1") == {"type": "string"}
    assert merged["info"] == {"title": "/1"}


def test_bodies_parameters_and_references_find_their_place_in_v3() -> None:
    given: JsonObject = {
        "info": {"title": "t"},
        "parameters": {"body": {"in": "body", "name": "b", "required": True, "schema": {"$ref": "#/definitions/a"}}},
        "definitions": {"a": {"type": "object"}},
        "paths": {
            "/x": {
                "parameters": [{"name": "name", "in": "path", "required": True, "type": "string", "uniqueItems": True}],
                "post": {
                    "operationId": "create",
                    "consumes": ["application/yaml"],
                    "parameters": [{"$ref": "#/parameters/body"}],
                    "responses": {"201": {"description": "Created"}},
                },
            }
        },
    }
    item = convert(given)["paths"]["/x"]

    assert item["parameters"] == [
        {"name": "name", "in": "path", "required": True, "schema": {"type": "string", "uniqueItems": True}}
    ]
    schema = {"schema": {"$ref": "#/components/schemas/a"}}
    assert item["post"] == {
        "operationId": "create",
        "requestBody": {"content": {"application/yaml": schema}, "required": True},
        "responses": {"201": {"description": "Created"}},
    }
