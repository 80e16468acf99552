"""The operations of an API version: paths, parameters and answers, before they have the form of a document.

Names and extensions follow the generic API server: generators of clients make method names out of the operation ids.
What a client may only try is not among the parameters: those of a watch are there when watches are answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from metrics_api.api.group import GROUP, NODES, PODS, Resource
from metrics_api.api.openapi_schemas import KIND_KEY, Refer, Schema, group_version_kind, list_kind, schema_name


class Parameter(NamedTuple):
    """One parameter."""

    name: str
    place: str
    """``path`` or ``query``."""
    type: str
    description: str


class Operation(NamedTuple):
    """A GET of one path."""

    path: str
    id: str
    description: str
    parameters: Sequence[Parameter]
    answer: Schema
    """Of the body of a 200."""
    extensions: dict[str, Any]
    """Vendor extensions: what the operation does, and of which kind the object is."""


_PRETTY = Parameter(
    "pretty",
    "query",
    "string",
    "If true, JSON is indented; if false, it is not. Without it, it is indented for browsers, curl and wget.",
)
_NAMESPACE = Parameter("namespace", "path", "string", "The namespace of the pods.")
_LIST_PARAMETERS = (
    Parameter(
        "labelSelector",
        "query",
        "string",
        "Only those whose labels match, such as app=web,tier!=cache. Without it all are returned.",
    ),
    Parameter(
        "fieldSelector",
        "query",
        "string",
        "Only those whose fields match. There are metadata.name and metadata.namespace. Without it all are returned.",
    ),
    Parameter(
        "limit",
        "query",
        "integer",
        "The most objects to return. When there are more, the metadata says how to continue.",
    ),
    Parameter(
        "continue",
        "query",
        "string",
        "From the metadata of the last page: returns what follows it. Good for five minutes.",
    ),
)
_WITHOUT_WATCH = (
    Parameter("resourceVersion", "query", "string", "Without effect: metrics are not stored and have no versions."),
    Parameter(
        "resourceVersionMatch",
        "query",
        "string",
        "Exact or NotOlderThan, together with a resourceVersion only. Checked and without effect.",
    ),
    Parameter("timeoutSeconds", "query", "integer", "Checked and without effect: no list waits for anything."),
)
_WITH_WATCH = (
    Parameter("watch", "query", "boolean", "Whether to return changes as they happen instead of a list."),
    Parameter(
        "resourceVersion",
        "query",
        "string",
        "With watch the version, from a list or an event, after which changes are wanted. Without it, or with 0, all "
        "objects come first, as ADDED. A list is the newest there is, whatever it says.",
    ),
    Parameter(
        "resourceVersionMatch",
        "query",
        "string",
        "For a list Exact or NotOlderThan, together with a resourceVersion; NotOlderThan with sendInitialEvents.",
    ),
    Parameter("sendInitialEvents", "query", "boolean", "Whether a watch begins with all objects, as ADDED."),
    Parameter(
        "allowWatchBookmarks",
        "query",
        "boolean",
        "Whether a watch tells now and then how far it has come, and when sendInitialEvents is done.",
    ),
    Parameter("timeoutSeconds", "query", "integer", "After how many seconds a watch ends. Without effect on a list."),
)


def make_operations(version: str, refer: Refer, *, has_watches: bool = False) -> Sequence[Operation]:
    """Return all operations of an API version, sorted by path."""
    parameters = (*_LIST_PARAMETERS, *(_WITH_WATCH if has_watches else _WITHOUT_WATCH), _PRETTY)
    return (
        _discover(version),
        _list(version, PODS, f"Namespaced{PODS.kind}", "/namespaces/{namespace}", refer, parameters),
        _read(version, PODS, f"Namespaced{PODS.kind}", "/namespaces/{namespace}", refer),
        _list(version, NODES, NODES.kind, "", refer, parameters),
        _read(version, NODES, NODES.kind, "", refer),
        _list(version, PODS, f"{PODS.kind}ForAllNamespaces", "", refer, parameters),
    )


def tag(version: str) -> str:
    """Return the tag of an API version's operations."""
    return f"metrics_{version}"


def _root(version: str) -> str:
    return f"/apis/{GROUP}/{version}"


def _id(action: str, version: str, what: str) -> str:
    return f"{action}Metrics{version.capitalize()}{what}"


def _discover(version: str) -> Operation:
    description = "List the resources of this API version."
    return Operation(f"{_root(version)}/", _id("get", version, "APIResources"), description, (), _RESOURCE_LIST, {})


def _list(
    version: str, resource: Resource, what: str, scope: str, refer: Refer, parameters: Sequence[Parameter]
) -> Operation:
    where = "of a namespace" if scope else "of all namespaces" if resource.namespaced else "of the cluster"
    return Operation(
        f"{_root(version)}{scope}/{resource.name}",
        _id("list", version, what),
        f"List the {resource.kind} {where}.",
        (*((_NAMESPACE,) if scope else ()), *parameters),
        refer(schema_name(version, list_kind(resource))),
        _extensions("list", version, resource),
    )


def _read(version: str, resource: Resource, what: str, scope: str, refer: Refer) -> Operation:
    owner = "Pod" if resource.namespaced else "Node"
    name = Parameter("name", "path", "string", f"The name of the {owner}.")
    return Operation(
        f"{_root(version)}{scope}/{resource.name}/{{name}}",
        _id("read", version, what),
        f"Read the {resource.kind} of one {owner}. It is not found when there is no such {owner}, "
        "and as long as it has not been measured.",
        (name, *((_NAMESPACE,) if scope else ()), _PRETTY),
        refer(schema_name(version, resource.kind)),
        _extensions("get", version, resource),
    )


def _extensions(action: str, version: str, resource: Resource) -> dict[str, Any]:
    return {"x-kubernetes-action": action, KIND_KEY: group_version_kind(version, resource.kind)}


def _text(description: str) -> Schema:
    return {"type": "string", "description": description}


_RESOURCE: Schema = {
    "type": "object",
    "required": ["name", "singularName", "namespaced", "kind", "verbs"],
    "properties": {
        "name": _text("The plural, as it stands in paths."),
        "singularName": _text("Empty: the kind in lower case serves as the singular."),
        "namespaced": {"type": "boolean", "description": "Whether its objects are in namespaces."},
        "kind": _text("The kind of its objects."),
        "verbs": {"type": "array", "description": "What can be done with it.", "items": {"type": "string"}},
    },
}
_RESOURCE_LIST: Schema = {
    "type": "object",
    "description": "An APIResourceList of the group meta, version v1.",
    "required": ["groupVersion", "resources"],
    "properties": {
        "apiVersion": _text("Always v1."),
        "kind": _text("Always APIResourceList."),
        "groupVersion": _text("The group and version that the resources are of."),
        "resources": {"type": "array", "description": "The resources there are.", "items": _RESOURCE},
    },
}
