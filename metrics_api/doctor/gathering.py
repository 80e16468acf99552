"""Gathers the facts of a whole cluster: as few requests as will do, side by side, and none that changes anything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from metrics_api.clock import Clock
from metrics_api.doctor.facts import GROUP, NOT_ASKED, VERSIONS, Discovery, Facts, Right, Unknown
from metrics_api.doctor.inside import Inside
from metrics_api.doctor.looking import Looking
from metrics_api.doctor.objects import (
    ApiService,
    ConfigMap,
    EndpointSlice,
    Metadata,
    NetworkPolicy,
    Node,
    Service,
    ServiceReference,
    SigningRequest,
    Version,
    memory_in,
)
from metrics_api.doctor.single import Metrics
from metrics_api.doctor.workloads import Hpa, Pod, Workload
from metrics_api.errors import KubeError
from metrics_api.reports import NodeReport, StatusReport

_AUTHENTICATION = ("kube-system", "extension-apiserver-authentication")
_MOST_PODS = 50
_MOST_REASONS = 5
_NEEDED = (
    Right("get", "nodes/metrics", purpose="kubelets refuse /metrics/resource"),
    Right("get", "nodes/stats", purpose="kubelets refuse /stats/summary", optional=True),
    Right("list", "nodes", purpose="no node is known, so nothing is scraped and the server is not ready"),
    Right("watch", "nodes", purpose="nodes that come and go are not noticed"),
    Right("list", "pods", purpose="no pod is known, so the server is not ready"),
    Right("watch", "pods", purpose="pods that come and go are not noticed"),
    Right("create", "tokenreviews", "authentication.k8s.io", purpose="nobody can prove by a token who he is"),
    Right(
        "create", "subjectaccessreviews", "authorization.k8s.io", purpose="nobody can be allowed to read, all get 500"
    ),
    Right(
        "watch",
        "configmaps",
        namespace=_AUTHENTICATION[0],
        name=_AUTHENTICATION[1],
        purpose="the front proxy's authority is not known, so kube-apiserver is not believed",
    ),
)
_INSTALLING = (
    Right("create", "apiservices", "apiregistration.k8s.io"),
    Right("create", "clusterroles", "rbac.authorization.k8s.io"),
    Right("create", "clusterrolebindings", "rbac.authorization.k8s.io"),
    Right("create", "rolebindings", "rbac.authorization.k8s.io", namespace="kube-system"),
)

T = TypeVar("T", bound=msgspec.Struct)


class Target(msgspec.Struct, frozen=True):
    """What the one who asks has named; empty: take it from the APIService."""

    namespace: str = ""
    service: str = ""


class _Named(msgspec.Struct):
    metadata: Metadata


async def gather(looking: Looking, target: Target, inside: Inside, clock: Clock, *, installing: bool = False) -> Facts:
    """Return the facts.

    Args:
        looking: Asks kube-apiserver.
        target: Which Service.
        inside: Asks the server how it stands.
        clock: Time.
        installing: Whether to look at what whoever asks may do, which matters before an installation only.
    """
    api_services = await _api_services(looking)
    reference, named = _reference(target, api_services)
    discovery = await _discoveries(looking, api_services)  # alone: its time is what is looked at
    facts = Facts(
        now=clock.now(),
        target=reference,
        asked_directly=inside.is_direct,
        named_target=named,
        api_services=api_services,
        discovery=discovery,
    )
    facts = await _look_around(looking, inside, facts)
    return await _what_follows(looking, inside, facts, installing=installing)


async def _look_around(looking: Looking, inside: Inside, facts: Facts) -> Facts:
    """Add all that needs no other answer first."""
    namespace, name = facts.target.namespace, facts.target.name
    certificates = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    async with asyncio.TaskGroup() as group:
        ask = group.create_task
        kubernetes = ask(_kubernetes(looking))
        service = ask(looking.one(f"/api/v1/namespaces/{namespace}/services/{name}", Service))
        slices = ask(_slices(looking, facts.target))
        authentication = ask(_authentication(looking))
        requests = ask(_listed(looking, certificates, SigningRequest))
        policies = ask(
            _listed(looking, f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies", NetworkPolicy)
        )
        nodes = ask(looking.many("/api/v1/nodes", Node))
        hpas = ask(_listed(looking, "/apis/autoscaling/v2/horizontalpodautoscalers", Hpa))
        deployments = ask(_listed(looking, f"/apis/apps/v1/namespaces/{namespace}/deployments", Workload))
        status = ask(inside.status())
    found_nodes = nodes.result()
    return msgspec.structs.replace(
        facts,
        kubernetes=kubernetes.result(),
        service=service.result(),
        slices=slices.result(),
        deployment=_deployment(deployments.result(), service.result()),
        authentication=authentication.result(),
        signing_requests=requests.result(),
        policies=policies.result(),
        nodes=found_nodes if isinstance(found_nodes, Unknown) else found_nodes[0],
        more_nodes=not isinstance(found_nodes, Unknown) and found_nodes[1],
        hpas=hpas.result(),
        status=status.result(),
    )


async def _what_follows(looking: Looking, inside: Inside, facts: Facts, *, installing: bool) -> Facts:
    """Add what can be asked for only when the first answers are there."""
    pods = await _pods(looking, facts)
    account = _account(pods, facts)
    async with asyncio.TaskGroup() as group:
        rights = group.create_task(_rights(looking, _NEEDED, (facts.target.namespace, account)))
        reports = group.create_task(_node_reports(inside, facts.status))
        served = group.create_task(_nodes_with_metrics(looking, facts))
        own_rights = group.create_task(_rights(looking, _INSTALLING, None)) if installing else None
    found = served.result()
    facts = msgspec.structs.replace(
        facts,
        pods=pods,
        account=account,
        rights=rights.result(),
        node_reports=reports.result(),
        nodes_with_metrics=found if isinstance(found, Unknown) else frozenset(found),
        node_memory={} if isinstance(found, Unknown) else {name: used for name, used in found.items() if used},
        own_rights=NOT_ASKED if own_rights is None else own_rights.result(),
    )
    return msgspec.structs.replace(facts, missing_reasons=await _missing_reasons(looking, facts))


async def _kubernetes(looking: Looking) -> str | Unknown:
    found = await looking.fetch("/version", Version)
    return found if isinstance(found, Unknown) else found.git_version


async def _api_services(looking: Looking) -> Mapping[str, ApiService | None] | Unknown:
    found: dict[str, ApiService | None] = {}
    for version in VERSIONS:
        path = f"/apis/apiregistration.k8s.io/v1/apiservices/{version}.{GROUP}"
        answer = await looking.one(path, ApiService)
        if isinstance(answer, Unknown):
            return answer
        found[version] = answer
    return found


def _reference(
    target: Target, api_services: Mapping[str, ApiService | None] | Unknown
) -> tuple[ServiceReference, bool]:
    named = bool(target.namespace or target.service)
    claimed = None
    if not isinstance(api_services, Unknown):
        services = (each.spec.service for each in api_services.values() if each is not None)
        claimed = next((service for service in services if service is not None), None)
    if claimed is None or named:
        return ServiceReference(target.namespace or "kube-system", target.service or "metrics-server"), named
    return claimed, False


async def _discoveries(
    looking: Looking, api_services: Mapping[str, ApiService | None] | Unknown
) -> Mapping[str, Discovery]:
    if isinstance(api_services, Unknown):
        versions = list(VERSIONS)
    else:
        versions = [version for version, each in api_services.items() if each is not None]
    answers = await asyncio.gather(*(_discover(looking, version) for version in versions))
    return dict(zip(versions, answers, strict=True))


async def _discover(looking: Looking, version: str) -> Discovery:
    began = time.monotonic()
    try:
        await looking.raw(f"/apis/{GROUP}/{version}")
    except KubeError as error:
        return Discovery(time.monotonic() - began, str(error))
    return Discovery(time.monotonic() - began)


async def _slices(looking: Looking, reference: ServiceReference) -> tuple[EndpointSlice, ...] | Unknown:
    path = f"/apis/discovery.k8s.io/v1/namespaces/{reference.namespace}/endpointslices"
    query = (("labelSelector", f"kubernetes.io/service-name={reference.name}"),)
    found = await looking.many(path, EndpointSlice, query)
    return found if isinstance(found, Unknown) else found[0]


async def _authentication(looking: Looking) -> Mapping[str, str] | Unknown | None:
    namespace, name = _AUTHENTICATION
    found = await looking.one(f"/api/v1/namespaces/{namespace}/configmaps/{name}", ConfigMap)
    return found if found is None or isinstance(found, Unknown) else found.data or {}


async def _listed(looking: Looking, path: str, kind: type[T]) -> tuple[T, ...] | Unknown:
    found = await looking.many(path, kind)
    return found if isinstance(found, Unknown) else found[0]


async def _pods(looking: Looking, facts: Facts) -> tuple[Pod, ...] | Unknown:
    if facts.service is None or isinstance(facts.service, Unknown):
        return Unknown("the Service that selects them is not known", follows=True)
    selector = facts.service.spec.selector
    if not selector:
        return Unknown("the Service has no selector", follows=True)
    query = (("labelSelector", ",".join(f"{key}={value}" for key, value in selector.items())),)
    found = await looking.many(f"/api/v1/namespaces/{facts.target.namespace}/pods", Pod, query, most=_MOST_PODS)
    return found if isinstance(found, Unknown) else found[0]


def _deployment(found: tuple[Workload, ...] | Unknown, service: Service | Unknown | None) -> Workload | Unknown | None:
    """Return the Deployment whose pods the Service selects."""
    if isinstance(found, Unknown):
        return found
    selector = service.spec.selector if service is not None and not isinstance(service, Unknown) else None
    for each in found:
        labels = each.spec.template.metadata.labels or {}
        if selector and selector.items() <= labels.items():
            return each
    return None


def _account(pods: tuple[Pod, ...] | Unknown, facts: Facts) -> str:
    """Return the service account of the pods, else of the Deployment, else the Service's name, as in manifests."""
    if not isinstance(pods, Unknown):
        for pod in pods:
            if pod.spec.service_account_name:
                return pod.spec.service_account_name
    deployment = facts.deployment
    if deployment is not None and not isinstance(deployment, Unknown):
        return deployment.spec.template.spec.service_account_name or "default"
    return facts.target.name


async def _rights(
    looking: Looking, rights: tuple[Right, ...], account: tuple[str, str] | None
) -> Mapping[Right, bool] | Unknown:
    answers = await asyncio.gather(*(looking.may(right, account) for right in rights))
    found = {}
    for right, answer in zip(rights, answers, strict=True):
        if isinstance(answer, Unknown):
            return answer
        found[right] = answer
    return found


async def _node_reports(inside: Inside, status: StatusReport | Unknown) -> tuple[NodeReport, ...] | Unknown:
    return status if isinstance(status, Unknown) else await inside.unwell_nodes()


async def _nodes_with_metrics(looking: Looking, facts: Facts) -> dict[str, int | None] | Unknown:
    """Return node -> bytes that it uses, ``None`` when that is not said."""
    failures = [each.failure for each in facts.discovery.values()]
    for version, discovery in facts.discovery.items():
        if not discovery.failure:
            found = await looking.many(f"/apis/{GROUP}/{version}/nodes", Metrics, most=5 * 1000)
            if isinstance(found, Unknown):
                return found
            return {each.metadata.name: memory_in(each.usage) for each in found[0]}
    return Unknown(failures[0] if failures else "the cluster has no metrics API", follows=True)


async def _missing_reasons(looking: Looking, facts: Facts) -> Mapping[str, str]:
    """Return what the metrics API says of some nodes without metrics; ours says why, metrics-server only that."""
    served = facts.nodes_with_metrics
    if isinstance(facts.nodes, Unknown) or isinstance(served, Unknown):
        return {}
    version = next(version for version, each in facts.discovery.items() if not each.failure)
    missing = [node.metadata.name for node in facts.nodes if node.metadata.name not in served][:_MOST_REASONS]
    answers = await asyncio.gather(*(looking.one(f"/apis/{GROUP}/{version}/nodes/{name}", _Named) for name in missing))
    return {
        name: answer.why if isinstance(answer, Unknown) else "" for name, answer in zip(missing, answers, strict=True)
    }
