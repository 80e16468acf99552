"""metrics-server's release manifest as facts: which objects, under which names, with which labels, ports and arguments.

Ours must meet it at every name, so that either can be applied over the other.
"""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

LABELS = {"k8s-app": "metrics-server"}
NAMESPACE = "kube-system"
NAME = "metrics-server"
ARGUMENTS = (
    "--cert-dir=/tmp",
    "--secure-port=10250",
    "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
    "--kubelet-use-node-status-port",
    "--metric-resolution=15s",
)
_RBAC = "rbac.authorization.k8s.io"
_AGGREGATED = {f"{_RBAC}/aggregate-to-{role}": "true" for role in ("view", "edit", "admin")}
_ACCOUNT = [{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}]


def _object(api_version: str, kind: str, name: str, namespace: str | None = None, **rest: Any) -> Object:
    labels = {**LABELS, **rest.pop("labels", {})}
    metadata: Object = {"name": name, "labels": labels}
    if namespace is not None:
        metadata["namespace"] = namespace
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


def _binding(kind: str, name: str, role_kind: str, role: str, namespace: str | None = None) -> Object:
    reference = {"apiGroup": _RBAC, "kind": role_kind, "name": role}
    return _object(f"{_RBAC}/v1", kind, name, namespace, roleRef=reference, subjects=_ACCOUNT)


def _probe(path: str, **timing: int) -> Object:
    return {"httpGet": {"path": path, "port": "https", "scheme": "HTTPS"}, "periodSeconds": 10, **timing}


CONTAINER: Object = {
    "name": NAME,
    "image": "registry.k8s.io/metrics-server/metrics-server:v0.9.0",
    "imagePullPolicy": "IfNotPresent",
    "args": list(ARGUMENTS),
    "ports": [{"name": "https", "containerPort": 10250, "protocol": "TCP"}],
    "readinessProbe": _probe("/readyz", failureThreshold=3, initialDelaySeconds=20),
    "livenessProbe": _probe("/livez", failureThreshold=3),
    "resources": {"requests": {"cpu": "100m", "memory": "200Mi"}},
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    },
    "volumeMounts": [{"name": "tmp-dir", "mountPath": "/tmp"}],  # noqa: S108 - where the manifest mounts it
}

OBJECTS: tuple[Object, ...] = (
    _object("v1", "ServiceAccount", NAME, NAMESPACE),
    _object(
        f"{_RBAC}/v1",
        "ClusterRole",
        "system:aggregated-metrics-reader",
        labels=_AGGREGATED,
        rules=[{"apiGroups": ["metrics.k8s.io"], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]}],
    ),
    _object(
        f"{_RBAC}/v1",
        "ClusterRole",
        "system:metrics-server",
        rules=[
            {"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]},
        ],
    ),
    _binding(
        "RoleBinding", "metrics-server-auth-reader", "Role", "extension-apiserver-authentication-reader", NAMESPACE
    ),
    _binding("ClusterRoleBinding", "metrics-server:system:auth-delegator", "ClusterRole", "system:auth-delegator"),
    _binding("ClusterRoleBinding", "system:metrics-server", "ClusterRole", "system:metrics-server"),
    _object(
        "v1",
        "Service",
        NAME,
        NAMESPACE,
        spec={
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": "https", "appProtocol": "https"}],
            "selector": LABELS,
        },
    ),
    _object(
        "apps/v1",
        "Deployment",
        NAME,
        NAMESPACE,
        spec={
            "selector": {"matchLabels": LABELS},
            "strategy": {"rollingUpdate": {"maxUnavailable": 0}},
            "template": {
                "metadata": {"labels": LABELS},
                "spec": {
                    "containers": [CONTAINER],
                    "nodeSelector": {"kubernetes.io/os": "linux"},
                    "priorityClassName": "system-cluster-critical",
                    "serviceAccountName": NAME,
                    "volumes": [{"name": "tmp-dir", "emptyDir": {}}],
                },
            },
        },
    ),
    _object(
        "apiregistration.k8s.io/v1",
        "APIService",
        "v1beta1.metrics.k8s.io",
        spec={
            "group": "metrics.k8s.io",
            "version": "v1beta1",
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "insecureSkipTLSVerify": True,
            "service": {"name": NAME, "namespace": NAMESPACE},
        },
    ),
)
