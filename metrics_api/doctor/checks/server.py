"""The server, by what it says of itself."""

from __future__ import annotations

from collections.abc import Iterator

from metrics_api.doctor.checks.telling import when_told
from metrics_api.doctor.facts import Facts, Unknown, known
from metrics_api.doctor.findings import Finding, error, info, warning
from metrics_api.reports import StatusReport

_GRACE = 60.0
_SETTLED = 600.0  # the start itself makes it late a few times
_LATE = 0.5
_RESTARTS_AN_HOUR = 60.0


def says_nothing(facts: Facts) -> Iterator[Finding]:
    """It cannot be asked, or does not say."""
    api_services = facts.api_services
    nobody = not isinstance(api_services, Unknown) and not any(api_services.values())
    if not isinstance(facts.status, Unknown):
        return
    if facts.asked_directly and facts.status.code is None:
        yield error(
            "inside-unreachable",
            "the server gives no answer at the address in --server",
            facts.status.why,
            remedy="Correct the address (https://<pod or node>:<port>); see whether the pod runs, whether its port can "
            "be reached from here, and whether --server-ca signed its certificate",
        )
    if nobody or (facts.asked_directly and facts.status.code is None):
        return
    if facts.status.code == 404:
        yield info(
            "inside-none",
            "the server does not say how it stands: it is not metrics-api, or an older one",
            remedy="Only what can be seen from outside was looked at",
        )
    elif facts.status.code in (401, 403):
        yield info(
            "inside-forbidden",
            "the server does not tell you how it stands",
            facts.status.why,
            remedy="Grant get on resource debug in API group metrics.k8s.io (docs/troubleshooting.md)",
        )
    else:
        yield info(
            "inside-unreachable",
            "the server could not be asked how it stands: only the outside was looked at",
            facts.status.why,
            remedy="--server https://<pod or node>:<port> asks it directly",
        )


@when_told
def unready(status: StatusReport, _: Facts) -> Iterator[Finding]:
    """Why it is not ready."""
    if status.unready:
        yield error(
            "server-unready",
            f"the server is not ready ({status.uptime:.0f} s after its start)",
            *(f"{check}: {why}" for check, why in status.unready.items()),
            remedy="See the other findings; without a ready server kube-apiserver has nobody to ask",
        )


@when_told
def watches(status: StatusReport, _: Facts) -> Iterator[Finding]:
    """Its watches of kube-apiserver."""
    for name, watch in status.watches.items():
        if watch.fault:
            since = "never" if watch.last_contact is None else f"{status.time - watch.last_contact:.0f} s ago"
            yield error(
                "watch-failing",
                f"the server cannot watch {name}",
                watch.fault,
                f"last heard of kube-apiserver: {since}; {watch.objects} {name} are known",
                remedy="Mend what kube-apiserver says; until then nodes and pods that come and go are not noticed",
            )
        elif watch.restarts > _RESTARTS_AN_HOUR * max(status.uptime, 3600.0) / 3600.0:
            yield warning(
                "watch-restarting",
                f"the watch of {name} ended {watch.restarts} times in {status.uptime / 3600:.1f} h",
                remedy="Something between the server and kube-apiserver cuts connections: a load balancer's idle time",
            )
        if watch.skipped:
            yield warning(
                "watch-skipped",
                f"{watch.skipped} {name} could not be understood and are not served",
                remedy="The server's log names them",
            )


@when_told
def not_called(status: StatusReport, facts: Facts) -> Iterator[Finding]:
    """kube-apiserver has never asked it anything."""
    if status.unready or status.uptime < _GRACE or status.answered.get("discovery"):
        return
    if status.trust.refused:  # somebody came and was not believed: `aggregation.refused` says so
        return
    conditions = [
        f"{version}: {each.available.reason}: {each.available.message}"
        for version, each in (known(facts.api_services) or {}).items()
        if each is not None and each.available is not None
    ]
    yield error(
        "server-not-called",
        f"the server is ready for {status.uptime:.0f} s, and kube-apiserver has not asked it anything",
        *conditions,
        remedy="The control plane cannot reach the server's pod: CNI on control-plane nodes, security group, "
        "NetworkPolicy, --enable-aggregator-routing; or use hostNetwork with a --secure-port of its own",
    )


@when_told
def insecure(status: StatusReport, facts: Facts) -> Iterator[Finding]:
    """It believes any kubelet; said here where its pods are not to be seen."""
    if status.flags.get("kubelet-tls-verify") == "none" and not known(facts.pods):
        yield warning(
            "kubelet-insecure",
            "the server believes any kubelet: --kubelet-tls-verify=none or --kubelet-insecure-tls",
            remedy="Whoever takes a node's address gets the server's token and can make up metrics. Let kubelets have "
            "certificates of the cluster, and drop the flag",
        )


@when_told
def late(status: StatusReport, _: Facts) -> Iterator[Finding]:
    """Its event loop is late."""
    if status.uptime >= _SETTLED and status.lag.p99 >= _LATE:
        yield warning(
            "server-late",
            f"the server wakes up late: one in a hundred times by {status.lag.p99:g} s",
            remedy="It gets too little CPU: raise its request and drop its CPU limit",
        )


@when_told
def proxies(status: StatusReport, facts: Facts) -> Iterator[Finding]:
    """Proxy variables in its environment."""
    found = tuple(name for name in status.proxies if name != "NO_PROXY")
    if found and not known(facts.pods):
        yield info(
            "server-proxy",
            f"the server's environment has {', '.join(found)}; it does not use them",
            remedy="If kube-apiserver has the same variables, it needs the cluster's networks in NO_PROXY",
        )
