"""All that the checks judge by: what was seen, and what could not be looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from metrics_api.doctor.objects import (
    ApiService,
    EndpointSlice,
    NetworkPolicy,
    Node,
    Service,
    ServiceReference,
    SigningRequest,
)
from metrics_api.doctor.workloads import Hpa, Pod, Workload
from metrics_api.reports import NodeReport, StatusReport

GROUP = "metrics.k8s.io"
VERSIONS = ("v1", "v1beta1")

T = TypeVar("T")


class Unknown(msgspec.Struct, frozen=True):
    """What could not be looked at."""

    why: str
    """In words."""
    code: int | None = None
    """The HTTP status, when there was one."""
    follows: bool = False
    """Whether that follows from something else that is missing or not known, and goes without saying."""


NOT_ASKED = Unknown("it was not asked for")


class Right(msgspec.Struct, frozen=True):
    """What somebody must be allowed to do."""

    verb: str
    resource: str
    group: str = ""
    namespace: str = ""
    name: str = ""
    purpose: str = ""
    """What is lost without it."""
    optional: bool = False

    def __str__(self) -> str:
        where = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self.verb} {self.resource}{f'.{self.group}' if self.group else ''}{where}"


class Discovery(msgspec.Struct, frozen=True):
    """One request for ``/apis/metrics.k8s.io/<version>``."""

    seconds: float
    failure: str = ""
    """Why it failed; empty when it did not."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything, at one time. ``None`` means: there is no such object."""

    now: float
    """Unix time, by the clock of who asks."""
    target: ServiceReference
    """The Service that is looked at."""
    asked_directly: bool = False
    """Whether the server is asked at an address that was named by who asks."""
    named_target: bool = False
    """Whether it was named by who asks, not taken from the APIService."""
    account: str = "metrics-server"
    """The service account that the server runs as, in the Service's namespace."""
    kubernetes: str | Unknown = NOT_ASKED
    """The API server's version."""
    api_services: Mapping[str, ApiService | None] | Unknown = NOT_ASKED
    """API version -> APIService."""
    discovery: Mapping[str, Discovery] = {}
    """API version -> how the metrics API answered."""
    service: Service | Unknown | None = NOT_ASKED
    slices: tuple[EndpointSlice, ...] | Unknown = NOT_ASKED
    deployment: Workload | Unknown | None = NOT_ASKED
    """The one whose pods the Service selects."""
    pods: tuple[Pod, ...] | Unknown = NOT_ASKED
    """Those the Service selects."""
    authentication: Mapping[str, str] | Unknown | None = NOT_ASKED
    """Data of the ConfigMap ``extension-apiserver-authentication``."""
    rights: Mapping[Right, bool] | Unknown = NOT_ASKED
    """What the service account needs -> whether it may."""
    own_rights: Mapping[Right, bool] | Unknown = NOT_ASKED
    """What installing needs -> whether who asks may."""
    signing_requests: tuple[SigningRequest, ...] | Unknown = NOT_ASKED
    policies: tuple[NetworkPolicy, ...] | Unknown = NOT_ASKED
    nodes: tuple[Node, ...] | Unknown = NOT_ASKED
    more_nodes: bool = False
    """Whether there are nodes beyond those."""
    nodes_with_metrics: frozenset[str] | Unknown = NOT_ASKED
    node_memory: Mapping[str, int] = {}
    """Node with metrics -> bytes that it uses, where that is said."""
    missing_reasons: Mapping[str, str] = {}
    """Some nodes without metrics -> what the metrics API says of them."""
    hpas: tuple[Hpa, ...] | Unknown = NOT_ASKED
    status: StatusReport | Unknown = NOT_ASKED
    """What the server says of itself."""
    node_reports: tuple[NodeReport, ...] | Unknown = NOT_ASKED
    """What the server says of nodes that are not well, or of the one that was asked for."""


LOOKED_AT = {
    "kubernetes": "the version of Kubernetes",
    "api_services": "the APIServices",
    "service": "the Service",
    "slices": "the Service's EndpointSlices",
    "deployment": "the Deployments of the Service's namespace",
    "pods": "the server's pods",
    "authentication": "the ConfigMap kube-system/extension-apiserver-authentication",
    "rights": "the rights of the server's service account",
    "own_rights": "your own rights",
    "signing_requests": "CertificateSigningRequests",
    "policies": "the NetworkPolicies of the Service's namespace",
    "nodes": "the nodes",
    "nodes_with_metrics": "the metrics of nodes",
    "hpas": "the HorizontalPodAutoscalers",
}
"""Field of ``Facts`` -> what it is called."""


def known(value: T | Unknown) -> T | None:
    """Return a fact, ``None`` when it is not known (or when there is no such object)."""
    return None if isinstance(value, Unknown) else value
