"""The two patches that know nothing of Kubernetes: JSON merge patch (RFC 7396) and JSON patch (RFC 6902)."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import orjson

from metrics_api.errors import StatusError
from metrics_api.localcluster import statuses

_MOST_OPERATIONS = 10_000
_MOST_COPIED = 3 * 1024 * 1024
_REJECTED = "the server rejected our request due to an error in our request"


def merge_patch(target: Any, patch: Any) -> Any:
    """Return ``target`` with the merge patch applied; neither is changed."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def json_patch(document: Any, operations: Any) -> Any:
    """Return a copy of ``document`` with the operations applied in order.

    Raises:
        StatusError: 400, an operation is malformed; 413, there are too many or they copy too much; 422, one cannot be
            applied.
    """
    if not isinstance(operations, list) or not all(isinstance(one, dict) for one in operations):
        raise statuses.bad_request("a JSON patch is an array of operations")
    if len(operations) > _MOST_OPERATIONS:
        why = f"The allowed maximum operations in a JSON patch is {_MOST_OPERATIONS}, got {len(operations)}"
        raise statuses.entity_too_large(why)
    root = {"": copy.deepcopy(document)}
    copied = 0
    for operation in operations:
        try:
            copied += _apply(root, operation)
            if copied > _MOST_COPIED:
                raise statuses.entity_too_large(f"the operations copy more than {_MOST_COPIED} bytes")
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise StatusError(422, "Invalid", _REJECTED, has_details=True) from error
    return root[""]


def _apply(root: dict[str, Any], operation: dict[str, Any]) -> int:
    """Apply one operation in place and return how many bytes of JSON it has copied."""
    if not isinstance(operation.get("op"), str) or not isinstance(operation.get("path"), str):
        raise statuses.bad_request("an operation of a JSON patch needs op and path")
    path = _pointer(operation["path"])
    match operation["op"]:
        case "add":
            _add(root, path, operation["value"])
        case "remove":
            _remove(root, path)
        case "replace":
            _remove(root, path)
            _add(root, path, operation["value"])
        case "move":
            _add(root, path, _remove(root, _pointer(operation["from"])))
        case "copy":
            encoded = orjson.dumps(_get(root, _pointer(operation["from"])))
            _add(root, path, orjson.loads(encoded))
            return len(encoded)
        case "test":
            if _get(root, path) != operation.get("value"):
                raise ValueError("test failed")
        case unknown:
            raise statuses.bad_request(f"unknown operation {unknown!r} in a JSON patch")
    return 0


def _pointer(text: str) -> list[str]:
    """Return a JSON pointer's parts; the first is the root's, the empty string."""
    if text and not text.startswith("/"):
        raise ValueError("a JSON pointer starts with a slash")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")]


def _get(root: Any, path: Sequence[str]) -> Any:
    for part in path:
        root = root[_index(root, part)] if isinstance(root, list) else root[part]
    return root


def _add(root: Any, path: Sequence[str], value: Any) -> None:
    parent = _get(root, path[:-1])
    if isinstance(parent, list):
        index = len(parent) if path[-1] == "-" else int(path[-1])
        if not 0 <= index <= len(parent):
            raise IndexError(path[-1])
        parent.insert(index, value)
    else:
        parent[path[-1]] = value


def _remove(root: Any, path: Sequence[str]) -> Any:
    parent = _get(root, path[:-1])
    return parent.pop(_index(parent, path[-1]) if isinstance(parent, list) else path[-1])


def _index(values: Sequence[Any], text: str) -> int:
    index = int(text)
    if not 0 <= index < len(values):
        raise IndexError(text)
    return index
