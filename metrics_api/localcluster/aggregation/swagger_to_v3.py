"""A Swagger 2.0 document as OpenAPI v3, for extension servers that have no v3 of their own.

Source: kube-openapi ``pkg/openapiconv``. What has no counterpart is lost, there as here.
"""

from __future__ import annotations

from typing import Any

from metrics_api.localcluster.stored import JsonObject

_MOVED = {
    "#/definitions/": "#/components/schemas/",
    "#/parameters/": "#/components/parameters/",
    "#/responses/": "#/components/responses/",
}
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
_SCHEMA_KEYS = ("type", "format", "items", "enum", "default", "uniqueItems", "minimum", "maximum", "pattern")
_ANY_TYPE = ["application/json"]


def convert(document: JsonObject) -> JsonObject:
    """Return the OpenAPI v3 document; the one given is not changed."""
    parameters = document.get("parameters") or {}
    bodies = {f"#/parameters/{name}": each for name, each in parameters.items() if each.get("in") == "body"}
    components: JsonObject = {"schemas": _moved(document.get("definitions") or {})}
    others = {name: _parameter(each) for name, each in parameters.items() if each.get("in") != "body"}
    if others:
        components["parameters"] = others
    return {
        "openapi": "3.0.0",
        "info": document.get("info") or {},
        "paths": {path: _path_item(item, bodies) for path, item in (document.get("paths") or {}).items()},
        "components": components,
    }


def _path_item(item: JsonObject, bodies: dict[str, JsonObject]) -> JsonObject:
    shared = item.get("parameters") or []
    converted: JsonObject = {
        key: _operation(value, bodies, shared) if key in _METHODS else value
        for key, value in item.items()
        if key in _METHODS or key.startswith("x-")
    }
    kept = [_parameter(each) for each in shared if not _body_of(each, bodies)]
    return {**converted, "parameters": kept} if kept else converted


def _operation(operation: JsonObject, bodies: dict[str, JsonObject], shared: list[JsonObject]) -> JsonObject:
    dropped = ("consumes", "produces", "schemes", "parameters", "responses")
    converted = {key: value for key, value in operation.items() if key not in dropped}
    own = operation.get("parameters") or []
    kept = [_parameter(each) for each in own if not _body_of(each, bodies)]
    if kept:
        converted["parameters"] = kept
    body = next((found for each in (*own, *shared) if (found := _body_of(each, bodies))), None)
    if body:
        content = {
            kind: {"schema": _moved(body.get("schema") or {})} for kind in operation.get("consumes") or _ANY_TYPE
        }
        required = {"required": True} if body.get("required") else {}
        converted["requestBody"] = {"content": content, **required}
    produces = operation.get("produces") or _ANY_TYPE
    converted["responses"] = {
        code: _response(each, produces) for code, each in (operation.get("responses") or {}).items()
    }
    return converted


def _body_of(parameter: JsonObject, bodies: dict[str, JsonObject]) -> JsonObject | None:
    if parameter.get("in") == "body":
        return parameter
    return bodies.get(parameter.get("$ref", ""))


def _parameter(parameter: JsonObject) -> JsonObject:
    if "$ref" in parameter:
        return _as_object(_moved(parameter))
    schema = {key: parameter[key] for key in _SCHEMA_KEYS if key in parameter}
    rest = {key: value for key, value in parameter.items() if key not in (*_SCHEMA_KEYS, "collectionFormat")}
    return {**rest, "schema": schema}


def _response(response: JsonObject, produces: list[str]) -> JsonObject:
    rest = {key: value for key, value in response.items() if key not in ("schema", "headers", "examples")}
    if "schema" not in response:
        return _as_object(_moved(rest))
    return {**rest, "content": {kind: {"schema": _moved(response["schema"])} for kind in produces}}


def _moved(node: Any) -> Any:
    """Return a part of the document with its references pointing to where v3 keeps things."""
    if isinstance(node, list):
        return [_moved(each) for each in node]
    if not isinstance(node, dict):
        return node
    copy = {key: _moved(value) for key, value in node.items()}
    target = node.get("$ref")
    if isinstance(target, str):
        copy["$ref"] = next(
            (new + target.removeprefix(old) for old, new in _MOVED.items() if target.startswith(old)), target
        )
    return copy


def _as_object(node: Any) -> JsonObject:
    converted: JsonObject = node
    return converted
