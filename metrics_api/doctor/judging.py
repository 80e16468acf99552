"""Which checks there are, from the outside in, and what they find together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from metrics_api.doctor.checks import (
    aggregation,
    api_services,
    autoscalers,
    certificates,
    discovery,
    kubelets,
    looking,
    memory,
    network,
    pods,
    preflight,
    rights,
    rows,
    server,
    service,
    verified_tls,
)
from metrics_api.doctor.facts import Facts
from metrics_api.doctor.findings import Finding, worst_first

Check = Callable[[Facts], Iterator[Finding]]
"""A pure function. What it needs and is not known it passes over; ``looking`` says that it was not known."""

KUBELET_CHECKS: tuple[Check, ...] = (
    kubelets.failing,
    kubelets.own_fargate_node,
    kubelets.unsteady,
    kubelets.slow,
    kubelets.fallen_back,
    kubelets.clocks,
    kubelets.silent_on_containers,
)

CHECKS: tuple[Check, ...] = (
    api_services.missing,
    api_services.owner,
    api_services.unchecked,
    api_services.unavailable,
    api_services.version_without_backend,
    api_services.trust,
    verified_tls.left_behind,
    service.missing,
    service.port,
    service.endpoints,
    pods.none,
    pods.failing,
    pods.unready,
    pods.killed,
    memory.short,
    pods.host_network,
    pods.flags,
    aggregation.not_enabled,
    aggregation.authority,
    aggregation.allowed_names,
    aggregation.believed,
    aggregation.refused,
    rights.missing,
    server.unready,
    server.watches,
    server.not_called,
    server.insecure,
    server.late,
    server.proxies,
    discovery.slow,
    discovery.failing,
    network.policies,
    certificates.pending,
    certificates.own,
    *KUBELET_CHECKS,
    rows.nodes_missing,
    rows.incomplete,
    rows.stale,
    rows.dropped,
    memory.above_allocatable,
    autoscalers.wanting,
    server.says_nothing,
    looking.not_looked,
    looking.part_only,
)

PREFLIGHT: tuple[Check, ...] = (
    preflight.ready,
    preflight.owner,
    preflight.rights,
    preflight.service_account,
    api_services.version_without_backend,
    aggregation.not_enabled,
    aggregation.authority,
    aggregation.allowed_names,
    certificates.pending,
    preflight.kubelet_certificates,
    preflight.addresses,
    looking.not_looked,
    looking.part_only,
)
"""Nothing has been installed: what is not there is no fault."""


def judge(facts: Facts, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """Return all findings, worst first."""
    return worst_first(finding for check in checks for finding in check(facts))
