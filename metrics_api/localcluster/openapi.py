"""OpenAPI v3 of the local groups: as much as ``kubectl apply`` and ``kubectl create`` look for.

They want to know that PATCH takes ``fieldValidation``, and leave validation to the server then. The schemas say which
kinds there are and not what is in them.
"""

from __future__ import annotations

from collections.abc import Sequence

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


def _prefix(resource: Resource) -> str:
    return f"/apis/{resource.group_version}" if resource.group else f"/api/{resource.version}"


def _document(resources: Sequence[Resource]) -> JsonObject:
    kinds = [{"group": one.group, "version": one.version, "kind": one.kind} for one in resources]
    return {
        "openapi": "3.0.0",
        "info": {"title": "localcluster", "version": "v1"},
        "paths": {
            f"{_prefix(one)}/{'namespaces/{namespace}/' if one.namespaced else ''}{one.plural}/{{name}}": _patch(kind)
            for one, kind in zip(resources, kinds, strict=True)
            if "patch" in one.verbs
        },
        "components": {
            "schemas": {
                f"localcluster.{one.version}.{one.kind}": {
                    "type": "object",
                    "x-kubernetes-group-version-kind": [kind],
                    "x-kubernetes-preserve-unknown-fields": True,
                }
                for one, kind in zip(resources, kinds, strict=True)
            }
        },
    }


def _patch(kind: JsonObject) -> JsonObject:
    parameters = [
        {"name": name, "in": "query", "schema": {"type": "string"}}
        for name in ("dryRun", "fieldManager", "fieldValidation")
    ]
    return {
        "patch": {
            "x-kubernetes-action": "patch",
            "x-kubernetes-group-version-kind": kind,
            "parameters": parameters,
            "responses": {"200": {"description": "OK"}},
        }
    }
