"""One state of one API object, as bytes ready to be sent and the few values that selectors ask for."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from metrics_api.localcluster.resources import Resource

JsonObject = dict[str, Any]
Key = tuple[str, str]
"""(namespace, name); the namespace of a cluster-scoped object is empty."""


class Stored(msgspec.Struct, frozen=True, gc=False):
    """One state of one object."""

    resource: Resource
    namespace: str
    name: str
    uid: str
    version: int
    """``metadata.resourceVersion``."""
    labels: dict[str, str]
    fields: dict[str, str]
    """Field selector path -> value, for the paths that may be asked for."""
    item: bytes
    """The object's JSON as an item of a list: without ``kind`` and ``apiVersion``."""
    metadata: bytes
    """The JSON of ``metadata`` alone."""

    @property
    def key(self) -> Key:
        """Return (namespace, name)."""
        return (self.namespace, self.name)

    @property
    def json(self) -> bytes:
        """Return the whole object's JSON."""
        head = f'{{"kind":"{self.resource.kind}","apiVersion":"{self.resource.group_version}",'
        return head.encode() + self.item[1:]

    def object(self) -> JsonObject:
        """Return the object, new each time: change it as you like."""
        return {"kind": self.resource.kind, "apiVersion": self.resource.group_version, **orjson.loads(self.item)}


_NOT_THE_REST = frozenset(("kind", "apiVersion", "metadata"))
_FRONT = ("name", "generateName", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp")


def encode(resource: Resource, obj: JsonObject, version: int) -> Stored:
    """Return the object as it is kept, with that resourceVersion and its metadata in Kubernetes' order."""
    given = {**obj["metadata"], "resourceVersion": str(version)}
    metadata = {key: given.pop(key) for key in _FRONT if key in given} | given
    rest = {key: value for key, value in obj.items() if key not in _NOT_THE_REST}
    encoded = orjson.dumps(metadata)
    tail = orjson.dumps(rest)
    namespace, name = metadata.get("namespace", ""), metadata["name"]
    return Stored(
        resource=resource,
        namespace=namespace,
        name=name,
        uid=metadata["uid"],
        version=version,
        labels=dict(metadata.get("labels") or {}),
        fields={"metadata.name": name, "metadata.namespace": namespace, **_selectable(resource, obj)},
        item=b"".join((b'{"metadata":', encoded, b",", memoryview(tail)[1:]))
        if rest
        else b'{"metadata":' + encoded + b"}",
        metadata=encoded,
    )


_SELECTABLE = {
    "Pod": ("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "status.phase"),
    "Node": ("spec.unschedulable",),
    "Namespace": ("status.phase",),
    "Secret": ("type",),
    "Service": ("spec.clusterIP", "spec.type"),
}
_DEFAULTS = {"spec.unschedulable": "false"}


def has_own_fields(resource: Resource) -> bool:
    """Whether a field selector on this resource may name more than name and namespace."""
    return resource.kind in _SELECTABLE


def selectable_fields(resource: Resource) -> frozenset[str]:
    """Return the paths that a field selector on this resource may name."""
    meta = ("metadata.name", "metadata.namespace") if resource.namespaced else ("metadata.name",)
    return frozenset((*meta, *_SELECTABLE.get(resource.kind, ())))


_PATHS = {kind: [(path, path.split(".")) for path in paths] for kind, paths in _SELECTABLE.items()}


def _selectable(resource: Resource, obj: JsonObject) -> dict[str, str]:
    values: dict[str, str] = {}
    for path, parts in _PATHS.get(resource.kind, ()):
        value: Any = obj
        for part in parts:
            value = value.get(part) if isinstance(value, dict) else None
        text = str(value).lower() if isinstance(value, bool) else value
        values[path] = text if isinstance(text, str) else _DEFAULTS.get(path, "")
    return values
