"""In what two servers' answers to the same request differ, and which of that is intended."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import httpx
import yaml

from tests.api.protobuf import decode_object
from tests.e2e.corpus import Probe

_VARYING_HEADERS = frozenset({"audit-id", "content-length", "date", "etag", "transfer-encoding"})
"""The last: Go sends in chunks what is longer than 2 KiB, and we what has no end yet."""
_VARYING_FIELDS = frozenset({"timestamp", "window", "cpu", "memory", "continue", "serverAddress"})
_LONGEST = 300
_INDENTED = "{\n  "


class Answer(NamedTuple):
    """What is compared of a response."""

    status: int
    headers: Mapping[str, str]
    body: Any
    form: str
    """How JSON is written: the order of its keys, whether it is indented, and how it ends."""


class Intended(NamedTuple):
    """A difference from metrics-server that is meant; ``docs/differences.md`` gives the reason under the same title."""

    title: str
    requests: str
    """Pattern found in ``METHOD path accept``, with the names of other headers behind it."""
    differences: str
    """Pattern found in what differs."""


_OLD = r"/apis/metrics\.k8s\.io/v1beta1"
_ANY = r"."
INTENDED: Sequence[Intended] = (
    Intended("Two versions", r"^GET (/apis/?|/apis/metrics\.k8s\.io/*)[ ?]", r"^body"),
    Intended("Two versions", r"^\S+ /apis/metrics\.k8s\.io/v1[ ?/]", _ANY),
    Intended("Two versions", rf"^GET /(apis|openapi/v3{_OLD}) ", r"^body"),
    Intended("Discovery of old aggregation layers", r"^GET /apis/? .*apidiscovery\.k8s\.io;v=v2beta1", _ANY),
    Intended("Pages", r"^GET \S*[?&]limit=\+?[1-9]\d{0,2}[ &]", r"^body\.(items|metadata)"),
    Intended("Pages", r"^GET \S*[?&]continue=[^ &]", r"^(status|body)"),
    Intended("Why there are none", rf"^GET {_OLD}/", r"^body\.message: '(node|pod)metrics\.\S+ \"\S+\" not found: "),
    Intended("Why there are none", rf"^GET {_OLD}/", r"^body\.details\.causes: .*MetricsNotAvailable"),
    Intended("Time of creation", rf"^GET {_OLD}/", r"^body\S*\.creationTimestamp: "),
    Intended("Empty lists", r"^GET .*as=Table", r"^body\.columnDefinitions"),
    Intended("Empty lists", r"^GET .*as=(Table|PartialObjectMetadataList)", r"^body\.(rows|items): \[\], there None"),
    Intended("Media ranges", r"^GET \S* (application/\*$|APPLICATION/JSON$|\S*;q=0(,\S*)?$)", _ANY),
    Intended("Long queries", r"^GET \S*(\?([^&\s]*&){1000}|Selector=[^&\s]{16385})", _ANY),
    Intended("Bytes that are no text", r"^GET \S*%FF", r"^body\.message"),
    Intended("Impersonation", r" impersonate-user$", _ANY),
    Intended("Own version", r"^GET /version/*[ ?]", r"^body"),
    Intended("Own documentation", r"^(GET|HEAD) /openapi/", _ANY),
    Intended("Own metrics", r"^(GET|HEAD) /metrics", r"^(body|header process-start-time-unix)"),
    Intended("Own health checks", r"^GET /(healthz|livez|readyz)\?\S*verbose", r"^body"),
    Intended("Own health checks", r"^GET /(healthz|livez|readyz)/(log|metadata-|metric-)", _ANY),
    Intended("Read only", r"^(?!GET|HEAD)\S+ /((livez|readyz|openapi|metrics)\S*)? ", _ANY),
    Intended("Unknown methods", r"^NONSENSE ", _ANY),
    Intended("No debugging pages", r"^GET /(debug|statusz|flagz)", _ANY),
    Intended("Paths in the index", r"^\S+ ", r"^body\.paths"),
)


def read(response: httpx.Response) -> Answer:
    """Return what is compared of a response, decoded, without what differs from moment to moment."""
    headers = {name: value for name, value in response.headers.items() if name not in _VARYING_HEADERS}
    return Answer(response.status_code, headers, _steady(_decoded(response)), _form(response))


def _decoded(response: httpx.Response) -> Any:
    media_type = response.headers.get("content-type", "").partition(";")[0]
    if media_type == "application/vnd.kubernetes.protobuf":
        return decode_object(response.content)
    if not response.content:
        return ""
    if media_type == "application/json":
        return json.loads(response.content)
    return yaml.safe_load(response.content) if media_type == "application/yaml" else response.text


def _form(response: httpx.Response) -> str:
    if not response.content or response.headers.get("content-type", "").partition(";")[0] != "application/json":
        return ""
    text = response.text
    keys = " ".join(_keys(json.loads(text)))
    return f"{'indented' if text.startswith(_INDENTED) else 'compact'}, ended by {text[-1]!r}, keys {keys}"


def _keys(value: Any) -> Iterator[str]:
    """Return the keys of an object, and of the first of each list in it, in the order they are written."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from _keys(each)
    elif isinstance(value, list) and value:
        yield from _keys(value[0])


def _steady(value: Any, key: str = "") -> Any:
    if key in _VARYING_FIELDS and isinstance(value, str):
        return "…"
    if isinstance(value, dict):
        return {name: _steady(each, name) for name, each in value.items()}
    if isinstance(value, list):
        if key == "cells":
            return [*value[:1], *("…" for _ in value[1:])]
        if key == "containers":  # in no order there
            value = sorted(value, key=lambda each: str(each.get("name")))
        return [_steady(each) for each in value]
    return value


def differences(ours: Answer, theirs: Answer) -> Iterator[str]:
    """Return what differs, one sentence each."""
    if ours.status != theirs.status:
        yield f"status: {ours.status}, there {theirs.status}"
    for name in sorted(ours.headers.keys() | theirs.headers.keys()):
        if ours.headers.get(name) != theirs.headers.get(name):
            yield f"header {name}: {ours.headers.get(name)!r}, there {theirs.headers.get(name)!r}"
    found = list(_body_differences(ours.body, theirs.body, "body"))
    if not found and ours.form != theirs.form:
        yield f"form: {ours.form}, there {theirs.form}"
    yield from found


def _body_differences(ours: Any, theirs: Any, place: str) -> Iterator[str]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted(ours.keys() | theirs.keys()):
            yield from _body_differences(ours.get(name), theirs.get(name), f"{place}.{name}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs) and place[-5:] != "paths":
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _body_differences(one, other, f"{place}[{number}]")
    elif ours != theirs:
        yield f"{place}: {ours!r}, there {theirs!r}"[:_LONGEST]


def unintended(probe: Probe, ours: Answer, theirs: Answer) -> list[str]:
    """Return what differs and is not on the list."""
    others = "".join(f" {name}" for name in probe.headers if name != "accept")
    request = f"{probe.method} {probe.path} {probe.headers.get('accept', '')}{others}"
    meant = [each.differences for each in INTENDED if re.search(each.requests, request)]
    return [each for each in differences(ours, theirs) if not any(re.search(pattern, each) for pattern in meant)]
