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

_VARYING_HEADERS = frozenset({"audit-id", "content-length", "date", "etag"})
_VARYING_FIELDS = frozenset({"timestamp", "window", "cpu", "memory", "continue", "serverAddress"})
_LONGEST = 300


class Answer(NamedTuple):
    """What is compared of a response."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Intended(NamedTuple):
    """A difference from metrics-server that is meant; ``docs/differences.md`` gives the reason under the same title."""

    title: str
    requests: str
    """Pattern found in ``METHOD path accept``."""
    differences: str
    """Pattern found in what differs."""


_RESOURCE = r"v1beta1/(nodes|pods|namespaces)"
INTENDED: Sequence[Intended] = (
    Intended("Two versions", r"^GET /(apis/?|apis/metrics\.k8s\.io(/|/v1)?) ", r"."),
    Intended("Discovery of old aggregation layers", r"^GET /apis .*apidiscovery", r"."),
    Intended("Pages", r"^GET \S*[?&](limit|continue)=", r"^(body|status)"),
    Intended("Time of creation", rf"^GET \S*{_RESOURCE}", r"^body\S*\.creationTimestamp: "),
    Intended("Columns of an empty Table", r"^GET .*as=Table", r"^body\.(columnDefinitions|rows)"),
    Intended("Any application type", r"^GET \S* application/\*", r"."),
    Intended("Own version", r"^GET /version", r"^body"),
    Intended("Own documentation", r"^GET /openapi", r"."),
    Intended("Own health checks", r"^GET /(healthz|livez|readyz)\S", r"^(body|status)"),
    Intended("Probes are read", r"^(?!GET)\S+ /(livez|version)", r"."),
    Intended("Unknown methods", r"^NONSENSE ", r"."),
    Intended("No debugging pages", r"^GET /(debug|statusz|flagz)", r"."),
    Intended("Paths in the index", r"^GET ", r"^body\.paths"),
)


def read(response: httpx.Response) -> Answer:
    """Return what is compared of a response, decoded, without what differs from moment to moment."""
    headers = {name: value for name, value in response.headers.items() if name not in _VARYING_HEADERS}
    return Answer(response.status_code, headers, _steady(_decoded(response)))


def _decoded(response: httpx.Response) -> Any:
    media_type = response.headers.get("content-type", "").partition(";")[0]
    if media_type == "application/vnd.kubernetes.protobuf":
        return decode_object(response.content)
    if not response.content:
        return ""
    if media_type == "application/json":
        return json.loads(response.content)
    return yaml.safe_load(response.content) if media_type == "application/yaml" else response.text


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
    yield from _body_differences(ours.body, theirs.body, "body")


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
    request = f"{probe.method} {probe.path} {probe.headers.get('accept', '')}"
    meant = [each.differences for each in INTENDED if re.search(each.requests, request)]
    return [each for each in differences(ours, theirs) if not any(re.search(pattern, each) for pattern in meant)]
