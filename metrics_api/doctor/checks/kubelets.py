"""Kubelets, node by node, by what the server says of its scrapes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address, ip_network

from metrics_api.doctor.checks.telling import when_told
from metrics_api.doctor.facts import Facts, known
from metrics_api.doctor.findings import Finding, Severity, info, some, warning
from metrics_api.reports import SKEWED, NodeReport, StatusReport

_NET = (
    "Look for a firewall or security group between the server and the kubelets' port, a NetworkPolicy, "
    "and whether the node is up"
)
_CERTIFICATES = (
    "Let kubelets have certificates of the cluster: serverTLSBootstrap: true in their configuration, and approve their "
    "requests (kubectl get csr); or name their authority with --kubelet-certificate-authority. Where certificates lack "
    "the node's address: --kubelet-tls-verify=node-name. Where kubelets sign their own, as in kind and minikube: "
    "--kubelet-tls-verify=pin, which keeps to the key it meets first"
)
_PINNED = (
    "If the certificate was made anew, restart metrics-api, or delete the Node object and let it register again: then "
    "the new key is believed. If not, another machine answers at the node's address"
)
_REMEDIES = {
    "no_address": "The node has no address of the types in --kubelet-preferred-address-types: add one it has. A new "
    "node gets its addresses from the cloud provider",
    "denied_address": "A node chooses its addresses itself, so some are never connected to. If this one is right, see "
    "--kubelet-denied-cidrs",
    "dns": "Cluster DNS rarely knows nodes: put InternalIP first in --kubelet-preferred-address-types",
    "refused": "Nobody listens there: the kubelet is down, or its port is another (--kubelet-port, "
    "--kubelet-use-node-status-port)",
    "unreachable": _NET,
    "timeout": f"The kubelet hangs or is overloaded, or nothing gets through. {_NET}",
    "reset": "The kubelet, or something in between, drops connections: see the kubelet's log, and proxies or meshes",
    "tls": _CERTIFICATES,
    "no_serving_cert": "Its request for a serving certificate waits: kubectl get csr, kubectl certificate approve",
    "unauthorized": "The kubelet does not know the server's token: authentication.webhook.enabled: true in its "
    "configuration, and kube-apiserver within its reach",
    "forbidden": "Grant get on nodes/metrics and nodes/stats in ClusterRole system:metrics-server. A kubelet remembers "
    "a denial for half a minute",
    "not_found": "What answers has neither /stats/summary nor /metrics/resource: an old or virtual kubelet, or "
    "--kubelet-port names something else",
    "status": "See the kubelet's log; one that has just started, or whose runtime is down, mends itself",
    "redirect": "A kubelet never redirects: something else answers at its address, a proxy or a portal",
    "too_large": "What answers is no kubelet, or a broken one: see what runs at its address",
    "protocol": "What answers speaks no HTTPS: see --kubelet-port, and what runs at its address",
    "decode": "What answers is no kubelet, or a broken one: see what runs at its address",
    "wrong_node": "Two nodes have one address, or a load balancer stands before them: see kubectl get nodes -o wide",
    "no_data": "The kubelet knows nothing of its node: see its log, and that of the container runtime (cgroup driver)",
}
_UNSTEADY = 0.2
_NO_CONNECTION = ("timeout", "unreachable", "refused")
_NONE_OF_THESE = ("first_sample", "not_asked")


def failing(facts: Facts) -> Iterator[Finding]:
    """Nodes whose scrapes fail, by reason."""
    groups: dict[str, list[NodeReport]] = {}
    for report in _reports(facts):
        if report.reason is not None and not _is_own_fargate_node(report, facts):
            groups.setdefault(report.reason, []).append(report)
    for reason, reports in sorted(groups.items(), key=lambda item: -len(item[1])):
        unserved = [report for report in reports if not report.served]
        quiet = all(report.ready is False for report in reports)
        remedy = _remedy(reason, facts)
        yield Finding(
            f"kubelet-{reason.replace('_', '-')}",
            Severity.ERROR if unserved and not quiet else Severity.WARNING,
            f"{_share(reports, facts)} cannot be scraped: {reason}"
            + ("" if unserved else "; their last values are still served")
            + (" (they are NotReady)" if quiet else ""),
            (*some([_said(report) for report in reports]), *_shared_network(reports, facts)),
            remedy,
        )


def own_fargate_node(facts: Facts) -> Iterator[Finding]:
    """A server on EKS Fargate cannot ask the kubelet of the node that it has to itself."""
    for report in _reports(facts):
        if report.reason is not None and _is_own_fargate_node(report, facts):
            yield info(
                "kubelet-fargate",
                f"{report.name} is the Fargate node that the server runs on: its kubelet does not answer its own pod",
                _said(report),
                remedy="A known limit of EKS Fargate; nothing is wrong. Only the server's own pod lacks metrics. Two "
                "replicas, or one on another kind of node, have no node that nobody can ask",
            )


def unsteady(facts: Facts) -> Iterator[Finding]:
    """Nodes that answer now, and often do not."""
    found = [
        report
        for report in _reports(facts)
        if report.reason is None and report.recent_failures >= _UNSTEADY * report.recent > 0
    ]
    if found:
        yield warning(
            "kubelet-unsteady",
            f"{_share(found, facts)}: answers come, and often do not",
            *some(
                [f"{_place(each)}: {each.recent_failures} of the last {each.recent} scrapes failed" for each in found]
            ),
            remedy="Nothing is lost while every second scrape goes well. See the kubelet's log and the node's load",
        )


@when_told
def slow(status: StatusReport, facts: Facts) -> Iterator[Finding]:
    """Nodes that take long to answer."""
    limit = status.flags.get("kubelet-request-timeout")
    if not isinstance(limit, float | int):
        return
    found = [each for each in _reports(facts) if each.reason is None and each.took >= limit / 2]
    if found:
        yield warning(
            "kubelet-slow",
            f"{_share(found, facts)}: answers take more than half of the time a scrape has ({limit:g} s)",
            *some([f"{_place(each)}: {each.took:.1f} s, it is given {each.deadline:.0f} s" for each in found]),
            remedy="The node is overloaded, or its container runtime is. It is given up to two periods",
        )


def fallen_back(facts: Facts) -> Iterator[Finding]:
    """Nodes that are asked for less than they could say."""
    status = known(facts.status)
    if status is not None and status.flags.get("kubelet-endpoint") == "resource":
        return
    found = [each for each in _reports(facts) if each.lost]
    if found:
        yield warning(
            "kubelet-fallback",
            f"{_share(found, facts)}: only /metrics/resource can be had",
            *some([_place(each) for each in found]),
            f"lost: {', '.join(found[0].lost)}",
            remedy="Grant get on nodes/stats in ClusterRole system:metrics-server. A node that has no /stats/summary "
            "cannot do better; refused ones are tried again every ten minutes",
        )


def clocks(facts: Facts) -> Iterator[Finding]:
    """Nodes whose clock is wrong."""
    found = [each for each in _reports(facts) if abs(each.skew) >= SKEWED]
    if found:
        yield warning(
            "clock-skew",
            f"{_share(found, facts)}: the clock differs from the server's",
            *some(
                [
                    f"{_place(each)}: {abs(each.skew):.0f} s {'behind' if each.skew > 0 else 'ahead'}"
                    for each in sorted(found, key=lambda each: -abs(each.skew))
                ]
            ),
            remedy="Set the node's clock (NTP). Rates and ages stay right, but the HorizontalPodAutoscaler compares "
            "the samples' times with its own",
        )


def silent_on_containers(facts: Facts) -> Iterator[Finding]:
    """Nodes that speak of themselves and of none of their pods."""
    found = [
        each
        for each in _reports(facts)
        if each.reason is None and each.pods and not each.pods_served and not set(each.lacking) <= set(_NONE_OF_THESE)
    ]
    if found:
        yield Finding(
            "kubelet-no-containers",
            Severity.ERROR,
            f"{_share(found, facts)}: answers come, and say nothing of pods",
            some([f"{_place(each)}: 0 of {each.pods} pods, {_version(each.name, facts)}" for each in found]),
            "The kubelet gets no statistics from its container runtime: compare its cgroup driver with the runtime's, "
            "and see known faults of that runtime's version",
        )


def _remedy(reason: str, facts: Facts) -> str:
    status = known(facts.status)
    if reason == "tls" and status is not None and status.flags.get("kubelet-tls-verify") == "pin":
        return _PINNED
    return _REMEDIES.get(reason, "See the server's log")


def _reports(facts: Facts) -> tuple[NodeReport, ...]:
    return known(facts.node_reports) or ()


def _is_own_fargate_node(report: NodeReport, facts: Facts) -> bool:
    nodes = (node for node in known(facts.nodes) or () if node.metadata.name == report.name)
    hosts = {pod.spec.node_name for pod in known(facts.pods) or ()}
    return report.reason in _NO_CONNECTION and report.name in hosts and any(node.is_fargate for node in nodes)


def _share(reports: Sequence[NodeReport], facts: Facts) -> str:
    """Return how many nodes of how many; where only one is looked at, just that."""
    status = known(facts.status)
    if status is None:
        return "the node" if len(reports) == 1 else f"{len(reports)} nodes"
    return f"{len(reports)} of {sum(status.standings.values())} nodes"


def _place(report: NodeReport) -> str:
    return f"{report.name} ({report.address})" if report.address else report.name


def _said(report: NodeReport) -> str:
    last = "never scraped" if report.since_answer is None else f"last scraped {report.since_answer:.0f} s ago"
    soon = "" if report.until_next is None else f"; asked again in {report.until_next:.0f} s"
    return f"{_place(report)}: {report.message} ({last}{soon})"


def _version(name: str, facts: Facts) -> str:
    for node in known(facts.nodes) or ():
        if node.metadata.name == name:
            info = node.status.node_info
            return f"kubelet {info.kubelet_version or '?'}, {info.container_runtime_version or 'unknown runtime'}"
    return "versions not known"


def _shared_network(reports: Sequence[NodeReport], facts: Facts) -> tuple[str, ...]:
    """Say when all nodes that cannot be reached are in one network and the server is not: that is a firewall."""
    if len(reports) < 3 or reports[0].reason not in _NO_CONNECTION:
        return ()
    networks = {_network(report.address) for report in reports}
    own = {
        _network(f"{address}:0")
        for each in known(facts.slices) or ()
        for endpoint in each.endpoints or ()
        for address in endpoint.addresses or ()
    }
    if len(networks) != 1 or networks & own or None in networks:
        return ()
    return (f"all of them are in {networks.pop()}, and the server is not: that looks like a firewall's rule",)


def _network(address: str) -> str | None:
    """Return the /16 (IPv6: /48) of ``<ip>:<port>``."""
    try:
        ip = ip_address(address.rpartition(":")[0].strip("[]"))
    except ValueError:
        return None
    return str(ip_network(f"{ip}/{16 if ip.version == 4 else 48}", strict=False))
