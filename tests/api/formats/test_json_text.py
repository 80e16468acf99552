from __future__ import annotations

import json

import pytest

from metrics_api.api.formats import json_text

_VALUE = {"a": "<&>\u2028\u2029é", "b": [], "c": {}, "d": [1, {"e": None}]}


def test_compact_json_ends_in_a_newline_and_escapes_as_go_does() -> None:
    written = json_text.compact(_VALUE)
    assert written.decode() == ('{"a":"\\u003c\\u0026\\u003e\\u2028\\u2029é","b":[],"c":{},"d":[1,{"e":null}]}\n')


def test_indented_json_has_no_newline_at_the_end() -> None:
    written = json_text.indented(_VALUE).decode()
    assert written.startswith(
        '{\n  "a": "\\u003c\\u0026\\u003e\\u2028\\u2029é",\n  "b": [],\n  "c": {},\n  "d": [\n    1,'
    )
    assert not written.endswith("\n")


@pytest.mark.parametrize("write", [json_text.compact, json_text.indented])
def test_json_is_read_back(write: object) -> None:
    assert callable(write)
    assert json.loads(write(_VALUE)) == _VALUE
