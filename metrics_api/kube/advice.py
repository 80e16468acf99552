"""What an operator can do when a resource cannot be listed or watched."""

from __future__ import annotations

from metrics_api.errors import KubeError, KubeStatusError, KubeUnreachableError


def advice(noun: str, error: KubeError) -> str:
    """Return it in words.

    Args:
        noun: The resource, such as ``pods``.
        error: Why.
    """
    code = error.code if isinstance(error, KubeStatusError) else None
    if code == 403:
        return (
            f"grant get, list and watch on {noun} (core API group) in all namespaces: "
            "a ClusterRole and a ClusterRoleBinding for this service account"
        )
    if code == 401:
        return "the credentials are not accepted: check the service account's token or the kubeconfig"
    if isinstance(error, KubeUnreachableError):
        return "check the API server, its address, and network policies"
    return "see kube-apiserver's log"
