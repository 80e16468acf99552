"""OpenAPI of the local groups: as much as ``kubectl apply`` and ``kubectl create`` look for, old ones in version 2.

They want to know that PATCH takes ``fieldValidation``, and leave validation to the server then. The schemas say which
kinds there are and not what is in them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from metrics_api.localcluster.resources import RESOURCES, Resource, group_versions
from metrics_api.localcluster.stored import JsonObject

_ROOT = "/openapi/v3/"


def openapi_v3_paths() -> JsonObject:
    """Return the local groups' part of ``/openapi/v3``."""
    keys = [f"apis/{group}/{version}" if group else f"api/{version}" for group, version in group_versions()]
    return {key: {"serverRelativeURL": f"{_ROOT}{key}"} for key in keys}


def openapi_v3_document(path: str) -> JsonObject | None:
    """Return the document at ``/openapi/v3/apis/<g>/<v>`` or ``/openapi/v3/api/v1``, ``None`` when there is none."""
    key = path.removeprefix(_ROOT)
    resources = [one for one in RESOURCES if _prefix(one) == f"/{key}"]
    return _document(resources) if resources else None


def openapi_v2_document(aggregated: JsonObject | None) -> JsonObject:
    """Return the Swagger document: the local kinds' PATCH operations, and what the extension servers have."""
    paths = {
        _object_path(one): _patch(_kind(one), lambda name: {"name": name, "in": "query", "type": "string"})
        for one in RESOURCES
        if "patch" in one.verbs
    }
    found = aggregated or {}
    return {
        "swagger": "2.0",
        "info": {"title": "localcluster", "version": "v1"},
        "paths": paths | found.get("paths", {}),
        "definitions": found.get("definitions", {}),
    }


def _prefix(resource: Resource) -> str:
    return f"/apis/{resource.group_version}" if resource.group else f"/api/{resource.version}"


def _document(resources: Sequence[Resource]) -> JsonObject:
    return {
        "openapi": "3.0.0",
        "info": {"title": "localcluster", "version": "v1"},
        "paths": {
            _object_path(one): _patch(
                _kind(one), lambda name: {"name": name, "in": "query", "schema": {"type": "string"}}
            )
            for one in resources
            if "patch" in one.verbs
        },
        "components": {
            "schemas": {
                f"localcluster.{one.version}.{one.kind}": {
                    "type": "object",
                    "x-kubernetes-group-version-kind": [_kind(one)],
                    "x-kubernetes-preserve-unknown-fields": True,
                }
                for one in resources
            }
        },
    }


def _object_path(resource: Resource) -> str:
    namespace = "namespaces/{namespace}/" if resource.namespaced else ""
    return f"{_prefix(resource)}/{namespace}{resource.plural}/{{name}}"


def _kind(resource: Resource) -> JsonObject:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _patch(kind: JsonObject, parameter: Callable[[str], JsonObject]) -> JsonObject:
    return {
        "patch": {
            "x-kubernetes-action": "patch",
            "x-kubernetes-group-version-kind": kind,
            "parameters": [parameter(name) for name in ("dryRun", "fieldManager", "fieldValidation")],
            "responses": {"200": {"description": "OK"}},
        }
    }
