"""Documents that are small and rarely asked for, as protobuf by tables of field numbers: Status and discovery.

Numbers: apimachinery ``pkg/apis/meta/v1`` ``generated.proto``. A field that is no pointer in Go is written even when it
is absent here; one that is ``optional`` or repeated is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metrics_api.api.formats import wire


@dataclass(frozen=True, slots=True)
class _Field:
    """One field: its number, its name in JSON, and what it holds."""

    number: int
    name: str
    message: Sequence[_Field] | None = None
    """``None`` for a text or a number."""
    absent: Any = ""
    """What is written when the document has no such key; ``None`` for nothing."""
    repeated: bool = False


def _message(number: int, name: str, fields: Sequence[_Field]) -> _Field:
    return _Field(number, name, fields, absent={})


def _texts(number: int, name: str) -> _Field:
    return _Field(number, name, absent=(), repeated=True)


def _messages(number: int, name: str, fields: Sequence[_Field]) -> _Field:
    return _Field(number, name, fields, absent=(), repeated=True)


_LIST_META = (_Field(1, "selfLink"), _Field(2, "resourceVersion"), _Field(3, "continue"))
_CAUSE = (_Field(1, "reason"), _Field(2, "message"), _Field(3, "field"))
_DETAILS = (
    _Field(1, "name"),
    _Field(2, "group"),
    _Field(3, "kind"),
    _messages(4, "causes", _CAUSE),
    _Field(5, "retryAfterSeconds", absent=0),
    _Field(6, "uid"),
)
_STATUS = (
    _message(1, "metadata", _LIST_META),
    _Field(2, "status"),
    _Field(3, "message"),
    _Field(4, "reason"),
    _Field(5, "details", _DETAILS, absent=None),
    _Field(6, "code", absent=0),
)
_GROUP_VERSION = (_Field(1, "groupVersion"), _Field(2, "version"))
_GROUP = (
    _Field(1, "name"),
    _messages(2, "versions", _GROUP_VERSION),
    _message(3, "preferredVersion", _GROUP_VERSION),
    _messages(4, "serverAddressByClientCIDRs", (_Field(1, "clientCIDR"), _Field(2, "serverAddress"))),
)
_RESOURCE = (
    _Field(1, "name"),
    _Field(2, "namespaced", absent=False),
    _Field(3, "kind"),
    _Field(4, "verbs", (_texts(1, "items"),), absent=None),
    _texts(5, "shortNames"),
    _Field(6, "singularName"),
    _texts(7, "categories"),
    _Field(8, "group"),
    _Field(9, "version"),
    _Field(10, "storageVersionHash"),
)
_KINDS: Mapping[str, Sequence[_Field]] = {
    "Status": _STATUS,
    "APIGroup": _GROUP,
    "APIGroupList": (_messages(1, "groups", _GROUP),),
    "APIResourceList": (_Field(1, "groupVersion"), _messages(2, "resources", _RESOURCE)),
}


def encode(document: Mapping[str, Any]) -> bytes:
    """Return a document with its envelope.

    Args:
        document: As JSON has it; its ``kind`` is ``Status``, ``APIGroup``, ``APIGroupList`` or ``APIResourceList``.
    """
    kind = document["kind"]
    raw = _encode(document, _KINDS[kind])
    return wire.envelope_head(document.get("apiVersion", ""), kind) + wire.delimited(2, raw) + wire.ENVELOPE_TAIL


def _encode(value: Mapping[str, Any], fields: Sequence[_Field]) -> bytes:
    return b"".join(_encode_field(value.get(field.name, field.absent), field) for field in fields)


def _encode_field(value: Any, field: _Field) -> bytes:
    if value is None:
        return b""
    if field.repeated:
        return b"".join(_encode_one(one, field) for one in value)
    return _encode_one(value, field)


def _encode_one(value: Any, field: _Field) -> bytes:
    if field.message is not None:
        # A list that is a message of its own in protobuf (verbs) is a plain one in JSON.
        fields = value if isinstance(value, Mapping) else {"items": value}
        return wire.delimited(field.number, _encode(fields, field.message))
    if isinstance(value, str):
        return wire.text_field(field.number, value)
    return wire.number_field(field.number, int(value))
