"""Facts and reports in which all is well; a test changes what it is about."""

from __future__ import annotations

from typing import Any

import msgspec

from metrics_api.doctor.facts import Facts, Unknown
from metrics_api.doctor.objects import (
    ApiService,
    ApiServiceSpec,
    Condition,
    Conditions,
    Endpoint,
    EndpointConditions,
    EndpointPort,
    EndpointSlice,
    Metadata,
    Node,
    NodeAddress,
    NodeStatus,
    Service,
    ServicePort,
    ServiceReference,
    ServiceSpec,
)
from metrics_api.doctor.workloads import (
    Container,
    ContainerStatus,
    Pod,
    PodSpec,
    PodStatus,
    PodTemplate,
    Resources,
    Workload,
    WorkloadSpec,
)
from metrics_api.pki import Authority
from metrics_api.reports import (
    CertificateReport,
    LagReport,
    NodeReport,
    RowsReport,
    StatusReport,
    TrustReport,
    WatchReport,
)

NOW = 1_788_264_000.0
"""2026-09-01T12:00:00Z."""
TARGET = ServiceReference("kube-system", "metrics-server", 443)
FRONT_PROXY = Authority.create("front-proxy-ca").certificate.decode()
_CERTIFICATE = CertificateReport("CN=metrics-server", "CN=ca", NOW + 90 * 86_400.0)
_WATCH = WatchReport(True, 3, 1, 0, 0, NOW - 5.0, "")


def api_service(status: str = "True", reason: str = "Passed", message: str = "", **spec: Any) -> ApiService:
    facts: dict[str, Any] = {"service": TARGET, "ca_bundle": "LQ==", **spec}
    condition = Condition("Available", status, reason, message)
    return ApiService(Metadata(), ApiServiceSpec(**facts), Conditions((condition,)))


def endpoint_slice(*ready: bool) -> EndpointSlice:
    endpoints = tuple(Endpoint((f"10.0.0.{number}",), EndpointConditions(each)) for number, each in enumerate(ready))
    return EndpointSlice(Metadata("a-slice"), endpoints, (EndpointPort("https", 10250),))


def pod(
    *args: str, phase: str = "Running", ready: bool = True, status: ContainerStatus | None = None, **spec: Any
) -> Pod:
    container = Container("metrics-server", "metrics-api:v0.1.0", args=args or ("--secure-port=10250",))
    conditions = (Condition("Ready", "True" if ready else "False"),)
    return Pod(
        Metadata("metrics-server-a", "kube-system", labels={"k8s-app": "metrics-server"}),
        PodSpec(**{"service_account_name": "metrics-server", "containers": (container,), **spec}),
        PodStatus(phase, conditions, () if status is None else (status,)),
    )


def node(name: str, *types: str, ready: bool = True) -> Node:
    addresses = tuple(NodeAddress(each, "10.0.0.1") for each in types or ("InternalIP",))
    return Node(Metadata(name), NodeStatus(addresses, (Condition("Ready", "True" if ready else "False"),)))


def node_report(name: str = "n1", **changes: Any) -> NodeReport:
    report = NodeReport(
        name=name,
        ready=True,
        address="10.0.0.5:10250",
        host="10.0.0.5",
        endpoint="summary",
        lost=(),
        served=True,
        failures=0,
        recent=10,
        recent_failures=0,
        reason=None,
        message="",
        since_answer=6.0,
        since_asked=6.0,
        until_next=9.0,
        took=0.1,
        deadline=10.0,
        sample_age=9.0,
        skew=0.2,
        pods=4,
        pods_served=4,
        lacking={},
        examples=(),
    )
    return msgspec.structs.replace(report, **changes)


def failing(name: str = "n1", reason: str = "timeout", **changes: Any) -> NodeReport:
    wrong = {"reason": reason, "message": "it is broken", "failures": 3, "recent_failures": 3, "since_answer": None}
    return node_report(name, **{**wrong, "served": False, **changes})


def status(**changes: Any) -> StatusReport:
    rows = RowsReport(3, 3, 0, 9.0, {})
    report = StatusReport(
        version="0.1.0",
        instance="metrics-server-a",
        time=NOW,
        uptime=7200.0,
        flags={"kubelet-request-timeout": 10.0, "kubelet-endpoint": "auto", "max-metric-age": 90.0},
        proxies=(),
        unready={},
        watches={"nodes": _WATCH, "pods": _WATCH},
        rows={"nodes": rows, "pods": rows},
        standings={"ok": 3},
        scrapes={"ok": 100},
        dropped={},
        answered={"discovery": 50},
        trust=TrustReport(True, (_CERTIFICATE,), (_CERTIFICATE,), ("front-proxy-client",), ""),
        serving_certificate=_CERTIFICATE,
        lag=LagReport(0.001, 0.0025),
    )
    return msgspec.structs.replace(report, **changes)


def well(**changes: Any) -> Facts:
    """Return the facts of a cluster in which nothing is wrong."""
    selector = {"k8s-app": "metrics-server"}
    facts = Facts(
        now=NOW,
        target=TARGET,
        kubernetes="v1.36.0",
        api_services={"v1": api_service(), "v1beta1": api_service()},
        service=Service(Metadata(), ServiceSpec(selector=selector, ports=(ServicePort("https", 443),))),
        slices=(endpoint_slice(True),),
        deployment=None,
        pods=(pod(),),
        authentication={"requestheader-client-ca-file": FRONT_PROXY, "requestheader-allowed-names": "[]"},
        rights={},
        signing_requests=(),
        policies=(),
        nodes=(node("n1"), node("n2"), node("n3")),
        nodes_with_metrics=frozenset(("n1", "n2", "n3")),
        hpas=(),
        status=status(),
        node_reports=(),
    )
    return msgspec.structs.replace(facts, **changes)


def inside(**changes: Any) -> dict[str, Any]:
    return {"status": status(**changes)}


def verified(*condition: str, **annotations: str) -> ApiService:
    marked = Metadata(annotations={"metrics-api/ca-bundle": "a digest", **annotations})
    return msgspec.structs.replace(api_service(*condition), metadata=marked)


def sized(**memory: str) -> Pod:
    resources = Resources(**{kind: {"memory": quantity} for kind, quantity in memory.items()})
    return pod(containers=(Container("metrics-server", "x", args=("--secure-port=1",), resources=resources),))


def deployed(*containers: Container) -> Workload:
    return Workload(Metadata("metrics-server"), WorkloadSpec(template=PodTemplate(spec=PodSpec(containers=containers))))


FORBIDDEN = Unknown("403 Forbidden: GET /x: you may not", 403)
MIB = 1 << 20
SMALL = Node(Metadata("n1"), NodeStatus(allocatable={"memory": "1.2Gi"}, capacity={"memory": "3.7Gi"}))
OFF: dict[str, Any] = {"kubelet-request-timeout": 10.0, "verified-tls": ""}
ON_FARGATE = Node(Metadata("n1", labels={"eks.amazonaws.com/compute-type": "fargate"}))
FARGATE: dict[str, Any] = {"nodes": (ON_FARGATE, node("n2"), node("n3")), "pods": (pod(node_name="n1"),)}
