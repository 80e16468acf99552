"""What a request asks for, in the terms that authorization and routing share.

Both read the same value, so nothing can be answered under another name than it was authorized. Rules: apiserver
``pkg/endpoints/request`` (``RequestInfo``), without the verbs in paths (``/watch/nodes``), which nobody serves here.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from metrics_api.api.query import Query, first, flag, parse_query
from metrics_api.errors import SelectorError
from metrics_api.selectors import parse_field_selector

_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_VERBS_WITH_SELECTORS = ("list", "watch", "deletecollection")
_NAMESPACE_SUBRESOURCES = ("status", "finalize")
_REMEMBERED = 4096
_LONGEST = 1024
"""Characters of path and query; what is longer is not remembered."""


class RequestInfo(msgspec.Struct, frozen=True, gc=False):
    """One request."""

    verb: str
    """For a resource ``get``, ``list``, ``watch``, ``create``, ``update``, ``patch``, ``delete``, ``deletecollection``,
    or empty for a method that maps to none; for another path the method in lower case."""
    path: str
    """Decoded, without the query."""
    is_resource: bool = False
    """True for ``/apis/<group>/<version>/<something>``, and ``/api/<version>/<something>`` of the group without a name,
    which nobody serves here; the fields below are empty otherwise."""
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    name: str = ""
    """From the path; for a list also from ``fieldSelector=metadata.name=…``, as RBAC by name wants it."""
    subresource: str = ""
    depth: int = 0
    """How many parts the path has between slashes."""
    has_namespace: bool = False
    """Whether the path names a namespace, if only an empty one, which stands for all."""
    field_selector: str = ""
    """As written, of ``list``, ``watch`` and ``deletecollection``: an authorizer may care what is picked."""
    label_selector: str = ""
    """Likewise."""


def parse_request(method: str, path: str, query_string: bytes) -> RequestInfo:
    """Return what a request asks for; remembered, for controllers ask for the same every few seconds.

    Args:
        method: In upper case.
        path: Decoded.
        query_string: As it came.
    """
    if len(path) + len(query_string) > _LONGEST:
        return _parse_request(method, path, query_string)
    return _remembered(method, path, query_string)


def _parse_request(method: str, path: str, query_string: bytes) -> RequestInfo:
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        group, version, *rest = "", *parts[1:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, *rest = parts[1:]
    else:
        return RequestInfo(method.lower(), path)
    verb = _VERBS.get(method, "")
    namespace, has_namespace = "", False
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace, has_namespace = rest[1], True
        if len(rest) > 2 and rest[2] not in _NAMESPACE_SUBRESOURCES:
            rest = rest[2:]
    resource = rest[0]
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    field_selector = label_selector = ""
    if not name:
        query = parse_query(query_string)
        verb, name = _of_collection(verb, query)
        if verb in _VERBS_WITH_SELECTORS:
            field_selector, label_selector = first(query, "fieldSelector"), first(query, "labelSelector")
    place = (group, version, namespace, resource, name, subresource, len(parts), has_namespace)
    return RequestInfo(verb, path, True, *place, field_selector, label_selector)


_remembered = lru_cache(_REMEMBERED)(_parse_request)


def _of_collection(verb: str, query: Query) -> tuple[str, str]:
    """Return the verb and the name of a request whose path names no object."""
    if verb != "get":
        return "deletecollection" if verb == "delete" else verb, ""
    return "watch" if flag(query, "watch") else "list", _selected_name(query)


def _selected_name(query: Query) -> str:
    selector = first(query, "fieldSelector")
    if "metadata.name" not in selector:
        return ""  # nobody has been authenticated yet: no work for strangers that cannot matter
    try:
        name = parse_field_selector(selector).exact("metadata.name")
    except SelectorError:
        return ""  # the list itself will say what is wrong
    return name if name and name not in (".", "..") and "/" not in name and "%" not in name else ""
