"""Merge patch, JSON patch and strategic merge patch as functions."""

from __future__ import annotations

from typing import Any

import pytest

from metrics_api.errors import StatusError
from metrics_api.localcluster.json_patch import json_patch, merge_patch
from metrics_api.localcluster.strategic_merge import strategic_merge


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        (["a"], {"a": "c"}, {"a": "c"}),
    ],
)
def test_a_merge_patch_follows_rfc_7396(target: Any, patch: Any, expected: Any) -> None:
    assert merge_patch(target, patch) == expected


@pytest.mark.parametrize(
    ("document", "operation", "expected"),
    [
        ({"a": 1}, {"op": "add", "path": "/b", "value": 2}, {"a": 1, "b": 2}),
        ({"a": [1, 3]}, {"op": "add", "path": "/a/1", "value": 2}, {"a": [1, 2, 3]}),
        ({"a": [1]}, {"op": "add", "path": "/a/-", "value": 2}, {"a": [1, 2]}),
        ({"a": 1, "b": 2}, {"op": "remove", "path": "/b"}, {"a": 1}),
        ({"a": [1, 2]}, {"op": "remove", "path": "/a/0"}, {"a": [2]}),
        ({"a": 1}, {"op": "replace", "path": "/a", "value": 2}, {"a": 2}),
        ({"a": {"x": 1}}, {"op": "move", "from": "/a/x", "path": "/b"}, {"a": {}, "b": 1}),
        ({"a": {"x": 1}}, {"op": "copy", "from": "/a", "path": "/b"}, {"a": {"x": 1}, "b": {"x": 1}}),
        ({"a/b": 1, "~": 2}, {"op": "test", "path": "/a~1b", "value": 1}, {"a/b": 1, "~": 2}),
        ({"~": 2}, {"op": "replace", "path": "/~0", "value": 3}, {"~": 3}),
        ({"a": 1}, {"op": "replace", "path": "", "value": {"b": 1}}, {"b": 1}),
    ],
)
def test_a_json_patch_follows_rfc_6902(document: Any, operation: dict[str, Any], expected: Any) -> None:
    assert json_patch(document, [operation]) == expected


@pytest.mark.parametrize(
    ("operations", "code"),
    [
        ([{"op": "test", "path": "/a", "value": 2}], 422),
        ([{"op": "remove", "path": "/absent"}], 422),
        ([{"op": "add", "path": "/list/7", "value": 1}], 422),
        ([{"op": "remove", "path": "/list/-1"}], 422),
        ([{"op": "add", "path": "/absent/x", "value": 1}], 422),
        ([{"op": "add", "path": "a", "value": 1}], 422),
        ([{"op": "invent", "path": "/a"}], 400),
        ([{"path": "/a"}], 400),
        ({"op": "add"}, 400),
        (["add"], 400),
    ],
)
def test_a_json_patch_that_cannot_be_applied_is_refused_and_changes_nothing(operations: Any, code: int) -> None:
    document = {"a": 1, "list": [1]}

    with pytest.raises(StatusError) as caught:
        json_patch(document, operations)

    assert caught.value.code == code
    assert document == {"a": 1, "list": [1]}


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        (
            {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]},
            {"containers": [{"name": "b", "image": "2"}]},
            {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]},
        ),
        (
            {"containers": [{"name": "a"}, {"name": "b"}]},
            {"containers": [{"name": "a", "$patch": "delete"}]},
            {"containers": [{"name": "b"}]},
        ),
        (
            {"containers": [{"name": "a"}, {"name": "b"}]},
            {"containers": [{"name": "c"}], "$setElementOrder/containers": [{"name": "c"}, {"name": "a"}]},
            {"containers": [{"name": "c"}, {"name": "a"}, {"name": "b"}]},
        ),
        ({"args": ["a", "b"]}, {"args": ["c"]}, {"args": ["c"]}),
        ({"finalizers": ["a"]}, {"finalizers": ["b"]}, {"finalizers": ["a", "b"]}),
        ({"finalizers": ["a", "b"]}, {"$deleteFromPrimitiveList/finalizers": ["a"]}, {"finalizers": ["b"]}),
        (
            {"conditions": [{"type": "Ready", "status": "False"}]},
            {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Disk", "status": "True"}]},
            {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Disk", "status": "True"}]},
        ),
        ({"labels": {"a": "1", "b": "2"}}, {"labels": {"a": None}}, {"labels": {"b": "2"}}),
        ({"strategy": {"a": 1}}, {"strategy": {"$patch": "replace", "b": 2}}, {"strategy": {"b": 2}}),
        ({"strategy": {"a": 1, "b": 2}}, {"strategy": {"$retainKeys": ["b"]}}, {"strategy": {"b": 2}}),
        (
            {"ports": [{"port": 80, "name": "x"}]},
            {"ports": [{"port": 80, "name": "y"}, {"port": 443}]},
            {"ports": [{"port": 80, "name": "y"}, {"port": 443}]},
        ),
        (
            {"containers": [{"name": "a"}]},
            {"containers": [{"$patch": "replace"}, {"name": "b"}]},
            {"containers": [{"name": "b"}]},
        ),
    ],
    ids=[
        "list merged by name",
        "item deleted",
        "order set",
        "list without a key replaced",
        "primitives added",
        "primitives deleted",
        "conditions merged by type",
        "map key deleted",
        "map replaced",
        "keys retained",
        "service ports merged by port",
        "list replaced",
    ],
)
def test_a_strategic_merge(target: dict[str, Any], patch: dict[str, Any], expected: dict[str, Any]) -> None:
    assert strategic_merge(target, patch) == expected
