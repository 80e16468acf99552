"""A decoder of Kubernetes' protobuf that shares nothing with the encoder under test.

It knows the messages by tables of its own, written from the published field numbers, and decodes to what JSON would
say: empty texts, empty messages and zeros of optional fields are left out, as ``omitempty`` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast

Message = dict[int, tuple[str, Any]]
"""Field number -> name in JSON and kind: a word below, a message, ``[kind]`` for repeated, ``{kind}`` for a map."""

META: Message = {
    1: ("name", "text"),
    3: ("namespace", "text"),
    6: ("resourceVersion", "text"),
    8: ("creationTimestamp", "time"),
    11: ("labels", {"m": "text"}),
    12: ("annotations", {"m": "text"}),
}
LIST_META: Message = {
    1: ("selfLink", "text"),
    2: ("resourceVersion", "text"),
    3: ("continue", "text"),
    4: ("remainingItemCount", "number"),
}
USAGE = {"m": "quantity"}
NODE: Message = {1: ("metadata", META), 2: ("timestamp", "time"), 3: ("window", "duration"), 4: ("usage", USAGE)}
CONTAINER: Message = {1: ("name", "text"), 2: ("usage", USAGE)}
POD: Message = {**NODE, 4: ("containers", [CONTAINER])}
PARTIAL: Message = {1: ("metadata", META)}
CAUSE: Message = {1: ("reason", "text"), 2: ("message", "text"), 3: ("field", "text")}
DETAILS: Message = {
    1: ("name", "text"),
    2: ("group", "text"),
    3: ("kind", "text"),
    4: ("causes", [CAUSE]),
    5: ("retryAfterSeconds", "number"),
    6: ("uid", "text"),
}
STATUS: Message = {
    1: ("metadata", LIST_META),
    2: ("status", "text"),
    3: ("message", "text"),
    4: ("reason", "text"),
    5: ("details", DETAILS),
    6: ("code", "number"),
}
GROUP_VERSION: Message = {1: ("groupVersion", "text"), 2: ("version", "text")}
ADDRESS: Message = {1: ("clientCIDR", "text"), 2: ("serverAddress", "text")}
GROUP: Message = {
    1: ("name", "text"),
    2: ("versions", [GROUP_VERSION]),
    3: ("preferredVersion", GROUP_VERSION),
    4: ("serverAddressByClientCIDRs", [ADDRESS]),
}
RESOURCE: Message = {
    1: ("name", "text"),
    2: ("namespaced", "boolean"),
    3: ("kind", "text"),
    4: ("verbs", "verbs"),
    6: ("singularName", "always"),
    8: ("group", "text"),
    9: ("version", "text"),
    10: ("storageVersionHash", "text"),
}
KINDS: dict[str, Message] = {
    "NodeMetrics": NODE,
    "PodMetrics": POD,
    "PartialObjectMetadata": PARTIAL,
    "NodeMetricsList": {1: ("metadata", LIST_META), 2: ("items", [NODE])},
    "PodMetricsList": {1: ("metadata", LIST_META), 2: ("items", [POD])},
    "PartialObjectMetadataList": {1: ("metadata", LIST_META), 2: ("items", [PARTIAL])},
    "Status": STATUS,
    "APIGroup": GROUP,
    "APIGroupList": {1: ("groups", [GROUP])},
    "APIResourceList": {1: ("groupVersion", "text"), 2: ("resources", [RESOURCE])},
}


def decode_object(body: bytes) -> dict[str, Any]:
    """Return an object with ``kind`` and ``apiVersion`` as JSON has it."""
    assert body[:4] == b"k8s\0"
    envelope = dict(fields(body[4:]))
    assert list(envelope) == [1, 2, 3, 4]
    assert (envelope[3], envelope[4]) == (b"", b"")
    types = {number: cast(bytes, value).decode() for number, value in fields(cast(bytes, envelope[1]))}
    decoded = _message(cast(bytes, envelope[2]), KINDS[types[2]])
    return {"kind": types[2], **({"apiVersion": types[1]} if types[1] else {}), **decoded}


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Return the numbers and values of a message's fields in order; a value is a number or bytes."""
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        if tag & 7 == 0:
            number, place = _varint(data, place)
            yield tag >> 3, number
        else:
            assert tag & 7 == 2, "only these two wire types are used"
            length, place = _varint(data, place)
            assert place + length <= len(data)
            yield tag >> 3, data[place : place + length]
            place += length


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while data[place] & 0x80:
        value |= (data[place] & 0x7F) << shift
        place, shift = place + 1, shift + 7
    return value | data[place] << shift, place + 1


def _message(data: bytes, known: Message) -> dict[str, Any]:
    decoded: dict[str, Any] = {name: [] for name, kind in known.values() if isinstance(kind, list) and name == "items"}
    for number, value in fields(data):
        if number not in known:
            assert not value, f"field {number} is not empty"
            continue
        name, kind = known[number]
        if isinstance(kind, list):
            decoded.setdefault(name, []).append(_value(value, kind[0]))
        elif isinstance(kind, dict) and "m" in kind:
            key, content = (entry for _, entry in fields(cast(bytes, value)))
            decoded.setdefault(name, {})[cast(bytes, key).decode()] = _value(content, kind["m"])
        elif (one := _value(value, kind)) not in ("", None, 0) or kind in ("boolean", "always"):
            decoded[name] = one
    return decoded


def _value(value: int | bytes, kind: Any) -> Any:
    if isinstance(value, int):
        return bool(value) if kind == "boolean" else value
    inner = dict(fields(value)) if kind in ("time", "duration", "quantity") else {}
    match kind:
        case "time":
            if not inner:
                return None
            assert inner[2] == 0
            return datetime.fromtimestamp(cast(int, inner[1]), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        case "duration":
            return go_duration(cast(int, inner[1]))
        case "quantity":
            return cast(bytes, inner[1]).decode()
        case "verbs":
            return [cast(bytes, verb).decode() for _, verb in fields(value)]
        case "text" | "always":
            return value.decode()
        case _:
            return _message(value, kind)


def go_duration(nanoseconds: int) -> str:
    """Return a duration of less than an hour as Go prints it."""
    minutes, rest = divmod(nanoseconds, 60 * 10**9)
    if 0 < rest < 10**9 and not minutes:
        return f"{rest // 10**6}ms"
    seconds = f"{rest / 10**9:.3f}".rstrip("0").rstrip(".")
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
