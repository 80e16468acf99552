"""A Swagger 2.0 document in protobuf, the form that kubectl asks for when it wants version 2.

Messages and numbers: gnostic's ``openapi.v2.Document`` (``openapiv2/OpenAPIv2.proto``). Only what our document has is
known, all else is refused. That serves more than this form: kube-apiserver puts the document it has merged into the
same messages, and one key that has no place in them would leave the whole cluster without its protobuf form.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from metrics_api.api.formats.wire import varint

_Writer = Callable[[int, Any], bytes]
"""Takes a field's number and its value as in JSON, and returns the field."""
_Fields = Mapping[str, tuple[int, _Writer]]
"""A message: key in JSON -> number and writer of the field. ``x-`` stands for all keys that begin so."""

_VARINT, _LENGTH_DELIMITED = 0, 2


def encode_document(document: Mapping[str, Any]) -> bytes:
    """Return the document as an ``openapi.v2.Document``.

    Raises:
        ValueError: it has a key that is not known here.
    """
    return _encode(_DOCUMENT, document)


def _encode(fields: _Fields, value: Mapping[str, Any]) -> bytes:
    encoded = []
    for key, member in value.items():
        if key.startswith("x-") and "x-" in fields:
            encoded.append(_extension(fields["x-"][0], key, member))
        elif key in fields:
            number, write = fields[key]
            encoded.append(write(number, member))
        else:
            raise ValueError(f"{key!r} has no place known here in a Swagger document's protobuf form")
    return b"".join(encoded)


def _delimited(number: int, payload: bytes) -> bytes:
    return varint(number << 3 | _LENGTH_DELIMITED) + varint(len(payload)) + payload


def _string(number: int, value: str) -> bytes:
    return _delimited(number, value.encode())


def _boolean(number: int, value: bool) -> bytes:
    return varint(number << 3 | _VARINT) + varint(value)


def _extension(number: int, name: str, value: Any) -> bytes:
    """Return a NamedAny: the value is in it as YAML, which JSON is."""
    text = json.dumps(value, separators=(",", ":"))
    return _delimited(number, _string(1, name) + _delimited(2, _string(2, text)))


def _message(fields: _Fields) -> _Writer:
    return lambda number, value: _delimited(number, _encode(fields, value))


def _wrapped(inner: int, write: _Writer) -> _Writer:
    """Write a value as the field ``inner`` of a message that has no other: a choice, or a list."""
    return lambda number, value: _delimited(number, write(inner, value))


def _each(write: _Writer) -> _Writer:
    """Write a list as a repeated field."""

    def write_all(number: int, values: Iterable[Any]) -> bytes:
        return b"".join(write(number, value) for value in values)

    return write_all


def _map(entry: int, write: _Writer) -> _Writer:
    """Write an object as a message whose repeated field ``entry`` has messages of name and value."""

    def write_map(number: int, values: Mapping[str, Any]) -> bytes:
        entries = (_delimited(entry, _string(1, name) + write(2, value)) for name, value in values.items())
        return _delimited(number, b"".join(entries))

    return write_map


def _schema(number: int, value: Mapping[str, Any]) -> bytes:
    return _delimited(number, _encode(_SCHEMA, value))


def _parameter(number: int, value: Mapping[str, Any]) -> bytes:
    """Return a ParametersItem: a Parameter, not of the body, of one kind out of four."""
    kind, fields = _PARAMETER_KINDS[value["in"]]
    return _wrapped(1, _wrapped(2, _wrapped(kind, _message(fields))))(number, value)


_strings = _each(_string)

_SCHEMA: _Fields = {
    "$ref": (1, _string),
    "format": (2, _string),
    "description": (4, _string),
    "required": (19, _strings),
    "additionalProperties": (21, _wrapped(1, _schema)),
    "type": (22, _wrapped(1, _string)),
    "items": (23, _wrapped(1, _schema)),
    "properties": (25, _map(1, _schema)),
    "x-": (31, _string),
}
_QUERY_PARAMETER: _Fields = {
    "in": (2, _string),
    "description": (3, _string),
    "name": (4, _string),
    "type": (6, _string),
}
_PATH_PARAMETER: _Fields = {
    "required": (1, _boolean),
    "in": (2, _string),
    "description": (3, _string),
    "name": (4, _string),
    "type": (5, _string),
}
_PARAMETER_KINDS = {"query": (3, _QUERY_PARAMETER), "path": (4, _PATH_PARAMETER)}
_RESPONSE: _Fields = {
    "description": (1, _string),
    "schema": (2, _wrapped(1, _schema)),
}
_OPERATION: _Fields = {
    "tags": (1, _strings),
    "description": (3, _string),
    "operationId": (5, _string),
    "produces": (6, _strings),
    "consumes": (7, _strings),
    "responses": (9, _map(1, _wrapped(1, _message(_RESPONSE)))),
    "schemes": (10, _strings),
    "x-": (13, _string),
}
_PATH_ITEM: _Fields = {
    "get": (2, _message(_OPERATION)),
    "parameters": (9, _each(_parameter)),
}
_DOCUMENT: _Fields = {
    "swagger": (1, _string),
    "info": (2, _message({"title": (1, _string), "version": (2, _string)})),
    "paths": (8, _map(2, _message(_PATH_ITEM))),
    "definitions": (9, _map(1, _schema)),
}
