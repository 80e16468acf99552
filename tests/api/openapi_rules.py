"""What makes an OpenAPI document sound, and an object what its schema says, as rules that look at one thing each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

JsonObject = dict[str, Any]
_TYPES: Mapping[str, type] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "boolean": bool,
}


def schemas(document: JsonObject) -> dict[str, JsonObject]:
    """Return the schemas by name, of either version of OpenAPI."""
    found: dict[str, JsonObject] = (
        document["definitions"] if "swagger" in document else document["components"]["schemas"]
    )
    return found


def operations(document: JsonObject) -> Iterator[tuple[str, str, JsonObject]]:
    """Yield path, method and operation."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield path, method, operation


def parameters(document: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    """Yield path and parameter."""
    for path, item in document["paths"].items():
        for parameter in item.get("parameters", ()):
            yield path, parameter


def answer(operation: JsonObject) -> JsonObject:
    """Return the schema of a 200."""
    response = operation["responses"]["200"]
    schema: JsonObject = (
        response["schema"] if "schema" in response else response["content"]["application/json"]["schema"]
    )
    return schema


def nodes(value: Any) -> Iterator[JsonObject]:
    """Yield every object in a document, itself included."""
    if isinstance(value, dict):
        yield value
        for member in value.values():
            yield from nodes(member)
    elif isinstance(value, list):
        for member in value:
            yield from nodes(member)


def resolve(document: JsonObject, schema: JsonObject) -> JsonObject:
    """Return what a schema refers to, or itself.

    Raises:
        KeyError: there is no such thing.
    """
    if "$ref" not in schema:
        return schema
    found: Any = document
    for step in schema["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    target: JsonObject = found
    return target


def names_in_path(path: str) -> set[str]:
    """Return the parameters that a path has in braces."""
    return set(re.findall(r"\{(\w+)\}", path))


def faults(document: JsonObject, schema: JsonObject, value: Any, where: str = "") -> Iterator[str]:
    """Yield how a value differs from its schema; a member that the schema does not name is a fault as well."""
    schema = resolve(document, schema)
    if not isinstance(value, _TYPES[schema["type"]]):
        yield f"{where} is no {schema['type']}"
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from faults(document, schema["items"], member, f"{where}[{index}]")
    elif isinstance(value, dict):
        yield from (f"{where} lacks {name}" for name in schema.get("required", ()) if name not in value)
        for name, member in value.items():
            inner = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
            if inner is None:
                yield f"{where} has {name}, which is not in the schema"
            else:
                yield from faults(document, inner, member, f"{where}.{name}")
