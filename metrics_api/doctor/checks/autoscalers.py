"""HorizontalPodAutoscalers that want for metrics."""

from __future__ import annotations

from collections.abc import Iterator

from metrics_api.doctor.facts import Facts, Unknown
from metrics_api.doctor.findings import Finding, counted, error, some
from metrics_api.doctor.objects import Condition
from metrics_api.doctor.workloads import Hpa

REQUESTS_REMEDY = (
    "A utilization is a part of the request: give every container of these pods, sidecars too, resources.requests of "
    "what the autoscaler looks at; or let it aim at an averageValue"
)
_NO_REQUEST = "missing request for"
_OURS = ("FailedGetResourceMetric", "FailedGetContainerResourceMetric")


def wanting(facts: Facts) -> Iterator[Finding]:
    """Those that say so themselves, by cause."""
    if isinstance(facts.hpas, Unknown):
        return
    failing = [(hpa, condition) for hpa in facts.hpas if (condition := inactive(hpa)) is not None]
    requests = [(hpa, condition) for hpa, condition in failing if lacks_requests(condition)]
    others = [(hpa, condition) for hpa, condition in failing if not lacks_requests(condition)]
    if requests:
        yield error(
            "hpa-requests-missing",
            f"{counted(len(requests), 'HorizontalPodAutoscaler')} cannot work: containers have no resource request",
            *some([f"{hpa.key}: {condition.message}" for hpa, condition in requests]),
            remedy=REQUESTS_REMEDY,
        )
    if others:
        yield error(
            "hpa-metrics-missing",
            f"{counted(len(others), 'HorizontalPodAutoscaler')} without metrics",
            *some([f"{hpa.key}: {condition.message}" for hpa, condition in others]),
            remedy="metrics-api doctor hpa NAMESPACE/NAME says which of its pods lack metrics, and why",
        )


def lacks_requests(condition: Condition) -> bool:
    """Return whether a condition complains of containers without resource requests."""
    return _NO_REQUEST in condition.message


def inactive(hpa: Hpa) -> Condition | None:
    """Return the condition that says that resource metrics are missing, ``None`` when there is none."""
    for condition in hpa.status.conditions or ():
        if condition.type == "ScalingActive" and condition.status == "False" and condition.reason in _OURS:
            return condition
    return None
