"""The Swagger 2.0 document: all API versions in one, as kube-apiserver's merging and older kubectls want it."""

from __future__ import annotations

from typing import Any

from metrics_api.api.formats.format import MEDIA_TYPES
from metrics_api.api.group import VERSIONS
from metrics_api.api.openapi_operations import Operation, Parameter, make_operations, tag
from metrics_api.api.openapi_schemas import Schema, make_schemas


def v2_document(title: str, version: str, *, has_watches: bool = False) -> dict[str, Any]:
    """Return the document.

    Args:
        title: Of the API.
        version: Of this program.
        has_watches: Whether watches are answered.
    """
    definitions: dict[str, Schema] = {}
    paths: dict[str, Any] = {}
    for each in VERSIONS:
        definitions |= make_schemas(each, _refer)
        operations = make_operations(each, _refer, has_watches=has_watches)
        paths |= {operation.path: _path_item(operation, each) for operation in operations}
    info = {"title": title, "version": version}
    return {"swagger": "2.0", "info": info, "paths": paths, "definitions": definitions}


def _refer(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def _path_item(operation: Operation, version: str) -> dict[str, Any]:
    get = {
        "description": operation.description,
        "consumes": ["*/*"],
        "produces": list(MEDIA_TYPES),
        "schemes": ["https"],
        "tags": [tag(version)],
        "operationId": operation.id,
        "responses": {"200": {"description": "OK", "schema": operation.answer}},
        **operation.extensions,
    }
    item: dict[str, Any] = {"get": get}
    if operation.parameters:
        item["parameters"] = [_parameter(each) for each in operation.parameters]
    return item


def _parameter(parameter: Parameter) -> dict[str, Any]:
    written: dict[str, Any] = {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
        "type": parameter.type,
    }
    return written | ({"required": True} if parameter.place == "path" else {})
