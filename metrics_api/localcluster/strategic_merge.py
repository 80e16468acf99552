"""Strategic merge patch: a merge patch that merges some lists by a key instead of replacing them.

Which lists, and by which key, is said by tags on Kubernetes' types; this table has those of the kinds served here.
A server-side apply is treated as a strategic merge too: field owners are not tracked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metrics_api.localcluster import statuses

_DIRECTIVE = "$patch"
_DELETE_PRIMITIVES = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"
_RETAIN = "$retainKeys"

_MERGE_KEYS = {
    "addresses": ("type",),
    "conditions": ("type",),
    "containers": ("name",),
    "env": ("name",),
    "ephemeralContainers": ("name",),
    "hostAliases": ("ip",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ownerReferences": ("uid",),
    "podIPs": ("ip",),
    "ports": ("containerPort", "port"),
    "secrets": ("name",),
    "topologySpreadConstraints": ("topologyKey",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
_MERGED_PRIMITIVES = ("finalizers",)


def strategic_merge(target: Any, patch: Any) -> Any:
    """Return ``target`` with the patch applied; neither is changed.

    Raises:
        StatusError: 400, a directive of the patch is malformed.
    """
    if not isinstance(patch, dict):
        return patch
    if patch.get(_DIRECTIVE) == "replace":
        return {key: value for key, value in patch.items() if key != _DIRECTIVE}
    merged = dict(target) if isinstance(target, dict) else {}
    if _RETAIN in patch:
        retained = _list_of(_RETAIN, patch[_RETAIN])
        merged = {key: value for key, value in merged.items() if key in retained}
    for key, value in patch.items():
        if key.startswith(_DELETE_PRIMITIVES):
            field = key.removeprefix(_DELETE_PRIMITIVES)
            dropped = _list_of(key, value)
            merged[field] = [one for one in _listed(merged.get(field)) if one not in dropped]
        elif key.startswith("$"):
            continue
        elif value is None:
            merged.pop(key, None)
        elif isinstance(value, list):
            merged[key] = _merge_list(key, _listed(merged.get(key)), value)
        else:
            merged[key] = strategic_merge(merged.get(key), value)
    _reorder(merged, patch)
    return merged


def _merge_list(field: str, current: Sequence[Any], patch: Sequence[Any]) -> list[Any]:
    if field in _MERGED_PRIMITIVES:
        return [*current, *(one for one in patch if one not in current)]
    merge_key = _merge_key(field, [*patch, *current])
    if merge_key is None:
        return list(patch)
    if any(one.get(_DIRECTIVE) == "replace" for one in patch):
        return [one for one in patch if _DIRECTIVE not in one]
    merged = {one.get(merge_key): one for one in current}
    for one in patch:
        if one.get(_DIRECTIVE) == "delete":
            merged.pop(one.get(merge_key), None)
        else:
            merged[one.get(merge_key)] = strategic_merge(merged.get(one.get(merge_key)), one)
    return list(merged.values())


def _merge_key(field: str, items: Sequence[Any]) -> str | None:
    if not all(isinstance(one, dict) for one in items):
        return None
    key = next((key for key in _MERGE_KEYS.get(field, ()) if any(key in one for one in items)), None)
    if key is None or not all(isinstance(one.get(key), str | int | None) for one in items):
        return None
    return key


def _listed(value: Any) -> list[Any]:
    """Return what is merged into: a value of another type is replaced, and then refused."""
    return value if isinstance(value, list) else []


def _list_of(directive: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise statuses.bad_request(f"error decoding patch: {directive} is no list")
    return value


def _reorder(merged: dict[str, Any], patch: dict[str, Any]) -> None:
    for key, order in patch.items():
        field = key.removeprefix(_ORDER)
        if field == key or not isinstance(merged.get(field), list):
            continue
        merge_key = _merge_key(field, [*_list_of(key, order), *merged[field]])

        def place(one: Any, wanted: Sequence[Any] = order, name: str | None = merge_key) -> int:
            values = [item.get(name) for item in wanted] if name else list(wanted)
            value = one.get(name) if name else one
            return values.index(value) if value in values else len(values)

        merged[field] = sorted(merged[field], key=place)
