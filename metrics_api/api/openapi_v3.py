"""The OpenAPI 3.0 documents, one for each API version: what kubectl explains from since 1.29."""

from __future__ import annotations

from typing import Any

from metrics_api.api.formats.format import MEDIA_TYPES
from metrics_api.api.openapi_operations import Operation, Parameter, make_operations, tag
from metrics_api.api.openapi_schemas import Schema, make_schemas


def v3_document(title: str, version: str, api_version: str, *, has_watches: bool = False) -> dict[str, Any]:
    """Return the document of one API version.

    Args:
        title: Of the API.
        version: Of this program.
        api_version: Such as ``v1``.
        has_watches: Whether watches are answered.
    """
    operations = make_operations(api_version, _refer, has_watches=has_watches)
    return {
        "openapi": "3.0.0",
        "info": {"title": title, "version": version},
        "paths": {operation.path: _path_item(operation, api_version) for operation in operations},
        "components": {"schemas": make_schemas(api_version, _refer)},
    }


def _refer(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _path_item(operation: Operation, api_version: str) -> dict[str, Any]:
    content = {media_type: {"schema": operation.answer} for media_type in MEDIA_TYPES}
    get = {
        "tags": [tag(api_version)],
        "description": operation.description,
        "operationId": operation.id,
        "responses": {"200": {"description": "OK", "content": content}},
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
        "schema": {"type": parameter.type},
    }
    return written | ({"required": True} if parameter.place == "path" else {})
