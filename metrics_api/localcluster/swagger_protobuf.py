"""A Swagger 2.0 document as protobuf: the only form of ``/openapi/v2`` that kubectl before 1.27 asks for.

Messages and numbers: gnostic's ``openapi.v2``. As in kube-apiserver, one key that has no place in them spoils the whole
document; XML, forms, examples and security, which no API server has, have none here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

MEDIA_TYPES = (
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
)
"""Today's name of the form, and that of kubectl before 1.24."""

_EXTENSION = "x-"
_PARAMETER = {"in": 2, "description": 3, "name": 4}
_MESSAGES: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "Document": {
        "swagger": (1, "string"),
        "info": (2, "Info"),
        "schemes": (5, "string"),
        "consumes": (6, "string"),
        "produces": (7, "string"),
        "paths": (8, "map 2 PathItem"),
        "definitions": (9, "map 1 Schema"),
    },
    "Info": {"title": (1, "string"), "version": (2, "string"), "description": (3, "string")},
    "PathItem": {
        **{name: (number, "Operation") for number, name in enumerate(("get", "put", "post", "delete"), 2)},
        **{name: (number, "Operation") for number, name in enumerate(("options", "head", "patch"), 6)},
        "parameters": (9, "Parameter"),
        _EXTENSION: (10, "extension"),
    },
    "Operation": {
        "tags": (1, "string"),
        "summary": (2, "string"),
        "description": (3, "string"),
        "operationId": (5, "string"),
        "produces": (6, "string"),
        "consumes": (7, "string"),
        "parameters": (8, "Parameter"),
        "responses": (9, "map 1 ResponseValue"),
        "schemes": (10, "string"),
        "deprecated": (11, "bool"),
        _EXTENSION: (13, "extension"),
    },
    "Response": {"description": (1, "string"), "schema": (2, "wrapped 1 Schema")},
    "body": {
        "description": (1, "string"),
        "name": (2, "string"),
        "in": (3, "string"),
        "required": (4, "bool"),
        "schema": (5, "Schema"),
    },
    "query": {
        **{name: (number, "string") for name, number in _PARAMETER.items()},
        "required": (1, "bool"),
        "type": (6, "string"),
        "format": (7, "string"),
        "uniqueItems": (20, "bool"),
    },
    "path": {
        **{name: (number, "string") for name, number in _PARAMETER.items()},
        "required": (1, "bool"),
        "type": (5, "string"),
        "format": (6, "string"),
        "uniqueItems": (19, "bool"),
    },
    "Schema": {
        "$ref": (1, "string"),
        "format": (2, "string"),
        "title": (3, "string"),
        "description": (4, "string"),
        "default": (5, "any"),
        "maximum": (7, "number"),
        "minimum": (9, "number"),
        "pattern": (13, "string"),
        "required": (19, "string"),
        "enum": (20, "any"),
        "additionalProperties": (21, "wrapped 1 Schema"),
        "type": (22, "wrapped 1 string"),
        "items": (23, "wrapped 1 Schema"),
        "allOf": (24, "Schema"),
        "properties": (25, "map 1 Schema"),
        _EXTENSION: (31, "extension"),
    },
}
"""Message -> key in JSON -> number and kind of the field. A list of values is a repeated field of the kind."""


def encode_swagger(document: Mapping[str, Any]) -> bytes:
    """Return the document as an ``openapi.v2.Document``.

    Raises:
        ValueError: it has a key that the messages do not have.
    """
    return b"".join(_members("Document", document))


def _members(message: str, value: Mapping[str, Any]) -> Iterator[bytes]:
    fields = _MESSAGES[message]
    for key, member in value.items():
        if key.startswith(_EXTENSION) and _EXTENSION in fields:
            yield _delimited(fields[_EXTENSION][0], _string(1, key) + _delimited(2, _any(member)))
            continue
        number, kind = fields.get(key, (0, ""))
        if not number:
            raise ValueError(f"{key!r} has no place in the message {message}")
        for each in member if isinstance(member, list) else [member]:
            yield _field(number, kind, each)


def _field(number: int, kind: str, value: Any) -> bytes:
    match kind.split():
        case ["string"]:
            return _string(number, value)
        case ["bool"]:
            return _varint(number << 3) + _varint(int(value))
        case ["number"]:
            return _varint(number << 3 | 1) + struct.pack("<d", value)
        case ["any"]:
            return _delimited(number, _any(value))
        case ["wrapped", inner, of]:
            return _delimited(number, _field(int(inner), of, value))
        case ["map", entry, of]:
            named = (_string(1, name) + _field(2, of, each) for name, each in value.items())
            return _delimited(number, b"".join(_delimited(int(entry), each) for each in named))
        case ["ResponseValue"]:
            return _delimited(number, _field(1, "Response", value))
        case ["Parameter"]:
            return _delimited(number, _parameter(value))
        case _:
            return _delimited(number, b"".join(_members(kind, value)))


def _parameter(value: Mapping[str, Any]) -> bytes:
    """Return a ParametersItem: a Parameter, which is one of the body or one of four others."""
    where = value.get("in")
    if where == "body":
        return _delimited(1, _field(1, "body", value))
    number = {"query": 3, "path": 4}.get(str(where))
    if number is None:
        raise ValueError(f"a parameter in {where!r} has no place")
    return _delimited(1, _delimited(2, _field(number, str(where), value)))


def _any(value: Any) -> bytes:
    """Return an Any, whose value is YAML, which JSON is."""
    return _string(2, orjson.dumps(value).decode())


def _string(number: int, value: str) -> bytes:
    return _delimited(number, value.encode())


def _delimited(number: int, payload: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
