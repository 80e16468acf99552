"""The kinds as schemas: what ``kubectl explain`` tells, and what clients are generated from.

They refer to nothing but each other. kube-apiserver merges them with its own, and renames a definition that says
something else under a name it knows (``ObjectMeta``, ``Time``, ``Quantity``): what those mean stands in its place here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from metrics_api.api.group import GROUP, NODES, PODS, Resource

Schema = dict[str, Any]
"""A JSON Schema, as Swagger 2.0 and OpenAPI 3.0 both write it."""
Refer = Callable[[str], Schema]
"""Makes the reference to a schema of that name."""

KIND_KEY = "x-kubernetes-group-version-kind"
_CONTAINER_KIND = "ContainerMetrics"

_NODE_METRICS = "NodeMetrics is what a node uses of CPU and memory: the whole machine, system daemons included."
_POD_METRICS = (
    "PodMetrics is what the containers of a pod use of CPU and memory. A pod is served whole or not at all: every "
    "container that runs is here, sidecars included; init containers that have finished are not."
)
_TIMESTAMP = (
    "When the usage was measured, by the clock of the kubelet: RFC 3339, UTC, whole seconds. Memory is as of this "
    "moment; CPU is the mean over the window that ends at it."
)
_WINDOW = (
    "The span of time before the timestamp that the CPU usage is the mean of, as a Go duration such as 15s, 14.996s or "
    "1m0s. What was used before the window does not count."
)
_CONTAINERS = (
    "The containers that run; their order means nothing. When they were not all measured at the same moment, timestamp "
    "and window are those of the oldest measurement."
)
_NODE_USAGE = "What the node uses, by resource name."
_CONTAINER_USAGE = "What the container uses, by resource name."
_RESOURCES = (
    "cpu is the mean number of cores in use over the window: 251008935n is 0.251 cores, 250m is a quarter of one. "
    "memory is the working set in bytes at the timestamp, which is all memory in use but the file cache that can be "
    "given up at once: 1536Ki is 1.5 MiB."
)
_API_VERSION = "The group and version of this object's form, here metrics.k8s.io/{version}. Not set on items of a list."
_KIND = "The kind of this object, here {kind}. Not set on items of a list."
_LIST_META = "Where the rest of the list is when this is a page of it, and where a watch can go on. Otherwise empty."
_VERSION = {
    "type": "string",
    "description": "Where a watch can go on; not to be read otherwise. Only with --enable-watch.",
}
_LIST_META_FIELDS: Mapping[str, Schema] = {
    "resourceVersion": _VERSION,
    "continue": {"type": "string", "description": "Leads to the next page. Not set on the last one."},
    "remainingItemCount": {
        "type": "integer",
        "format": "int64",
        "description": "How many objects follow this page. Not set on the last one, and with a selector.",
    },
}


def schema_name(version: str, kind: str) -> str:
    """Return the name of a kind's schema, as in metrics-server's documents."""
    return f"io.k8s.metrics.pkg.apis.metrics.{version}.{kind}"


def list_kind(resource: Resource) -> str:
    """Return the kind of a list."""
    return f"{resource.kind}List"


def group_version_kind(version: str, kind: str) -> dict[str, str]:
    """Return what operations and schemas say of the kind they are about."""
    return {"group": GROUP, "version": version, "kind": kind}


def make_schemas(version: str, refer: Refer) -> dict[str, Schema]:
    """Return all schemas of an API version by name."""
    container = refer(schema_name(version, _CONTAINER_KIND))
    kinds = {
        NODES.kind: _object(NODES, version, _NODE_METRICS, {"usage": _usage(_NODE_USAGE)}),
        list_kind(NODES): _list(NODES, version, "sorted by name", refer),
        PODS.kind: _object(PODS, version, _POD_METRICS, {"containers": _containers(container)}),
        list_kind(PODS): _list(PODS, version, "sorted by namespace and name", refer),
        _CONTAINER_KIND: _container(),
    }
    return {schema_name(version, kind): schema for kind, schema in kinds.items()}


def _object(resource: Resource, version: str, description: str, measured: Mapping[str, Schema]) -> Schema:
    owner = "Pod" if resource.namespaced else "Node"
    properties: dict[str, Schema] = {
        "metadata": _metadata(owner, namespaced=resource.namespaced),
        "timestamp": {"type": "string", "format": "date-time", "description": _TIMESTAMP},
        "window": {"type": "string", "description": _WINDOW},
        **measured,
    }
    return _typed(version, resource.kind, description, properties, ["timestamp", "window", *measured])


def _list(resource: Resource, version: str, order: str, refer: Refer) -> Schema:
    description = f"Those that were asked for and that there are metrics of, {order}."
    items = {"type": "array", "description": description, "items": refer(schema_name(version, resource.kind))}
    metadata = {"type": "object", "description": _LIST_META, "properties": _LIST_META_FIELDS}
    kind = list_kind(resource)
    properties: dict[str, Schema] = {"metadata": metadata, "items": items}
    return _typed(version, kind, f"{kind} is what a list of {resource.name} returns.", properties, ["items"])


def _typed(
    version: str, kind: str, description: str, properties: Mapping[str, Schema], required: Sequence[str]
) -> Schema:
    """Return the schema of what has a kind of its own."""
    return {
        "description": description,
        "type": "object",
        "required": required,
        "properties": {
            "apiVersion": {"type": "string", "description": _API_VERSION.format(version=version)},
            "kind": {"type": "string", "description": _KIND.format(kind=kind)},
            **properties,
        },
        KIND_KEY: [group_version_kind(version, kind)],
    }


def _metadata(owner: str, *, namespaced: bool) -> Schema:
    """Return the part of ObjectMeta that there is."""
    name = {"type": "string", "description": f"The name of the {owner}."}
    namespace = {"type": "string", "description": f"The namespace of the {owner}."}
    created = {
        "type": "string",
        "format": "date-time",
        "description": f"When this object was put together; not when the {owner} was created.",
    }
    labels = {
        "type": "object",
        "description": f"The labels of the {owner}, by which lists can be selected.",
        "additionalProperties": {"type": "string"},
    }
    return {
        "type": "object",
        "description": f"Which {owner} this is about. Metrics are not stored: there is no uid.",
        "properties": {
            "name": name,
            **({"namespace": namespace} if namespaced else {}),
            "resourceVersion": _VERSION,
            "creationTimestamp": created,
            "labels": labels,
        },
    }


def _containers(container: Schema) -> Schema:
    return {
        "type": "array",
        "description": _CONTAINERS,
        "items": container,
        "x-kubernetes-list-type": "atomic",
    }


def _container() -> Schema:
    return {
        "description": "ContainerMetrics is what one container of a pod uses of CPU and memory.",
        "type": "object",
        "required": ["name", "usage"],
        "properties": {
            "name": {"type": "string", "description": "The name that the container has in the Pod's spec."},
            "usage": _usage(_CONTAINER_USAGE),
        },
    }


def _usage(description: str) -> Schema:
    return {
        "type": "object",
        "description": f"{description} {_RESOURCES}",
        "additionalProperties": {"type": "string", "description": "A Kubernetes quantity."},
    }
