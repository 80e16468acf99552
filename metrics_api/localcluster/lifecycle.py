"""What of an object outlives an update, and when a deleted object is gone."""

from __future__ import annotations

from metrics_api.localcluster.resources import Resource
from metrics_api.localcluster.stored import JsonObject

_KEPT = ("uid", "resourceVersion", "creationTimestamp", "generation", "deletionTimestamp")


def carry_over(resource: Resource, old: JsonObject, new: JsonObject) -> JsonObject:
    """Return the new state of an object with what only the server may set, as it was.

    ``metadata.generation`` counts up when something other than metadata and status has changed.
    """
    metadata = {key: value for key, value in new["metadata"].items() if key not in _KEPT}
    metadata |= {key: old["metadata"][key] for key in _KEPT if key in old["metadata"]}
    if resource.counts_generation and _desired(new) != _desired(old):
        metadata["generation"] = metadata.get("generation", 0) + 1
    return {**new, "kind": resource.kind, "apiVersion": resource.group_version, "metadata": metadata}


def with_status_of(source: JsonObject, obj: JsonObject) -> JsonObject:
    """Return ``obj`` with the ``status`` of ``source``, or without one when that has none."""
    rest = {key: value for key, value in obj.items() if key != "status"}
    return {**rest, "status": source["status"]} if "status" in source else rest


def is_held(obj: JsonObject) -> bool:
    """Whether somebody must still act before the object may go; a Namespace has a second list of those."""
    finalizers = obj["metadata"].get("finalizers")
    return bool(finalizers or (obj["kind"] == "Namespace" and obj.get("spec", {}).get("finalizers")))


def _desired(obj: JsonObject) -> JsonObject:
    return {key: value for key, value in obj.items() if key not in ("kind", "apiVersion", "metadata", "status")}
