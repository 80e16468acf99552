"""What a cluster is given so that an extension server can serve ``metrics.k8s.io``: the objects of a manifest.

Names, rights and labels are those of metrics-server's manifest; the Service has no selector, its endpoint is a port on
this machine.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.resources import (
    API_SERVICES,
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ENDPOINT_SLICES,
    ROLE_BINDINGS,
    SERVICE_ACCOUNTS,
    SERVICES,
    Resource,
)
from metrics_api.localcluster.stored import JsonObject

NAMESPACE = "kube-system"
NAME = "metrics-server"
GROUP = "metrics.k8s.io"
SERVER_NAME = f"{NAME}.{NAMESPACE}.svc"
"""The name that the extension server's certificate must have."""

_SLICE_NAME = f"{NAME}-local"
_RBAC = "rbac.authorization.k8s.io"
_LABELS = {"k8s-app": NAME}
_SUBJECTS = [{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}]
_VERSION_PRIORITIES = {"v1": 200, "v1beta1": 100}


def grant_access(objects: ObjectStore) -> None:
    """Create the ServiceAccount and the roles that a metrics server works with, and no more."""
    reader = {
        "metadata": {"name": "system:metrics-server", "labels": _LABELS},
        "rules": [
            {"apiGroups": [""], "resources": ["nodes/metrics", "nodes/stats"], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]},
        ],
    }
    aggregated = {f"rbac.authorization.k8s.io/aggregate-to-{role}": "true" for role in ("view", "edit", "admin")}
    user_role = {
        "metadata": {"name": "system:aggregated-metrics-reader", "labels": {**_LABELS, **aggregated}},
        "rules": [{"apiGroups": [GROUP], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]}],
    }
    auth_reader = _binding("metrics-server-auth-reader", "Role", "extension-apiserver-authentication-reader")
    auth_reader["metadata"]["namespace"] = NAMESPACE
    account = {"metadata": {"name": NAME, "namespace": NAMESPACE, "labels": _LABELS}}
    made: list[tuple[Resource, JsonObject]] = [
        (SERVICE_ACCOUNTS, account),
        (CLUSTER_ROLES, reader),
        (CLUSTER_ROLES, user_role),
        (ROLE_BINDINGS, auth_reader),
        (
            CLUSTER_ROLE_BINDINGS,
            _binding("metrics-server:system:auth-delegator", "ClusterRole", "system:auth-delegator"),
        ),
        (CLUSTER_ROLE_BINDINGS, _binding("system:metrics-server", "ClusterRole", "system:metrics-server")),
    ]
    for resource, obj in made:
        objects.create(resource, obj)


def register(objects: ObjectStore, port: int, ca_bundle: bytes | None, versions: Sequence[str]) -> None:
    """Create the objects that hand ``metrics.k8s.io`` to a server on this machine; see ``manifest_objects``."""
    resources = {"Service": SERVICES, "EndpointSlice": ENDPOINT_SLICES, "APIService": API_SERVICES}
    for obj in manifest_objects(port, ca_bundle, versions):
        objects.create(resources[obj["kind"]], obj)


def set_ready(objects: ObjectStore, *, ready: bool) -> None:
    """Say that the extension server's endpoint is ready, or that it is not: a fault switch, to be flapped at will.

    Raises:
        LookupError: nothing is registered.
    """
    obj = objects.get(ENDPOINT_SLICES, NAMESPACE, _SLICE_NAME)
    if obj is None:
        raise LookupError("no extension server is registered")
    endpoints = [{**each, "conditions": {"ready": ready}} for each in obj["endpoints"]]
    objects.replace(ENDPOINT_SLICES, {**obj, "endpoints": endpoints})


def manifest_objects(
    port: int, ca_bundle: bytes | None, versions: Sequence[str] = ("v1", "v1beta1")
) -> list[JsonObject]:
    """Return Service, EndpointSlice and APIServices, complete enough for ``kubectl apply``.

    Args:
        port: Where the extension server listens on 127.0.0.1.
        ca_bundle: PEM that its certificate for ``SERVER_NAME`` verifies against; ``None`` to verify nothing.
        versions: API versions.
    """
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": _LABELS},
        "spec": {
            "type": "ClusterIP",
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": "https"}],
        },
    }
    labels = {"kubernetes.io/service-name": NAME}
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": _SLICE_NAME, "namespace": NAMESPACE, "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    }
    return [service, endpoints, *(_api_service(version, ca_bundle) for version in versions)]


def _api_service(version: str, ca_bundle: bytes | None) -> JsonObject:
    trust: JsonObject = (
        {"insecureSkipTLSVerify": True} if ca_bundle is None else {"caBundle": base64.b64encode(ca_bundle).decode()}
    )
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": f"{version}.{GROUP}", "labels": _LABELS},
        "spec": {
            "group": GROUP,
            "version": version,
            "groupPriorityMinimum": 100,
            "versionPriority": _VERSION_PRIORITIES[version],
            "service": {"name": NAME, "namespace": NAMESPACE, "port": 443},
            **trust,
        },
    }


def _binding(name: str, kind: str, role: str) -> JsonObject:
    return {
        "metadata": {"name": name, "labels": _LABELS},
        "roleRef": {"apiGroup": _RBAC, "kind": kind, "name": role},
        "subjects": _SUBJECTS,
    }
