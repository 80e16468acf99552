"""Why one pod, node or HorizontalPodAutoscaler has no metrics, and when to expect them: what follows from the facts."""

from __future__ import annotations

from collections.abc import Iterator

from metrics_api.doctor.checks import memory
from metrics_api.doctor.checks.autoscalers import REQUESTS_REMEDY, inactive, lacks_requests
from metrics_api.doctor.facts import Facts, Unknown
from metrics_api.doctor.findings import Finding, Severity, error, info, some, warning, worst_first
from metrics_api.doctor.judging import KUBELET_CHECKS
from metrics_api.doctor.objects import Node, ServiceReference, memory_in
from metrics_api.doctor.single import NO_API, HpaFacts, Metrics, NodeFacts, PodFacts, reason_in
from metrics_api.doctor.workloads import Hpa, Pod
from metrics_api.reports import NodeReport
from metrics_api.timetext import parse_rfc3339

_SOON = ("first sample expected", "the next is expected", "has not been asked yet", "first sample is")
_ASK_MORE = "metrics-api doctor looks at the whole cluster"
_WITHOUT = "-without-metrics"
_HAS_NONE = " has no metrics"


def judge_pod(facts: PodFacts) -> list[Finding]:
    """Return what is to be said of a pod."""
    return worst_first(_of_pod(facts))


def judge_node(facts: NodeFacts) -> list[Finding]:
    """Return what is to be said of a node."""
    return worst_first(_of_node(facts))


def judge_hpa(facts: HpaFacts) -> list[Finding]:
    """Return what is to be said of a HorizontalPodAutoscaler."""
    return worst_first(_of_hpa(facts))


def _of_pod(facts: PodFacts) -> Iterator[Finding]:
    pod = facts.pod
    if pod is None:
        yield error("pod-unknown", f"there is no pod {facts.key}", remedy="kubectl get pods -A shows which there are")
        return
    if isinstance(pod, Pod) and pod.status.phase != "Running":
        yield warning(
            "pod-not-running",
            f"pod {facts.key} is {pod.status.phase or 'of unknown phase'}: only running pods have metrics",
            remedy="A Pending pod gets them once it runs; a finished one never does",
        )
        return
    node = pod.spec.node_name if isinstance(pod, Pod) else "unknown"
    if isinstance(facts.metrics, Metrics):
        yield info("pod-served", f"pod {facts.key} has metrics, {_when(facts.metrics, facts.now)}")
        yield from _of_report(facts.node)
    else:
        yield from _with_cause(_lacking("pod", f"pod {facts.key} on node {node}", facts.metrics), facts.node)


def _of_node(facts: NodeFacts) -> Iterator[Finding]:
    if facts.node is None:
        yield error("node-unknown", f"there is no node {facts.name}", remedy="kubectl get nodes shows which there are")
        return
    if isinstance(facts.metrics, Metrics):
        yield info("node-served", f"node {facts.name} has metrics, {_when(facts.metrics, facts.now)}")
        yield from _of_report(facts.report)
        if isinstance(facts.node, Node):
            yield from memory.of_node(facts.node, memory_in(facts.metrics.usage))
    else:
        yield from _with_cause(_lacking("node", f"node {facts.name}", facts.metrics), facts.report)
    if not isinstance(facts.node, Unknown) and not facts.node.ready:
        yield warning("node-not-ready", f"node {facts.name} is not Ready", remedy="kubectl describe node says why")


def _of_hpa(facts: HpaFacts) -> Iterator[Finding]:
    hpa = facts.hpa
    if hpa is None:
        yield error("hpa-unknown", f"there is no HorizontalPodAutoscaler {facts.key}", remedy="kubectl get hpa -A")
        return
    if isinstance(hpa, Unknown):
        yield warning("hpa-not-looked", f"could not look at {facts.key}", hpa.why, remedy="Ask as somebody who may")
        return
    condition = inactive(hpa)
    said: tuple[str, ...] = ()
    if condition is not None and lacks_requests(condition):
        said = (condition.message,)
    elif condition is not None:
        yield error(
            "hpa-inactive",
            f"{facts.key} does not scale: {condition.reason}",
            condition.message,
            remedy="See what else is found here; when that is nothing, metrics-api doctor looks at the whole cluster",
        )
    pods = () if isinstance(facts.pods, Unknown) else facts.pods
    yield from _without_requests(facts.key, hpa, pods, said)
    if isinstance(facts.pods, Unknown):
        yield warning(
            "hpa-not-looked",
            f"could not look at the pods of {facts.key}",
            facts.pods.why,
            remedy="Correct its target, or ask as somebody who may read the pods",
        )
        return
    yield from _pods_of_hpa(facts, facts.pods)


def _pods_of_hpa(facts: HpaFacts, pods: tuple[Pod, ...]) -> Iterator[Finding]:
    running = [pod for pod in pods if pod.status.phase == "Running"]
    ended = [pod.metadata.name for pod in pods if pod.status.phase in ("Succeeded", "Failed")]
    if ended:
        yield info(
            "hpa-selects-finished",
            f"{facts.key}: the selector also matches {len(ended)} pods that have ended",
            *some(ended),
            remedy="Their labels are those of the target; give jobs and tests other ones",
        )
    if isinstance(facts.served, Unknown):
        yield _lacking("hpa-pods", f"{facts.key}: its pods", facts.served)
        return
    missing = [pod.metadata.name for pod in running if pod.metadata.name not in facts.served]
    if missing:
        said = [f"{name}: {facts.reasons.get(name) or 'no metrics'}" for name in missing]
        yield error(
            "hpa-pods-lacking",
            f"{facts.key}: {len(running) - len(missing)} of {len(running)} running pods have metrics",
            *some(said),
            remedy="The autoscaler counts a missing pod as idle when it would scale up, and as busy when it would "
            "scale down. metrics-api doctor pod says more of one",
        )
    elif running:
        yield info("hpa-served", f"{facts.key}: all {len(running)} running pods have metrics")


def _without_requests(key: str, hpa: Hpa, pods: tuple[Pod, ...], said: tuple[str, ...]) -> Iterator[Finding]:
    """Yield one finding of what the autoscaler has said itself and of what its pods show."""
    wanted = {each.resource.name for each in hpa.spec.metrics or () if each.resource is not None}
    lacking = [
        f"{pod.metadata.name}: container {container.name} has no {name} request"
        for pod in pods
        for container in pod.spec.containers or ()
        for name in sorted(wanted)
        if name not in ((container.resources.requests if container.resources is not None else None) or {})
    ]
    if lacking or said:
        yield error(
            "hpa-requests-missing",
            f"{key}: a utilization is a part of the request, and containers have none",
            *said,
            *some(lacking),
            remedy=REQUESTS_REMEDY,
        )


def _with_cause(lacking: Finding, report: NodeReport | Unknown | None) -> Iterator[Finding]:
    """Yield that metrics are lacking; with what is wrong with the node where that is the cause, as one finding."""
    of_node = list(_of_report(report))
    cause = next((each for each in of_node if each.severity is Severity.ERROR), None)
    if cause is None or not lacking.id.endswith(_WITHOUT):
        yield lacking
        yield from of_node
        return
    what = lacking.summary.partition(_HAS_NONE)[0]
    yield error(cause.id, f"{what}{_HAS_NONE}: {cause.summary}", *cause.evidence, remedy=cause.remedy)
    yield from (each for each in of_node if each is not cause)


def _of_report(report: NodeReport | Unknown | None) -> Iterator[Finding]:
    """Yield what the checks of kubelets say of this node alone."""
    if isinstance(report, NodeReport):
        facts = Facts(now=0.0, target=ServiceReference(), node_reports=(report,))
        for check in KUBELET_CHECKS:
            yield from check(facts)


def _lacking(kind: str, what: str, answer: Unknown) -> Finding:
    if answer is NO_API:
        return error("apiservice-missing", f"{what}: {answer.why}", remedy="Install a metrics server")
    if answer.code != 404:
        return error("metrics-api-failing", f"{what}: the metrics API gives no answer", answer.why, remedy=_ASK_MORE)
    why = reason_in(answer)
    if any(words in why for words in _SOON):
        return warning(f"{kind}-expected", f"{what} has no metrics yet: {why}", remedy="Wait for that long")
    return error(
        f"{kind}{_WITHOUT}",
        f"{what}{_HAS_NONE}" + (f": {why}" if why else "; the server does not say why"),
        remedy=_ASK_MORE,
    )


def _when(metrics: Metrics, now: float) -> str:
    try:
        age = now - parse_rfc3339(metrics.timestamp)
    except ValueError:
        return f"of {metrics.timestamp}"
    return f"{max(age, 0):.0f} s old, over a window of {metrics.window}"
