"""The protobuf form of version 2, read back and compared with the JSON.

Numbers: gnostic's ``OpenAPIv2.proto``, set down a second time.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from metrics_api.api.openapi_protobuf import encode_document
from metrics_api.api.openapi_v2 import v2_document
from tests.api.protobuf import fields

_DOCUMENT = v2_document("title", "v1.2.3")


def _only(data: bytes, number: int) -> bytes:
    """Return the content of a message's only field."""
    ((found, content),) = fields(data)
    assert found == number
    assert isinstance(content, bytes)
    return content


def _text(value: int | bytes) -> str:
    assert isinstance(value, bytes)
    return value.decode()


def _named(data: int | bytes) -> tuple[str, bytes]:
    assert isinstance(data, bytes)
    (one, name), (two, value) = fields(data)
    assert (one, two) == (1, 2)
    assert isinstance(value, bytes)
    return _text(name), value


def _map(read: Callable[[bytes], Any], number: int = 1) -> Callable[[Any], Any]:
    def read_map(data: bytes) -> dict[str, Any]:
        entries = list(fields(data))
        assert {found for found, _ in entries} <= {number}
        return {name: read(value) for name, value in map(_named, (entry for _, entry in entries))}

    return read_map


def _message(numbers: dict[int, str], readers: dict[str, Callable[[Any], Any]], repeated: str = "") -> Any:
    """Return a reader of a message: its field numbers, how to read those that are no text, which are repeated."""

    def read(data: bytes) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for number, value in fields(data):
            key = numbers[number]
            if key == "x-":
                name, content = _named(value)
                found[name] = json.loads(_text(_only(content, 2)))
                continue
            decoded = readers.get(key, _text)(value)
            if key in repeated.split():
                found.setdefault(key, []).append(decoded)
            else:
                assert key not in found
                found[key] = decoded
        return found

    return read


def _schema(data: bytes) -> dict[str, Any]:
    numbers = {1: "$ref", 2: "format", 4: "description", 19: "required", 21: "additionalProperties"}
    numbers |= {22: "type", 23: "items", 25: "properties", 31: "x-"}
    readers: dict[str, Callable[[Any], Any]] = {
        "additionalProperties": lambda value: _schema(_only(value, 1)),
        "type": lambda value: _text(_only(value, 1)),
        "items": lambda value: _schema(_only(value, 1)),
        "properties": _map(_schema),
    }
    result: dict[str, Any] = _message(numbers, readers, "required")(data)
    return result


def _parameter(data: bytes) -> dict[str, Any]:
    ((kind, content),) = fields(_only(_only(data, 1), 2))
    in_query = {2: "in", 3: "description", 4: "name", 6: "type"}
    in_path = {1: "required", 2: "in", 3: "description", 4: "name", 5: "type"}
    result: dict[str, Any] = _message({3: in_query, 4: in_path}[kind], {"required": bool})(content)
    return result


_response = _message({1: "description", 2: "schema"}, {"schema": lambda value: _schema(_only(value, 1))})
_operation = _message(
    {
        1: "tags",
        3: "description",
        5: "operationId",
        6: "produces",
        7: "consumes",
        9: "responses",
        10: "schemes",
        13: "x-",
    },
    {"responses": _map(lambda value: _response(_only(value, 1)))},
    "tags produces consumes schemes",
)
_path_item = _message({2: "get", 9: "parameters"}, {"get": _operation, "parameters": _parameter}, "parameters")
_document = _message(
    {1: "swagger", 2: "info", 8: "paths", 9: "definitions"},
    {"info": _message({1: "title", 2: "version"}, {}), "paths": _map(_path_item, 2), "definitions": _map(_schema)},
)


def test_read_back_it_is_the_document() -> None:
    assert _document(encode_document(_DOCUMENT)) == _DOCUMENT


def test_a_text_of_many_bytes_keeps_its_length() -> None:
    document = _DOCUMENT | {"info": {"title": "µ" * 20_000, "version": ""}}
    assert _document(encode_document(document))["info"] == document["info"]


@pytest.mark.parametrize(
    ("change", "key"),
    [
        pytest.param({"host": "x"}, "host", id="document"),
        pytest.param({"x-nope": 1}, "x-nope", id="extension-where-none-is"),
        pytest.param({"info": {"title": "t", "contact": {}}}, "contact", id="info"),
        pytest.param({"definitions": {"a": {"oneOf": []}}}, "oneOf", id="schema"),
        pytest.param({"paths": {"/": {"get": {"requestBody": {}}}}}, "requestBody", id="operation"),
    ],
)
def test_a_key_without_a_place_is_refused(change: dict[str, Any], key: str) -> None:
    with pytest.raises(ValueError, match=f"'{key}' has no place known here"):
        encode_document(_DOCUMENT | change)
