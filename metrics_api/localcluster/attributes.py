"""What a request wants to do, in the terms of authorization: verb and resource, or verb and path.

Rules: apiserver ``pkg/endpoints/request`` (RequestInfo); ``pkg/endpoints/filters/request_deadline.go``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from metrics_api.errors import SelectorError
from metrics_api.selectors import parse_field_selector
from metrics_api.timetext import parse_duration

_VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_NAMESPACE_SUBRESOURCES = ("status", "finalize")
_LONG_RUNNING_VERBS = ("watch", "proxy")
_LONG_RUNNING_SUBRESOURCES = ("attach", "exec", "proxy", "log", "portforward")


@dataclass(frozen=True, slots=True)
class Attributes:
    """One attempt to do something; also what an access review asks about."""

    verb: str
    """``get``, ``list``, ``watch``, …; for a path, the HTTP method in lower case."""
    path: str = ""
    """The path of a request that is not for a resource; else empty."""
    group: str = ""
    version: str = ""
    resource: str = ""
    """The plural; empty when the request is not for a resource."""
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    @property
    def is_resource(self) -> bool:
        """Whether it is about a resource, not a path."""
        return bool(self.resource)

    @property
    def is_long_running(self) -> bool:
        """Whether it may take as long as it likes."""
        return self.verb in _LONG_RUNNING_VERBS or self.subresource in _LONG_RUNNING_SUBRESOURCES


def flag(query: Mapping[str, Sequence[str]], name: str) -> bool | None:
    """Return a yes-or-no parameter, ``None`` when absent; anything but ``false`` and ``0`` is yes, as in Kubernetes."""
    values = query.get(name)
    return values[0].lower() not in ("false", "0") if values else None


def time_limit_of(query: Mapping[str, Sequence[str]], usual: float) -> float:
    """Return the seconds that a request may take which is not long-running.

    Args:
        query: Its parameter ``timeout``, a Go duration, shortens the limit; one that is not positive does nothing.
        usual: The limit without it.

    Raises:
        ValueError: It is no duration; in Go's words.
    """
    text = _first(query, "timeout")
    wanted = parse_duration(text) if text else 0.0
    return wanted if 0 < wanted < usual else usual


def attributes_of(method: str, path: str, query: Mapping[str, Sequence[str]]) -> Attributes:
    """Return what an HTTP request wants to do."""
    parts = [part for part in path.split("/") if part]
    if len(parts) >= 3 and parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return Attributes(method.lower(), path=path)
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in _NAMESPACE_SUBRESOURCES:
            rest = rest[2:]
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    verb = _VERBS.get(method, "")
    if not name:
        verb = {"get": "list", "delete": "deletecollection"}.get(verb, verb)
    if verb == "list":
        verb = "watch" if flag(query, "watch") else "list"
        name = _name_in_selector(_first(query, "fieldSelector"))
    return Attributes(verb, "", group, version, rest[0], subresource, namespace, name)


def _first(query: Mapping[str, Sequence[str]], name: str) -> str:
    values = query.get(name)
    return values[0] if values else ""


def _name_in_selector(text: str) -> str:
    if not text:
        return ""
    try:
        return parse_field_selector(text).exact("metadata.name") or ""
    except SelectorError:
        return ""  # the handler refuses it, after authorization
