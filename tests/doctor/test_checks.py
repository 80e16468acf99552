"""Each check as a table: facts in which one thing is wrong -> what is found."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from metrics_api.doctor.facts import LOOKED_AT, Discovery, Facts, Right, Unknown
from metrics_api.doctor.findings import EXIT_UNAVAILABLE, Finding, Severity, exit_code
from metrics_api.doctor.judging import PREFLIGHT, judge
from metrics_api.doctor.objects import (
    ApiService,
    Condition,
    Conditions,
    LabelRequirement,
    LabelSelector,
    Metadata,
    NetworkPolicy,
    NetworkPolicySpec,
    ServiceReference,
    SigningRequest,
    SigningRequestSpec,
    SigningRequestStatus,
)
from metrics_api.doctor.workloads import (
    Container,
    ContainerState,
    ContainerStates,
    ContainerStatus,
    Hpa,
    Workload,
)
from metrics_api.reports import CertificateReport, PodReport, RowsReport, TrustReport, WatchReport
from tests.doctor.reports import (
    FARGATE,
    FORBIDDEN,
    MIB,
    NOW,
    OFF,
    SMALL,
    TARGET,
    api_service,
    endpoint_slice,
    failing,
    inside,
    node,
    node_report,
    pod,
    sized,
    status,
    verified,
    well,
)

OTHER = ServiceReference("monitoring", "prometheus-adapter", 443)
CLOSED = "failing or missing response from https://10.0.0.9:10250/apis/metrics.k8s.io/v1"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"
ALL_STREAMS = NetworkPolicy(Metadata("deny"), NetworkPolicySpec(LabelSelector(), ("Ingress", "Egress")))


def unavailable(reason: str, message: str = "", state: str = "False") -> dict[str, Any]:
    return {"api_services": {"v1beta1": api_service(state, reason, message)}}


def waiting(reason: str) -> ContainerStatus:
    state = ContainerStates(waiting=ContainerState(reason, "what the kubelet says"))
    return ContainerStatus("metrics-server", state=state, restart_count=7)


def killed() -> ContainerStatus:
    last = ContainerStates(terminated=ContainerState("OOMKilled", exit_code=137))
    return ContainerStatus("metrics-server", True, 4, last_state=last)


def request(*, pending: bool = True, signer: str = KUBELET_SERVING) -> SigningRequest:
    decided = None if pending else (Condition("Approved", "True"),)
    return SigningRequest(
        Metadata("csr-a", creation_timestamp="2026-08-30T19:00:00Z"),
        SigningRequestSpec(signer, "system:node:n1"),
        SigningRequestStatus(decided, None if pending else "LQ=="),
    )


def hpa(message: str) -> Hpa:
    condition = Condition("ScalingActive", "False", "FailedGetResourceMetric", message)
    return Hpa(Metadata("cart", "shop"), status=Conditions((condition,)))


def certificate(left: float) -> dict[str, Any]:
    return inside(serving_certificate=CertificateReport("CN=metrics", "CN=ca", NOW + left))


def trust(**changes: Any) -> dict[str, Any]:
    facts = {"config_map_found": True, "client_authorities": (), "allowed_names": (), "fault": ""}
    believed = (CertificateReport("CN=front", "CN=front", NOW + 1e6),)
    return inside(trust=TrustReport(**{**facts, "front_proxy_authorities": believed, **changes}))


def watch(**changes: Any) -> dict[str, Any]:
    sound = WatchReport(True, 3, 1, 0, 0, NOW - 40.0, "")
    return inside(watches={"pods": msgspec.structs.replace(sound, **changes)})


def rows(**changes: Any) -> dict[str, Any]:
    return inside(rows={"pods": msgspec.structs.replace(RowsReport(8, 8, 0, 9.0, {}), **changes)})


PINNING: dict[str, Any] = {"kubelet-tls-verify": "pin"}
E, W, I = Severity.ERROR, Severity.WARNING, Severity.INFO  # noqa: E741 - a table is read by its columns

WRONG: list[tuple[str, Severity, dict[str, Any], str]] = [
    # what is found, how bad, what differs from a cluster that is well, words of it
    ("apiservice-missing", E, {"api_services": {"v1": None, "v1beta1": None}}, "no APIService"),
    (
        "apiservice-split",
        E,
        {"api_services": {"v1": api_service(service=OTHER), "v1beta1": api_service()}},
        "prometheus",
    ),
    ("apiservice-foreign", W, {"api_services": {"v1": api_service(service=OTHER)}, "named_target": True}, "prometheus"),
    ("apiservice-unavailable", E, unavailable("MissingEndpoints"), "No pod behind the Service is ready"),
    ("apiservice-unavailable", E, unavailable("ServiceNotFound"), "Create the Service"),
    ("apiservice-unavailable", E, unavailable("FailedDiscoveryCheck", f"{CLOSED}: i/o timeout"), "--enable-aggregator"),
    (
        "apiservice-unavailable",
        E,
        unavailable("FailedDiscoveryCheck", f"{CLOSED}: bad status from x: 401"),
        "front proxy",
    ),
    (
        "apiservice-unavailable",
        E,
        unavailable("FailedDiscoveryCheck", f"{CLOSED}: x509: unknown authority"),
        "caBundle",
    ),
    ("apiservice-unavailable", E, unavailable("FailedDiscoveryCheck", "proxyconnect tcp: 403"), "NO_PROXY"),
    ("apiservice-unavailable", E, unavailable("FailedDiscoveryCheck", f"{CLOSED}: EOF"), "refuses kube-apiserver"),
    (
        "apiservice-unavailable",
        E,
        {
            "api_services": {
                "v1": api_service("False", "MissingEndpoints"),
                "v1beta1": api_service("False", "MissingEndpoints"),
            }
        },
        "v1.metrics.k8s.io, v1beta1.metrics.k8s.io are not Available",
    ),
    ("apiservice-unchecked", W, {"api_services": {"v1": ApiService()}}, "v1.metrics.k8s.io yet"),
    (
        "apiservice-version-unserved",
        E,
        {"api_services": {"v1": api_service("False", "FailedDiscoveryCheck", f"{CLOSED}: bad status from x: 404")}},
        "kubectl delete apiservice v1.metrics.k8s.io",
    ),
    ("apiservice-insecure", W, {"api_services": {"v1": api_service(insecure_skip_tls_verify=True)}}, "caBundle"),
    ("service-missing", E, {"service": None}, "kube-system/metrics-server does not exist"),
    ("service-port", E, {"target": ServiceReference("kube-system", "metrics-server", 8443)}, "no port 8443"),
    ("endpoints-missing", E, {"slices": ()}, "k8s-app=metrics-server"),
    ("endpoints-not-ready", E, {"slices": (endpoint_slice(False, False),)}, "none of the 2 endpoints"),
    ("server-pods-none", E, {"pods": ()}, "no pod is behind"),
    ("server-pods-none", E, {"pods": (), "deployment": Workload(Metadata("web"))}, "Deployment web: replicas 1"),
    (
        "server-pod-image",
        E,
        {"pods": (pod(phase="Pending", status=waiting("ImagePullBackOff")),)},
        "what the kubelet says",
    ),
    ("server-pod-crashing", E, {"pods": (pod(status=waiting("CrashLoopBackOff")),)}, "--previous"),
    ("server-pod-pending", E, {"pods": (pod(phase="Pending", ready=False),)}, "is Pending"),
    ("server-pod-unready", W, {"pods": (pod(ready=False),)}, "1 of 1 running"),
    ("server-pod-memory", E, {"pods": (pod(status=killed()),)}, "limits.memory"),
    ("server-port-conflict", E, {"pods": (pod(host_network=True),)}, "10250"),
    ("server-resolution", W, {"pods": (pod("--secure-port=1", "--metric-resolution=5s"),)}, "Use 10s"),
    ("kubelet-insecure", W, {"pods": (pod("--secure-port", "1", "--kubelet-insecure-tls"),)}, "serverTLSBootstrap"),
    ("server-memory-short", W, {**inside(memory=180 * MIB), "pods": (sized(limits="200Mi"),)}, "memory to 270Mi"),
    ("server-memory-short", I, {**inside(memory=230 * MIB), "pods": (sized(requests="200Mi"),)}, "requests 200"),
    ("node-memory-above", I, {"nodes": (SMALL,), "node_memory": {"n1": 3 << 30}}, "n1: 250 %: 3.0 GiB used"),
    ("verified-tls-left", W, {"api_services": {"v1beta1": verified()}}, "metrics-api verified-tls undo"),
    ("verified-tls-left", W, {"api_services": {"v1beta1": verified()}, "pods": ()} | inside(flags=OFF), "the server"),
    (
        "verified-tls-left",
        E,
        {"api_services": {"v1": None, "v1beta1": verified("False", "FailedDiscoveryCheck", f"{CLOSED}: x509: unknown")}}
        | {"deployment": Workload(Metadata("metrics-server")), "pods": (pod("--verified-tls=a/b"),)},
        "Deployment kube-system/metrics-server runs without it",
    ),
    ("kubelet-fargate", I, {"node_reports": (failing(),), **FARGATE}, "A known limit of EKS Fargate"),
    ("authentication-config-missing", E, {"authentication": None}, "does not exist"),
    ("front-proxy-authority-missing", E, {"authentication": {"client-ca-file": "x"}}, "--requestheader-client-ca-file"),
    ("front-proxy-authority-broken", E, {"authentication": {"requestheader-client-ca-file": "x"}}, "no certificates"),
    ("front-proxy-names-broken", E, {"authentication": {"requestheader-allowed-names": "a,b"}}, "a,b"),
    ("front-proxy-authority-expired", E, {"now": NOW + 3650 * 86_400.0}, "CN=front-proxy-ca"),
    ("server-trust-broken", E, trust(fault="no JSON list"), "no JSON list"),
    ("server-trusts-no-front-proxy", E, trust(front_proxy_authorities=()), "has seen the ConfigMap"),
    (
        "front-proxy-authority-old",
        W,
        trust(front_proxy_authorities=(CertificateReport("CN=old", "", 1.0), CertificateReport("CN=new", "", NOW + 9))),
        "CN=old",
    ),
    ("front-proxy-refused", W, trust(refused=("10.0.0.2 showed CN=old",)), "10.0.0.2 showed CN=old"),
    (
        "front-proxy-refused",
        E,
        {**trust(refused=("10.0.0.2 showed CN=old",)), **unavailable("FailedDiscoveryCheck", "EOF")},
        "kube-apiserver gets no answer",
    ),
    ("rights-missing", E, {"rights": {Right("list", "pods", purpose="no pod is known"): False}}, "may not list pods"),
    ("rights-optional", W, {"rights": {Right("get", "nodes/stats", optional=True): False}}, "pod uids"),
    ("server-unready", E, inside(unready={"metric-storage-ready": "no metrics to serve"}), "no metrics to serve"),
    ("watch-failing", E, watch(fault="403 Forbidden; grant list"), "40 s ago"),
    ("watch-restarting", W, watch(restarts=500), "500 times"),
    ("watch-skipped", W, watch(skipped=2), "2 pods"),
    ("server-not-called", E, inside(answered={}), "has not asked it anything"),
    ("kubelet-insecure", W, {"pods": (), **inside(flags={"kubelet-tls-verify": "none"})}, "drop the flag"),
    ("server-late", W, inside(lag=msgspec.structs.replace(status().lag, p99=1.0)), "CPU limit"),
    ("discovery-slow", E, {"discovery": {"v1": Discovery(6.0, "504")}}, "6.0 s"),
    ("discovery-slow", W, {"discovery": {"v1": Discovery(1.5)}}, "5 s"),
    ("discovery-failing", E, {"discovery": {"v1": Discovery(0.1, "503")}}, "replicas"),
    ("network-policy", I, {"policies": (ALL_STREAMS,)}, "deny: Ingress, Egress"),
    ("network-policy", W, {"policies": (ALL_STREAMS,), "node_reports": (failing(),)}, "times out"),
    ("csr-pending", E, {"signing_requests": (request(),)}, "41 h old"),
    ("serving-certificate-expired", E, certificate(-1.0), "CN=metrics"),
    ("serving-certificate-expiring", W, certificate(86_400.0), "1.0 days"),
    ("kubelet-timeout", E, {"node_reports": (failing(),)}, "1 of 3 nodes"),
    ("kubelet-timeout", W, {"node_reports": (failing(served=True, since_answer=20.0),)}, "still served"),
    ("kubelet-tls", W, {"node_reports": (failing(reason="tls", ready=False),)}, "NotReady"),
    ("kubelet-tls", E, {"node_reports": (failing(reason="tls"),), **inside(flags=PINNING)}, "restart metrics-api"),
    ("kubelet-no-serving-cert", E, {"node_reports": (failing(reason="no_serving_cert"),)}, "certificate approve"),
    ("kubelet-unsteady", W, {"node_reports": (node_report(recent_failures=5),)}, "5 of the last 10"),
    ("kubelet-slow", W, {"node_reports": (node_report(took=6.0),)}, "6.0 s"),
    ("kubelet-fallback", W, {"node_reports": (node_report(lost=("pod uids",)),)}, "lost: pod uids"),
    ("clock-skew", W, {"node_reports": (node_report(skew=-94.0),)}, "94 s ahead"),
    ("clock-skew", W, {"node_reports": (node_report(skew=94.0),)}, "94 s behind"),
    (
        "kubelet-no-containers",
        E,
        {"node_reports": (node_report(pods_served=0, lacking={"not_reported": 4}),)},
        "0 of 4",
    ),
    (
        "node-metrics-missing",
        E,
        {
            "nodes_with_metrics": frozenset(("n1", "n2")),
            "node_reports": FORBIDDEN,
            "missing_reasons": {"n3": '404 NotFound: GET x: nodemetrics "n3" not found: was never scraped'},
        },
        "n3: was never scraped",
    ),
    ("pods-lacking", W, rows(served=6, lacking={"timeout": 2}), "75.0 %"),
    ("pods-expected", I, rows(served=7, lacking={"first_sample": 1}), "1 pod without metrics yet"),
    ("pods-stale", W, rows(stale=3, oldest=80.0), "80 s"),
    ("points-dropped", I, inside(dropped={"future": 3}), "future: 3"),
    ("hpa-requests-missing", E, {"hpas": (hpa("missing request for cpu in container app"),)}, "shop/cart"),
    ("hpa-metrics-missing", E, {"hpas": (hpa("no metrics returned from resource metrics API"),)}, "shop/cart"),
    ("inside-none", I, {"status": Unknown("404", 404)}, "not metrics-api"),
    ("inside-forbidden", I, {"status": FORBIDDEN}, "resource debug"),
    ("inside-unreachable", I, {"status": Unknown("503", 503)}, "--server"),
    ("inside-unreachable", E, {"status": Unknown("refused"), "asked_directly": True}, "Correct the address"),
    (
        "inside-unreachable",
        E,
        {"status": Unknown("refused"), "asked_directly": True, "api_services": {"v1": None}},
        "refused",
    ),
    ("not-looked-forbidden", I, {"hpas": FORBIDDEN, "nodes": FORBIDDEN}, "the nodes, the HorizontalPodAutoscalers"),
    ("not-looked-failed", I, {"hpas": Unknown("no answer in time")}, "no answer in time"),
    ("not-looked-all", I, {"more_nodes": True}, "more than 3 nodes"),
]


def words(finding: Finding) -> str:
    return "\n".join((finding.summary, *finding.evidence, finding.remedy))


@pytest.mark.parametrize(
    ("wanted", "severity", "changes", "said"), WRONG, ids=[f"{each[0]}-{each[3]}" for each in WRONG]
)
def test_what_is_wrong_is_found(wanted: str, severity: Severity, changes: dict[str, Any], said: str) -> None:
    found = [finding for finding in judge(well(**changes)) if finding.id == wanted]

    assert [finding.severity for finding in found] == [severity]
    assert said in words(found[0])
    assert found[0].remedy or severity is Severity.INFO


def test_a_server_that_refused_its_caller_is_not_said_to_be_uncalled() -> None:
    facts = trust(refused=("127.0.0.1 showed CN=front-proxy-client",))
    found = {each.id for each in judge(well(status=msgspec.structs.replace(facts["status"], answered={})))}

    assert "front-proxy-refused" in found
    assert "server-not-called" not in found


def test_a_cluster_that_is_well_is_well() -> None:
    assert [(finding.id, finding.severity) for finding in judge(well())] == [("apiservice-owner", Severity.INFO)]


def test_the_owner_is_named_and_not_assumed() -> None:
    def owner(facts: Facts) -> str:
        return next(finding.summary for finding in judge(facts) if finding.id == "apiservice-owner")

    unknown = Unknown("404", 404)
    theirs = pod(containers=(Container("m", "registry.k8s.io/metrics-server/metrics-server:v0.9.0"),))
    assert "which is metrics-api 0.1.0" in owner(well())
    assert "seems to be metrics-server" in owner(well(status=unknown, pods=(theirs,)))
    assert "program is not known" in owner(well(status=unknown, pods=unknown))
    adapter = pod(containers=(Container("a", "prometheus-adapter:v1"),))
    assert "whose image is prometheus-adapter:v1" in owner(well(status=unknown, pods=(adapter,)))


def test_nodes_that_fail_alike_are_one_finding_and_its_evidence_stays_short() -> None:
    reports = tuple(failing(f"n{number}") for number in range(1000))
    found = [finding for finding in judge(well(node_reports=reports)) if finding.id == "kubelet-timeout"]
    assert len(found) == 1
    assert found[0].evidence[-1] == "… and 997 more"


def test_nodes_of_one_network_that_cannot_be_reached_point_to_a_firewall() -> None:
    reports = tuple(failing(f"n{number}", address=f"10.2.0.{number}:10250") for number in range(3))
    found = next(finding for finding in judge(well(node_reports=reports)) if finding.id == "kubelet-timeout")
    assert found.evidence[-1].startswith("all of them are in 10.2.0.0/16, and the server is not")


def test_new_pods_are_no_fault_of_their_kubelet() -> None:
    report = node_report(pods=1, pods_served=0, lacking={"first_sample": 1})
    assert "kubelet-no-containers" not in {finding.id for finding in judge(well(node_reports=(report,)))}


def test_an_example_says_why_a_pod_lacks_metrics() -> None:
    report = node_report(lacking={"no_memory": 1}, examples=(PodReport("shop", "cart", "container a: no working set"),))
    facts = well(node_reports=(report,), **rows(served=7, lacking={"no_memory": 1}))
    assert "shop/cart: container a: no working set" in words(next(f for f in judge(facts) if f.id == "pods-lacking"))


def test_a_policy_for_other_pods_is_none_of_ours() -> None:
    requirement = LabelRequirement("k8s-app", "NotIn", ("metrics-server",))
    policy = NetworkPolicy(Metadata("other"), NetworkPolicySpec(LabelSelector(match_expressions=(requirement,))))
    assert "network-policy" not in {finding.id for finding in judge(well(policies=(policy,)))}


def test_requests_of_other_signers_or_approved_ones_are_passed_over() -> None:
    requests = (request(pending=False), request(signer="example.com/other"))
    assert "csr-pending" not in {finding.id for finding in judge(well(signing_requests=requests))}


def test_a_right_that_only_we_use_is_not_missed_of_another_server() -> None:
    rights = {Right("get", "nodes/stats", optional=True): False}
    found = judge(well(rights=rights, status=Unknown("404", 404)))
    assert "rights-optional" not in {finding.id for finding in found}


def test_when_nothing_may_be_looked_at_nothing_is_claimed() -> None:
    hidden: dict[str, Any] = {
        name: FORBIDDEN
        for name in Facts.__struct_fields__
        if name not in ("now", "target", "named_target", "account", "discovery", "more_nodes", "missing_reasons")
    }
    found = judge(Facts(now=NOW, target=TARGET, **hidden))
    assert exit_code(found) == 1, "who may read nothing has still reached it"
    assert {finding.id: finding.severity for finding in found} == {
        "not-looked-blind": W,
        "not-looked-forbidden": I,
        "inside-forbidden": I,
    }


def test_when_every_request_fails_nothing_is_called_well() -> None:
    failed = Unknown("GET /api/v1/nodes: 500", 500)
    nothing: dict[str, Any] = {**dict.fromkeys(LOOKED_AT, failed), "pods": FOLLOWS}
    all_found = judge(Facts(now=NOW, target=TARGET, **nothing))
    worst = all_found[0]
    assert (worst.id, worst.severity, worst.evidence) == ("not-looked-blind", E, ("GET /api/v1/nodes: 500",))
    assert exit_code(all_found) == EXIT_UNAVAILABLE
    found = judge(Facts(now=NOW, target=TARGET, **{**nothing, "nodes": ()}))
    assert "not-looked-blind" not in {finding.id for finding in found}


FOLLOWS = Unknown("the Service is not known", follows=True)

NOTHING: dict[str, Any] = {
    "api_services": {"v1": None, "v1beta1": None}, "service": None, "slices": (), "status": Unknown("404", 404),
    "pods": Unknown("the Service is not known", follows=True), "node_reports": Unknown("404", 404),
    "nodes_with_metrics": Unknown("there is no metrics API", follows=True),
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, {"preflight-cluster": I, "preflight-free": I, "preflight-kubelet-certificates": W}),
        ({"signing_requests": (request(pending=False),)}, {"preflight-cluster": I, "preflight-free": I}),
        ({"authentication": {}}, {"front-proxy-authority-missing": E}),
        ({"nodes": (node("n1", "ExternalDNS"),)}, {"preflight-addresses": W}),
        ({"own_rights": {Right("create", "apiservices"): False}}, {"preflight-rights": E}),
        ({"rights": {Right("list", "pods"): False}}, {"preflight-rbac": I}),
        ({"api_services": {"v1beta1": api_service(service=OTHER)}}, {"preflight-taken": W, "apiservice-owner": I}),
        ({"api_services": {"v1": api_service()}}, {"preflight-v1": I}),
    ],
)
def test_before_an_installation_what_is_not_there_is_no_fault(
    changes: dict[str, Any], wanted: dict[str, Severity]
) -> None:
    found = {finding.id: finding.severity for finding in judge(well(**{**NOTHING, **changes}), PREFLIGHT)}
    assert wanted.items() <= found.items()
    if not changes:
        assert wanted == found
