"""Why one pod, node or HorizontalPodAutoscaler has no metrics, and when to expect them: what is asked for each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from metrics_api.doctor.facts import GROUP, Unknown
from metrics_api.doctor.inside import Inside
from metrics_api.doctor.looking import Looking
from metrics_api.doctor.objects import Metadata, Node
from metrics_api.doctor.selecting import selector_text
from metrics_api.doctor.workloads import Hpa, Pod, Workload
from metrics_api.reports import NodeReport

_KINDS = {"Deployment": "deployments", "StatefulSet": "statefulsets", "ReplicaSet": "replicasets"}
_MOST_PODS = 1000
_MOST_REASONS = 5

NO_API = Unknown(f"the cluster has no API group {GROUP}", 404)
"""Instead of metrics."""


class Metrics(msgspec.Struct, frozen=True):
    """A NodeMetrics or PodMetrics."""

    timestamp: str = ""
    window: str = ""
    usage: dict[str, Any] | None = None
    """Of a node: resource -> quantity."""
    metadata: Metadata = Metadata()


class PodFacts(msgspec.Struct, frozen=True):
    """One pod."""

    now: float
    key: str
    """``<namespace>/<name>``."""
    pod: Pod | Unknown | None
    metrics: Metrics | Unknown
    node: NodeReport | Unknown | None
    """How its node stands."""


class NodeFacts(msgspec.Struct, frozen=True):
    """One node."""

    now: float
    name: str
    node: Node | Unknown | None
    metrics: Metrics | Unknown
    report: NodeReport | Unknown | None


class HpaFacts(msgspec.Struct, frozen=True):
    """One HorizontalPodAutoscaler."""

    key: str
    hpa: Hpa | Unknown | None
    pods: tuple[Pod, ...] | Unknown
    """Those that its target selects."""
    served: frozenset[str] | Unknown
    """Names of those that have metrics."""
    reasons: Mapping[str, str] = {}
    """Some that have none -> why, as the metrics API says; empty when it does not."""


class _Version(msgspec.Struct):
    version: str


class _Group(msgspec.Struct, rename="camel"):
    preferred_version: _Version


async def gather_pod(looking: Looking, inside: Inside, namespace: str, name: str, now: float) -> PodFacts:
    """Return the facts of a pod."""
    api = await _api(looking)
    pod, metrics = await asyncio.gather(
        looking.one(f"/api/v1/namespaces/{namespace}/pods/{name}", Pod),
        _metrics(looking, api, f"namespaces/{namespace}/pods/{name}"),
    )
    node: NodeReport | Unknown | None = None
    if isinstance(pod, Pod) and pod.spec.node_name:
        node = await inside.find_node(pod.spec.node_name)
    return PodFacts(now, f"{namespace}/{name}", pod, metrics, node)


async def gather_node(looking: Looking, inside: Inside, name: str, now: float) -> NodeFacts:
    """Return the facts of a node."""
    api = await _api(looking)
    node, metrics, report = await asyncio.gather(
        looking.one(f"/api/v1/nodes/{name}", Node), _metrics(looking, api, f"nodes/{name}"), inside.find_node(name)
    )
    return NodeFacts(now, name, node, metrics, report)


async def gather_hpa(looking: Looking, namespace: str, name: str) -> HpaFacts:
    """Return the facts of a HorizontalPodAutoscaler."""
    key = f"{namespace}/{name}"
    hpa = await looking.one(f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers/{name}", Hpa)
    if not isinstance(hpa, Hpa):
        nothing = Unknown("the HorizontalPodAutoscaler is not known", follows=True)
        return HpaFacts(key, hpa, nothing, nothing)
    selector = await _target_selector(looking, namespace, hpa)
    if isinstance(selector, Unknown):
        return HpaFacts(key, hpa, selector, selector)
    query = (("labelSelector", selector),)
    pods = await looking.many(f"/api/v1/namespaces/{namespace}/pods", Pod, query, most=_MOST_PODS)
    if isinstance(pods, Unknown):
        return HpaFacts(key, hpa, pods, pods)
    running = [pod.metadata.name for pod in pods[0] if pod.status.phase == "Running"]
    served, reasons = await _served(looking, namespace, query, running)
    return HpaFacts(key, hpa, pods[0], served, reasons)


async def _served(
    looking: Looking, namespace: str, query: Sequence[tuple[str, str]], running: Sequence[str]
) -> tuple[frozenset[str] | Unknown, Mapping[str, str]]:
    """Return which pods that match have metrics, and why some of those that run have none."""
    api = await _api(looking)
    if isinstance(api, Unknown):
        return api, {}
    root = f"{api}/namespaces/{namespace}/pods"
    rows = await looking.many(root, Metrics, query, most=_MOST_PODS)
    if isinstance(rows, Unknown):
        return rows, {}
    served = frozenset(row.metadata.name for row in rows[0])
    missing = [name for name in running if name not in served][:_MOST_REASONS]
    answers = await asyncio.gather(*(looking.fetch(f"{root}/{name}", Metrics) for name in missing))
    return served, {
        name: reason_in(answer) for name, answer in zip(missing, answers, strict=True) if isinstance(answer, Unknown)
    }


def reason_in(answer: Unknown) -> str:
    """Return the reason in a 404 of ours; empty when it gives none, as metrics-server's."""
    return answer.why.partition(" not found: ")[2]


async def _api(looking: Looking) -> str | Unknown:
    """Return the root of the preferred version."""
    group = await looking.one(f"/apis/{GROUP}", _Group)
    if group is None:
        return NO_API
    return group if isinstance(group, Unknown) else f"/apis/{GROUP}/{group.preferred_version.version}"


async def _metrics(looking: Looking, api: str | Unknown, path: str) -> Metrics | Unknown:
    return api if isinstance(api, Unknown) else await looking.fetch(f"{api}/{path}", Metrics)


async def _target_selector(looking: Looking, namespace: str, hpa: Hpa) -> str | Unknown:
    target = hpa.spec.scale_target_ref
    plural = _KINDS.get(target.kind)
    if plural is None or target.api_version != "apps/v1":
        return Unknown(f"its target is a {target.kind} of {target.api_version}; only those of apps/v1 are looked into")
    found = await looking.one(f"/apis/apps/v1/namespaces/{namespace}/{plural}/{target.name}", Workload)
    if found is None:
        return Unknown(f"its target, {target.kind} {target.name}, does not exist")
    return found if isinstance(found, Unknown) else selector_text(found.spec.selector)
