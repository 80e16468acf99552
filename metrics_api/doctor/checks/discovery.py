"""How long the metrics API takes to say what it serves: all of the cluster's clients wait for that."""

from __future__ import annotations

from collections.abc import Iterator

from metrics_api.doctor.facts import GROUP, Facts, known
from metrics_api.doctor.findings import Finding, error, warning

TOO_LONG = 5.0
"""Seconds after which kube-apiserver gives up."""
_LONG = 1.0


def slow(facts: Facts) -> Iterator[Finding]:
    """Discovery that takes long."""
    for version, each in facts.discovery.items():
        summary = f"discovery of {GROUP}/{version} took {each.seconds:.1f} s"
        remedy = (
            "kubectl, Helm and the deletion of namespaces wait for it. Look at the network between kube-apiserver and "
            "the server's pod, and at the CPU the pod gets (throttling)"
        )
        if each.seconds >= TOO_LONG:
            yield error("discovery-slow", summary, each.failure or "it answered in the end", remedy=remedy)
        elif each.seconds >= _LONG:
            yield warning("discovery-slow", summary, f"above {TOO_LONG:g} s kube-apiserver gives up", remedy=remedy)


def failing(facts: Facts) -> Iterator[Finding]:
    """Discovery that fails although kube-apiserver says that all is well."""
    services = known(facts.api_services) or {}
    for version, each in facts.discovery.items():
        api_service = services.get(version)
        condition = None if api_service is None else api_service.available
        if each.failure and condition is not None and condition.status == "True":
            yield error(
                "discovery-failing",
                f"{GROUP}/{version} is Available, and does not answer",
                each.failure,
                remedy="One of several replicas, or one of several kube-apiservers, may be cut off: ask again, and "
                "compare their logs",
            )
