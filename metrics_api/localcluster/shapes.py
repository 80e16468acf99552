"""Whether a document has the types of its kind, as far as anything here looks into it.

Kubernetes decodes into typed structs: a value of another type is refused, and ``null`` is as good as absent.
"""

from __future__ import annotations

from typing import Any

from metrics_api.errors import StatusError
from metrics_api.localcluster import statuses
from metrics_api.localcluster.resources import (
    API_SERVICES,
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CONFIG_MAPS,
    ENDPOINT_SLICES,
    NAMESPACES,
    NODES,
    PODS,
    ROLE_BINDINGS,
    ROLES,
    SECRETS,
    SELF_SUBJECT_ACCESS_REVIEWS,
    SERVICES,
    SUBJECT_ACCESS_REVIEWS,
    TOKEN_REQUESTS,
    TOKEN_REVIEWS,
    Resource,
)
from metrics_api.localcluster.stored import JsonObject

Shape = Any
"""A type; a list of one shape; a dict of fields and their shapes; or ``{str: shape}``, a map."""

_MOST_LEVELS = 200  # orjson writes 254
_TEXTS = [str]
_NAMED = {str: str}
_CONDITIONS = [{"type": str, "status": str, "reason": str, "message": str}]
_OBJECT = {
    "metadata": {
        **dict.fromkeys(("name", "namespace", "generateName", "uid", "resourceVersion"), str),
        "labels": _NAMED,
        "annotations": _NAMED,
        "finalizers": _TEXTS,
        "ownerReferences": [{}],
    },
    "spec": {},
    "status": {},
    "data": {},
}
_ROLE = {
    "rules": [dict.fromkeys(("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs"), _TEXTS)],
    "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": _NAMED}]},
}
_ROLE_BINDING = {
    "subjects": [dict.fromkeys(("kind", "name", "namespace", "apiGroup"), str)],
    "roleRef": dict.fromkeys(("kind", "name", "apiGroup"), str),
}
_QUESTIONS = {
    "resourceAttributes": dict.fromkeys(
        ("verb", "group", "version", "resource", "subresource", "namespace", "name"), str
    ),
    "nonResourceAttributes": {"path": str, "verb": str},
}
_SHAPES: dict[Resource, Shape] = {
    CONFIG_MAPS: {"data": _NAMED},
    SECRETS: {"data": _NAMED, "type": str},
    NAMESPACES: {"spec": {"finalizers": _TEXTS}, "status": {"phase": str, "conditions": _CONDITIONS}},
    NODES: {
        "spec": {"unschedulable": bool},
        "status": {"conditions": _CONDITIONS, "addresses": [{"type": str, "address": str}], "nodeInfo": {}},
    },
    PODS: {
        "spec": {
            "containers": [{"name": str, "image": str}],
            "nodeName": str,
            "serviceAccountName": str,
            "readinessGates": [{"conditionType": str}],
        },
        "status": {
            **dict.fromkeys(("phase", "reason", "podIP", "nominatedNodeName"), str),
            "conditions": _CONDITIONS,
            "containerStatuses": [{"name": str, "ready": bool, "restartCount": int, "state": {str: {}}}],
        },
    },
    SERVICES: {
        "spec": {
            **dict.fromkeys(("type", "clusterIP", "externalName"), str),
            "ipFamilies": _TEXTS,
            "ports": [{"name": str, "port": int, "protocol": str}],
        }
    },
    ENDPOINT_SLICES: {
        "addressType": str,
        "endpoints": [{"addresses": _TEXTS, "conditions": {"ready": bool}}],
        "ports": [{"name": str, "port": int}],
    },
    API_SERVICES: {"spec": {"service": {}}, "status": {"conditions": _CONDITIONS}},
    ROLES: _ROLE,
    CLUSTER_ROLES: _ROLE,
    ROLE_BINDINGS: _ROLE_BINDING,
    CLUSTER_ROLE_BINDINGS: _ROLE_BINDING,
    TOKEN_REVIEWS: {"spec": {"token": str, "audiences": _TEXTS}},
    TOKEN_REQUESTS: {"spec": {"audiences": _TEXTS, "expirationSeconds": int, "boundObjectRef": _NAMED}},
    SUBJECT_ACCESS_REVIEWS: {"spec": {"user": str, "uid": str, "groups": _TEXTS, "extra": {str: _TEXTS}, **_QUESTIONS}},
    SELF_SUBJECT_ACCESS_REVIEWS: {"spec": _QUESTIONS},
}
_DELETE_OPTIONS = {
    "gracePeriodSeconds": int,
    "preconditions": {"uid": str, "resourceVersion": str},
    "propagationPolicy": str,
    "dryRun": _TEXTS,
}


def check_type(resource: Resource, obj: JsonObject) -> None:
    """Check that an object is of the kind that the URL names, and take the nulls out of it.

    ``metadata`` is there afterwards; ``kind`` and ``apiVersion`` may be left out.

    Raises:
        StatusError: 400.
    """
    check_nesting(obj)
    drop_nulls(obj)
    version = obj.get("apiVersion", resource.group_version)
    if version != resource.group_version:
        why = f"does not match the expected API version ({resource.group_version})"
        raise statuses.bad_request(f"the API version in the data ({version}) {why}")
    kind = obj.get("kind", resource.kind)
    if kind != resource.kind:
        why = f"cannot be handled as a {resource.kind}"
        raise statuses.bad_request(f'{kind} in version "{resource.version}" {why}: it is of another kind')
    for shape in (_OBJECT, _SHAPES.get(resource, {})):
        _check(obj, shape, resource.kind, resource.version)
    obj.setdefault("metadata", {})


def check_delete_options(options: JsonObject) -> None:
    """Check the body of a deletion, and take the nulls out of it.

    Raises:
        StatusError: 400.
    """
    drop_nulls(options)
    _check(options, _DELETE_OPTIONS, "DeleteOptions", "v1")


def check_nesting(document: Any) -> None:
    """Check that a document is not nested so deeply that it could be neither walked through nor written.

    Raises:
        StatusError: 400.
    """
    level = [document]
    for _ in range(_MOST_LEVELS):
        level = [child for value in level for child in _children(value)]
        if not level:
            return
    raise statuses.bad_request(f"the document is nested more than {_MOST_LEVELS} levels deep")


def drop_nulls(value: Any) -> None:
    """Remove every field that is ``null``, at any depth; :func:`check_nesting` comes first."""
    if isinstance(value, dict):
        for key in [key for key, each in value.items() if each is None]:
            del value[key]
    for child in _children(value):
        drop_nulls(child)


def _children(value: Any) -> list[Any]:
    """Return what is in an object or array and may hold more."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [child for child in inside if isinstance(child, dict | list)]


def _check(value: Any, shape: Shape, kind: str, version: str, path: str = "") -> None:
    if isinstance(shape, type):
        if not isinstance(value, shape) or (shape is int and isinstance(value, bool)):
            raise _mistyped(kind, version, path)
        return
    if not isinstance(value, type(shape)):
        raise _mistyped(kind, version, path)
    if isinstance(shape, list):
        for index, each in enumerate(value):
            _check(each, shape[0], kind, version, f"{path}[{index}]")
        return
    for key, each in value.items():
        inner = shape.get(str, shape.get(key))
        if inner is not None:
            _check(each, inner, kind, version, f"{path}.{key}")


def _mistyped(kind: str, version: str, path: str) -> StatusError:
    what = f'{kind} in version "{version}" cannot be handled as a {kind}'
    return statuses.bad_request(f"{what}: json: cannot unmarshal the value of field {kind}{path}")
