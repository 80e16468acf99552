"""What is said of one pod, node or HorizontalPodAutoscaler."""

from __future__ import annotations

from typing import Any

import pytest

from metrics_api.doctor.answers import judge_hpa, judge_node, judge_pod
from metrics_api.doctor.facts import Unknown
from metrics_api.doctor.findings import Finding, Severity
from metrics_api.doctor.objects import Condition, Conditions, Metadata, Node, NodeStatus
from metrics_api.doctor.single import NO_API, HpaFacts, Metrics, NodeFacts, PodFacts
from metrics_api.doctor.workloads import Container, Hpa, HpaMetric, HpaSpec, Pod, PodSpec, PodStatus, Resources
from metrics_api.doctor.workloads import ResourceMetric as Resource
from tests.doctor.reports import NOW, failing, node

METRICS = Metrics("2026-09-01T11:59:52Z", "15s")
BUSY = Metrics("2026-09-01T11:59:52Z", "15s", usage={"cpu": "1", "memory": "3Gi"})
SMALL = Node(Metadata("n1"), NodeStatus(allocatable={"memory": "1228Mi"}))
E, W, I = Severity.ERROR, Severity.WARNING, Severity.INFO  # noqa: E741 - a table is read by its columns


def lacking(why: str) -> Unknown:
    return Unknown(f'404 NotFound: GET /x: podmetrics.metrics.k8s.io "shop/web" not found: {why}', 404)


def pod(name: str = "web", phase: str = "Running", **requests: str) -> Pod:
    container = Container("app", resources=Resources(requests or {"cpu": "100m"}))
    return Pod(Metadata(name, "shop"), PodSpec("n1", containers=(container,)), PodStatus(phase))


def said(found: list[Finding]) -> list[tuple[str, Severity]]:
    return [(finding.id, finding.severity) for finding in found]


@pytest.mark.parametrize(
    ("changes", "wanted", "words"),
    [
        ({}, [("pod-served", I)], "8 s old, over a window of 15s"),
        ({"pod": None}, [("pod-unknown", E)], "no pod shop/web"),
        ({"pod": pod(phase="Pending")}, [("pod-not-running", W)], "is Pending"),
        ({"metrics": lacking("started 6 s ago; first sample expected in 9 s")}, [("pod-expected", W)], "in 9 s"),
        (
            {"metrics": lacking("container app: no working set was reported")},
            [("pod-without-metrics", E)],
            "working set",
        ),
        ({"metrics": Unknown("404: not found", 404)}, [("pod-without-metrics", E)], "does not say why"),
        ({"metrics": Unknown("503: unavailable", 503)}, [("metrics-api-failing", E)], "gives no answer"),
        ({"metrics": NO_API}, [("apiservice-missing", E)], "no API group"),
        (
            {"metrics": lacking("node n1 was never scraped: timeout"), "node": failing()},
            [("kubelet-timeout", E)],
            "pod shop/web on node n1 has no metrics: the node cannot be scraped: timeout",
        ),
        ({"pod": Unknown("403", 403)}, [("pod-served", I)], "has metrics"),
    ],
)
def test_of_a_pod(changes: dict[str, Any], wanted: list[tuple[str, Severity]], words: str) -> None:
    facts: dict[str, Any] = {"now": NOW, "key": "shop/web", "pod": pod(), "metrics": METRICS, "node": None}
    found = judge_pod(PodFacts(**{**facts, **changes}))
    assert said(found) == wanted
    assert words in found[0].summary


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, [("node-served", I)]),
        ({"node": None}, [("node-unknown", E)]),
        ({"node": SMALL, "metrics": BUSY}, [("node-not-ready", W), ("node-served", I), ("node-memory-above", I)]),
        ({"node": node("n1"), "metrics": BUSY}, [("node-served", I)]),
        ({"node": node("n1", ready=False)}, [("node-not-ready", W), ("node-served", I)]),
        (
            {"metrics": lacking("was never scraped: tls"), "report": failing(reason="tls")},
            [("kubelet-tls", E)],
        ),
    ],
)
def test_of_a_node(changes: dict[str, Any], wanted: list[tuple[str, Severity]]) -> None:
    facts: dict[str, Any] = {"now": NOW, "name": "n1", "node": node("n1"), "metrics": METRICS, "report": None}
    assert said(judge_node(NodeFacts(**{**facts, **changes}))) == wanted


NO_REQUEST = "failed to get cpu utilization: missing request for cpu in container app of Pod web"


def autoscaler(*conditions: Condition) -> Hpa:
    return Hpa(
        Metadata("web", "shop"), HpaSpec(metrics=(HpaMetric("Resource", Resource("cpu")),)), Conditions(conditions)
    )


@pytest.mark.parametrize(
    ("changes", "wanted", "words"),
    [
        ({}, [("hpa-served", I)], "all 1 running"),
        ({"hpa": None}, [("hpa-unknown", E)], "no Horizontal"),
        ({"pods": Unknown("its target is a Rollout")}, [("hpa-not-looked", W)], "a Rollout"),
        ({"hpa": Unknown("403", 403)}, [("hpa-not-looked", W)], "403"),
        (
            {
                "hpa": autoscaler(Condition("ScalingActive", "False", "FailedGetResourceMetric", "no metrics")),
                "pods": Unknown("its target does not exist"),
            },
            [("hpa-inactive", E), ("hpa-not-looked", W)],
            "no metrics",
        ),
        (
            {"pods": (pod(), pod("x")), "reasons": {"x": "started 6 s ago"}},
            [("hpa-pods-lacking", E)],
            "x: started 6 s ago",
        ),
        ({"pods": (pod(), pod("test", "Succeeded"))}, [("hpa-selects-finished", I), ("hpa-served", I)], "test"),
        ({"pods": (pod(memory="1Gi"),)}, [("hpa-requests-missing", E), ("hpa-served", I)], "app has no cpu request"),
        ({"served": NO_API}, [("apiservice-missing", E)], "no API group"),
        (
            {"hpa": autoscaler(Condition("ScalingActive", "False", "FailedGetResourceMetric", "no metrics"))},
            [("hpa-inactive", E), ("hpa-served", I)],
            "no metrics",
        ),
        (
            {
                "hpa": autoscaler(Condition("ScalingActive", "False", "FailedGetResourceMetric", NO_REQUEST)),
                "pods": (pod(memory="1Gi"),),
            },
            [("hpa-requests-missing", E), ("hpa-served", I)],
            f"{NO_REQUEST}\nweb: container app has no cpu request",
        ),
    ],
)
def test_of_an_autoscaler(changes: dict[str, Any], wanted: list[tuple[str, Severity]], words: str) -> None:
    facts: dict[str, Any] = {"key": "shop/web", "hpa": autoscaler(), "pods": (pod(),), "served": frozenset(("web",))}
    found = judge_hpa(HpaFacts(**{**facts, **changes}))
    assert said(found) == wanted
    assert words in "\n".join((found[0].summary, *found[0].evidence))
