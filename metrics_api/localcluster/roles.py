"""The roles and bindings that every cluster has from the start, as far as they matter here.

Names and rules: kube-apiserver ``plugin/pkg/auth/authorizer/rbac/bootstrappolicy``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from metrics_api.localcluster.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
    Resource,
)
from metrics_api.localcluster.stored import JsonObject
from metrics_api.localcluster.users import AUTHENTICATED_GROUP, MASTERS_GROUP, UNAUTHENTICATED_GROUP

_API_GROUP = "rbac.authorization.k8s.io"
_BOOTSTRAP = {"kubernetes.io/bootstrapping": "rbac-defaults"}
_CONFIG_READER = "extension-apiserver-authentication-reader"
_PROBES = ("/healthz", "/livez", "/readyz", "/version", "/version/")
_DISCOVERY = ("/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", *_PROBES)
_READ = ("get", "list", "watch")
_WRITE = ("create", "delete", "deletecollection", "patch", "update")
_VIEWED = ("configmaps", "endpoints", "events", "namespaces", "pods", "pods/status", "serviceaccounts", "services")
_EDITED = ("configmaps", "events", "pods", "secrets", "serviceaccounts", "services")


def bootstrap_roles() -> Iterator[tuple[Resource, JsonObject]]:
    """Yield each role and binding with its resource."""
    yield from _cluster_roles()
    yield from _bindings()
    reader = [_rule([""], ["configmaps"], _READ, names=["extension-apiserver-authentication"])]
    metadata = {"name": _CONFIG_READER, "namespace": "kube-system", "labels": _BOOTSTRAP}
    yield ROLES, {"metadata": metadata, "rules": reader}
    components = [
        {"kind": "User", "apiGroup": _API_GROUP, "name": name}
        for name in ("system:kube-controller-manager", "system:kube-scheduler")
    ]
    yield (
        ROLE_BINDINGS,
        {
            "metadata": {"name": f"system::{_CONFIG_READER}", "namespace": "kube-system", "labels": _BOOTSTRAP},
            "subjects": components,
            "roleRef": {"apiGroup": _API_GROUP, "kind": "Role", "name": _CONFIG_READER},
        },
    )


def _cluster_roles() -> Iterator[tuple[Resource, JsonObject]]:
    everything = [_rule(["*"], ["*"], ["*"]), {"verbs": ["*"], "nonResourceURLs": ["*"]}]
    own_reviews = [
        _rule(["authorization.k8s.io"], ["selfsubjectaccessreviews", "selfsubjectrulesreviews"], ["create"]),
        _rule(["authentication.k8s.io"], ["selfsubjectreviews"], ["create"]),
    ]
    delegation = [
        _rule(["authentication.k8s.io"], ["tokenreviews"], ["create"]),
        _rule(["authorization.k8s.io"], ["subjectaccessreviews"], ["create"]),
    ]
    viewing = [
        _rule([""], _VIEWED, _READ),
        _rule(["apps"], ["deployments", "deployments/status"], _READ),
        _rule(["autoscaling"], ["horizontalpodautoscalers", "horizontalpodautoscalers/status"], _READ),
        _rule(["discovery.k8s.io"], ["endpointslices"], _READ),
    ]
    editing = [
        _rule([""], _EDITED, (*_READ, *_WRITE)),
        _rule([""], ["serviceaccounts/token"], ["create"]),
        _rule(["apps"], ["deployments"], _WRITE),
        _rule(["autoscaling"], ["horizontalpodautoscalers"], _WRITE),
        _rule(["coordination.k8s.io"], ["leases"], (*_READ, *_WRITE)),
    ]
    administering = [_rule([_API_GROUP], ["roles", "rolebindings"], (*_READ, *_WRITE))]
    yield _cluster_role("cluster-admin", everything)
    yield _cluster_role("system:discovery", [{"verbs": ["get"], "nonResourceURLs": _DISCOVERY}])
    yield _cluster_role("system:public-info-viewer", [{"verbs": ["get"], "nonResourceURLs": _PROBES}])
    yield _cluster_role("system:basic-user", own_reviews)
    yield _cluster_role("system:auth-delegator", delegation)
    yield _cluster_role("system:aggregate-to-view", viewing, _aggregate_to("view"))
    yield _cluster_role("system:aggregate-to-edit", editing, _aggregate_to("edit"))
    yield _cluster_role("system:aggregate-to-admin", administering, _aggregate_to("admin"))
    # view is part of edit and edit of admin, by their labels.
    yield _aggregating_role("view", _aggregate_to("edit"))
    yield _aggregating_role("edit", _aggregate_to("admin"))
    yield _aggregating_role("admin", {})


def _bindings() -> Iterator[tuple[Resource, JsonObject]]:
    for role, groups in (
        ("cluster-admin", [MASTERS_GROUP]),
        ("system:discovery", [AUTHENTICATED_GROUP]),
        ("system:public-info-viewer", [AUTHENTICATED_GROUP, UNAUTHENTICATED_GROUP]),
        ("system:basic-user", [AUTHENTICATED_GROUP]),
    ):
        yield (
            CLUSTER_ROLE_BINDINGS,
            {
                "metadata": {"name": role, "labels": _BOOTSTRAP},
                "subjects": [{"kind": "Group", "apiGroup": _API_GROUP, "name": group} for group in groups],
                "roleRef": {"apiGroup": _API_GROUP, "kind": "ClusterRole", "name": role},
            },
        )


def _rule(
    groups: Sequence[str], resources: Sequence[str], verbs: Sequence[str], names: Sequence[str] = ()
) -> JsonObject:
    rule: JsonObject = {"verbs": verbs, "apiGroups": groups, "resources": resources}
    return {**rule, "resourceNames": names} if names else rule


def _aggregate_to(role: str) -> dict[str, str]:
    return {f"rbac.authorization.k8s.io/aggregate-to-{role}": "true"}


def _cluster_role(
    name: str, rules: Sequence[JsonObject], labels: dict[str, str] | None = None
) -> tuple[Resource, JsonObject]:
    return CLUSTER_ROLES, {"metadata": {"name": name, "labels": {**_BOOTSTRAP, **(labels or {})}}, "rules": rules}


def _aggregating_role(name: str, labels: dict[str, str]) -> tuple[Resource, JsonObject]:
    resource, role = _cluster_role(name, [], labels)
    return resource, {**role, "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": _aggregate_to(name)}]}}
