"""NetworkPolicies that hold for the server's pods."""

from __future__ import annotations

from collections.abc import Iterator

from metrics_api.doctor.facts import Facts, Unknown, known
from metrics_api.doctor.findings import Finding, info, some, warning
from metrics_api.doctor.selecting import selects

_TIMED_OUT = ("timeout", "unreachable")


def policies(facts: Facts) -> Iterator[Finding]:
    """Policies that may keep kube-apiserver away from the server, or the server from kubelets."""
    if isinstance(facts.policies, Unknown):
        return
    labels = _labels(facts)
    found = [each for each in facts.policies if selects(each.spec.pod_selector, labels)]
    if not found:
        return
    evidence = some([f"{each.metadata.name}: {', '.join(each.spec.policy_types or ('Ingress',))}" for each in found])
    remedy = (
        "Let it admit kube-apiserver to the server's port, and the server to the kubelets' port (10250), to "
        "kube-apiserver and to DNS: manifests/components/network-policy"
    )
    summary = "NetworkPolicies hold for the server's pods"
    if _may_be_blocked(facts):
        yield warning("network-policy", f"{summary}, and something times out", *evidence, remedy=remedy)
    else:
        yield info("network-policy", summary, *evidence)


def _labels(facts: Facts) -> dict[str, str]:
    for pod in known(facts.pods) or ():
        return pod.metadata.labels or {}
    service = known(facts.service)
    return dict((service.spec.selector if service is not None else None) or {})


def _may_be_blocked(facts: Facts) -> bool:
    for each in (known(facts.api_services) or {}).values():
        condition = None if each is None else each.available
        if (
            condition is not None
            and condition.reason == "FailedDiscoveryCheck"
            and "bad status" not in condition.message
        ):
            return True
    return any(report.reason in _TIMED_OUT for report in known(facts.node_reports) or ())
