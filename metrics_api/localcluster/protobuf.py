"""Request bodies in Kubernetes' protobuf, for the few kinds that kubectl sends that way.

kubectl and other Go programs send their built-in types as protobuf (``kubectl create namespace``, ``kubectl auth
can-i``) and read JSON answers. Field numbers: the ``generated.proto`` files of ``k8s.io/api``; what a table does not
name is skipped.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from metrics_api.localcluster.stored import JsonObject

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, slots=True)
class _Field:
    """One field: what it is called in JSON and what it holds."""

    name: str
    holds: str | _Message = "text"
    """``text``, ``bytes``, ``integer``, ``boolean``, or the message."""
    repeated: bool = False
    map: bool = False
    """A map from text to what it holds."""


_Message = dict[int, _Field]
"""Field number -> field."""


def _texts(name: str) -> _Field:
    return _Field(name, repeated=True)


_OWNER: _Message = {
    1: _Field("kind"),
    3: _Field("name"),
    4: _Field("uid"),
    5: _Field("apiVersion"),
    6: _Field("controller", "boolean"),
    7: _Field("blockOwnerDeletion", "boolean"),
}
_METADATA = _Field(
    "metadata",
    {
        1: _Field("name"),
        2: _Field("generateName"),
        3: _Field("namespace"),
        5: _Field("uid"),
        6: _Field("resourceVersion"),
        11: _Field("labels", map=True),
        12: _Field("annotations", map=True),
        13: _Field("ownerReferences", _OWNER, repeated=True),
        14: _texts("finalizers"),
    },
)
_RESOURCE_ATTRIBUTES = _Field(
    "resourceAttributes",
    {
        1: _Field("namespace"),
        2: _Field("verb"),
        3: _Field("group"),
        4: _Field("version"),
        5: _Field("resource"),
        6: _Field("subresource"),
        7: _Field("name"),
    },
)
_PATH_ATTRIBUTES = _Field("nonResourceAttributes", {1: _Field("path"), 2: _Field("verb")})
_RULES = _Field(
    "rules",
    {
        1: _texts("verbs"),
        2: _texts("apiGroups"),
        3: _texts("resources"),
        4: _texts("resourceNames"),
        5: _texts("nonResourceURLs"),
    },
    repeated=True,
)
_SUBJECTS = _Field(
    "subjects", {1: _Field("kind"), 2: _Field("apiGroup"), 3: _Field("name"), 4: _Field("namespace")}, repeated=True
)
_ROLE_REF = _Field("roleRef", {1: _Field("apiGroup"), 2: _Field("kind"), 3: _Field("name")})
_SELECTORS = _Field("clusterRoleSelectors", {1: _Field("matchLabels", map=True)}, repeated=True)
_BOUND_OBJECT = _Field(
    "boundObjectRef", {1: _Field("kind"), 2: _Field("apiVersion"), 3: _Field("name"), 4: _Field("uid")}
)
_EXTRA = _Field("extra", {1: _texts("items")}, map=True)
_BINDING: _Message = {1: _METADATA, 2: _SUBJECTS, 3: _ROLE_REF}

_KINDS: dict[tuple[str, str], _Message] = {
    ("v1", "Namespace"): {1: _METADATA},
    ("v1", "ConfigMap"): {
        1: _METADATA,
        2: _Field("data", map=True),
        3: _Field("binaryData", "bytes", map=True),
        4: _Field("immutable", "boolean"),
    },
    ("v1", "Secret"): {
        1: _METADATA,
        2: _Field("data", "bytes", map=True),
        3: _Field("type"),
        5: _Field("immutable", "boolean"),
    },
    ("v1", "ServiceAccount"): {1: _METADATA},
    ("authentication.k8s.io/v1", "TokenReview"): {
        1: _METADATA,
        2: _Field("spec", {1: _Field("token"), 2: _texts("audiences")}),
    },
    ("authentication.k8s.io/v1", "TokenRequest"): {
        1: _METADATA,
        2: _Field("spec", {1: _texts("audiences"), 3: _BOUND_OBJECT, 4: _Field("expirationSeconds", "integer")}),
    },
    ("authentication.k8s.io/v1", "SelfSubjectReview"): {1: _METADATA},
    ("authorization.k8s.io/v1", "SelfSubjectAccessReview"): {
        1: _METADATA,
        2: _Field("spec", {1: _RESOURCE_ATTRIBUTES, 2: _PATH_ATTRIBUTES}),
    },
    ("authorization.k8s.io/v1", "SubjectAccessReview"): {
        1: _METADATA,
        2: _Field(
            "spec",
            {
                1: _RESOURCE_ATTRIBUTES,
                2: _PATH_ATTRIBUTES,
                3: _Field("user"),
                4: _texts("groups"),
                5: _EXTRA,
                6: _Field("uid"),
            },
        ),
    },
    ("rbac.authorization.k8s.io/v1", "Role"): {1: _METADATA, 2: _RULES},
    ("rbac.authorization.k8s.io/v1", "ClusterRole"): {
        1: _METADATA,
        2: _RULES,
        3: _Field("aggregationRule", {1: _SELECTORS}),
    },
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): _BINDING,
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): _BINDING,
}
_DELETE_OPTIONS: _Message = {
    1: _Field("gracePeriodSeconds", "integer"),
    2: _Field("preconditions", {1: _Field("uid"), 2: _Field("resourceVersion")}),
    4: _Field("propagationPolicy"),
    5: _texts("dryRun"),
}
_UNKNOWN: _Message = {1: _Field("type", {1: _Field("apiVersion"), 2: _Field("kind")}), 2: _Field("raw", "raw")}


def decode_object(body: bytes) -> JsonObject | None:
    """Return the object in a body, ``None`` when its kind is not among those that are understood.

    Raises:
        ValueError: The body is no such protobuf.
    """
    if not body.startswith(_MAGIC):
        raise ValueError("the body does not start as Kubernetes' protobuf does")
    envelope = _decode(body[len(_MAGIC) :], _UNKNOWN)
    kind = envelope.get("type", {})
    api_version, name = kind.get("apiVersion", ""), kind.get("kind", "")
    message = _DELETE_OPTIONS if name == "DeleteOptions" else _KINDS.get((api_version, name))
    if message is None:
        return None
    return {"kind": name, "apiVersion": api_version, **_decode(envelope.get("raw", b""), message)}


def _decode(data: bytes, message: _Message) -> JsonObject:
    decoded: JsonObject = {}
    for number, value in _fields(data):
        field = message.get(number)
        if field is None:
            continue
        if field.map:
            key, content = _entry(value, field)
            decoded.setdefault(field.name, {})[key] = content
        elif field.repeated:
            decoded.setdefault(field.name, []).append(_value(value, field))
        elif (content := _value(value, field)) not in ("", {}):
            decoded[field.name] = content
    return decoded


def _entry(data: Any, field: _Field) -> tuple[str, Any]:
    pair = dict(_fields(_bytes(data)))
    content = _value(pair.get(2, b""), field)
    # ExtraValue is a message of its own in protobuf, and a plain list in JSON.
    return _bytes(pair.get(1, b"")).decode(), content["items"] if field is _EXTRA else content


def _value(value: Any, field: _Field) -> Any:
    if isinstance(field.holds, dict):
        return _decode(_bytes(value), field.holds)
    match field.holds:
        case "text":
            return _bytes(value).decode()
        case "bytes":
            return base64.b64encode(_bytes(value)).decode()
        case "raw":
            return _bytes(value)
        case "boolean":
            return bool(value)
        case _:
            return value


def _bytes(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a number where text or a message belongs")  # noqa: TRY004 - the input's fault, not the caller's
    return value


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, position = _varint(data, position)
            yield number, value
            continue
        if kind == _BYTES:
            length, position = _varint(data, position)
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if position + length > len(data):
            raise ValueError("the body ends within a field")
        yield number, data[position : position + length]
        position += length


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise ValueError("the body ends within a number")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("a number of more than 64 bits")
