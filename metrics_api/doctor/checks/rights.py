"""What the server's service account may do."""

from __future__ import annotations

from collections.abc import Iterator

from metrics_api.doctor.facts import Facts, Unknown
from metrics_api.doctor.findings import Finding, error, warning

_ROLE = (
    "kubectl apply the ClusterRole and ClusterRoleBinding system:metrics-server: get on nodes/metrics and nodes/stats, "
    "get, list and watch on nodes and pods. A kubelet remembers a denial for half a minute"
)
_REMEDIES = {
    "configmaps": "kubectl apply the RoleBinding metrics-server-auth-reader in kube-system, to Role "
    "extension-apiserver-authentication-reader",
    "tokenreviews": "kubectl apply the ClusterRoleBinding metrics-server:system:auth-delegator",
    "subjectaccessreviews": "kubectl apply the ClusterRoleBinding metrics-server:system:auth-delegator",
}


def missing(facts: Facts) -> Iterator[Finding]:
    """Rights that the server lacks, by what grants them."""
    if isinstance(facts.rights, Unknown):
        return
    who = f"service account {facts.target.namespace}/{facts.account}"
    lacking: dict[str, list[str]] = {}
    for right, allowed in facts.rights.items():
        if not allowed and not right.optional:
            lacking.setdefault(_REMEDIES.get(right.resource, _ROLE), []).append(f"may not {right}: {right.purpose}")
    for remedy, evidence in lacking.items():
        yield error("rights-missing", f"{who} lacks rights that the server needs", *evidence, remedy=remedy)
    optional = [right for right, allowed in facts.rights.items() if right.optional and not allowed]
    ours = not isinstance(facts.status, Unknown)  # metrics-server never asks for what is optional
    if optional and ours and _ROLE not in lacking:
        yield warning(
            "rights-optional",
            f"{who} may not read nodes/stats",
            "kubelets are asked for /metrics/resource instead; lost are pod uids, CPU at a pod's first scrape, and the "
            "true CPU of Windows nodes",
            remedy="Grant get on nodes/stats in ClusterRole system:metrics-server",
        )
