"""Swagger as protobuf: what its bytes are, and what has none. kubectl's own tests read whole documents."""

from __future__ import annotations

from typing import Any

import pytest

from metrics_api.localcluster.swagger_protobuf import encode_swagger


@pytest.mark.parametrize(
    ("document", "encoded"),
    [
        ({"swagger": "2.0"}, b"\x0a\x032.0"),
        ({"info": {"title": "a", "version": "b"}}, b"\x12\x06\x0a\x01a\x12\x01b"),
        ({"schemes": ["a", "b"]}, b"\x2a\x01a\x2a\x01b"),
        # definitions { additional_properties { name, value { type { value } } } }
        ({"definitions": {"D": {"type": "object"}}}, b"\x4a\x12\x0a\x10\x0a\x01D\x12\x0b\xb2\x01\x08\x0a\x06object"),
        # paths { path { name, value { get { deprecated } } } }
        ({"paths": {"/": {"get": {"deprecated": True}}}}, b"\x42\x0b\x12\x09\x0a\x01/\x12\x04\x12\x02\x58\x01"),
        # paths { path { name, value { vendor_extension { name, value { yaml } } } } }
        ({"paths": {"/": {"x-a": 1}}}, b"\x42\x13\x12\x11\x0a\x01/\x12\x0c\x52\x0a\x0a\x03x-a\x12\x03\x12\x011"),
    ],
    ids=["text", "message", "list", "definition", "boolean", "extension"],
)
def test_a_document_is_encoded(document: dict[str, Any], encoded: bytes) -> None:
    assert encode_swagger(document) == encoded


def test_parameters_say_where_they_are_by_their_message() -> None:
    def parameter(**value: str) -> bytes:
        return encode_swagger({"paths": {"/": {"parameters": [value]}}})

    assert b"\x1a\x07\x12\x05query" in parameter(**{"in": "query"})
    assert b"\x22\x06\x12\x04path" in parameter(**{"in": "path"})
    assert b"\x0a\x06\x1a\x04body" in parameter(**{"in": "body"})


@pytest.mark.parametrize(
    "document",
    [
        {"unknown": 1},
        {"definitions": {"D": {"nullable": True}}},
        {"paths": {"/": {"parameters": [{"in": "cookie", "name": "a"}]}}},
        {"paths": {"/": {"parameters": [{"$ref": "#/parameters/a"}]}}},
    ],
    ids=["document", "schema", "parameter", "reference"],
)
def test_what_has_no_place_in_the_messages_is_an_error(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="has no place"):
        encode_swagger(document)
