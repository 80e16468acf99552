"""Kubernetes' objects as far as the doctor looks at them. What is absent or null has the default.

Rules and fields: the API reference of each group; nothing here is written, ever.
"""

from __future__ import annotations

from typing import Any

import msgspec

from metrics_api.quantity import parse_quantity


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """``metadata``."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    creation_timestamp: str = ""
    deletion_timestamp: str = ""


class Condition(msgspec.Struct, frozen=True, rename="camel"):
    """One of ``status.conditions``."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""


class ServiceReference(msgspec.Struct, frozen=True, rename="camel"):
    """``spec.service`` of an APIService."""

    namespace: str = ""
    name: str = ""
    port: int = 443


class ApiServiceSpec(msgspec.Struct, frozen=True, rename="camel"):
    """``spec`` of an APIService."""

    service: ServiceReference | None = None
    insecure_skip_tls_verify: bool = msgspec.field(name="insecureSkipTLSVerify", default=False)
    ca_bundle: str | None = None
    version_priority: int = 0


class Conditions(msgspec.Struct, frozen=True, rename="camel"):
    """A ``status`` of which only the conditions matter."""

    conditions: tuple[Condition, ...] | None = None


class ApiService(msgspec.Struct, frozen=True, rename="camel"):
    """``apiregistration.k8s.io/v1`` APIService."""

    metadata: Metadata = Metadata()
    spec: ApiServiceSpec = ApiServiceSpec()
    status: Conditions = Conditions()

    @property
    def available(self) -> Condition | None:
        """The condition Available, ``None`` when nobody has looked yet."""
        return next((each for each in self.status.conditions or () if each.type == "Available"), None)


class ServicePort(msgspec.Struct, frozen=True, rename="camel"):
    """One of a Service's ports."""

    name: str = ""
    port: int = 0


class ServiceSpec(msgspec.Struct, frozen=True, rename="camel"):
    """``spec`` of a Service."""

    type: str = "ClusterIP"
    cluster_ip: str = msgspec.field(name="clusterIP", default="")
    selector: dict[str, str] | None = None
    ports: tuple[ServicePort, ...] | None = None


class Service(msgspec.Struct, frozen=True, rename="camel"):
    """``v1`` Service."""

    metadata: Metadata = Metadata()
    spec: ServiceSpec = ServiceSpec()


class EndpointConditions(msgspec.Struct, frozen=True, rename="camel"):
    """``conditions`` of an endpoint."""

    ready: bool | None = None


class Endpoint(msgspec.Struct, frozen=True, rename="camel"):
    """One of a slice's endpoints."""

    addresses: tuple[str, ...] | None = None
    conditions: EndpointConditions | None = None

    @property
    def ready(self) -> bool:
        """Whether it is ready, or does not say."""
        return self.conditions is None or self.conditions.ready is not False


class EndpointPort(msgspec.Struct, frozen=True, rename="camel"):
    """One of a slice's ports."""

    name: str | None = None
    port: int | None = None


class EndpointSlice(msgspec.Struct, frozen=True, rename="camel"):
    """``discovery.k8s.io/v1`` EndpointSlice."""

    metadata: Metadata = Metadata()
    endpoints: tuple[Endpoint, ...] | None = None
    ports: tuple[EndpointPort, ...] | None = None


class LabelRequirement(msgspec.Struct, frozen=True, rename="camel"):
    """One of a selector's ``matchExpressions``."""

    key: str = ""
    operator: str = ""
    values: tuple[str, ...] | None = None


class LabelSelector(msgspec.Struct, frozen=True, rename="camel"):
    """A selector."""

    match_labels: dict[str, str] | None = None
    match_expressions: tuple[LabelRequirement, ...] | None = None


class NodeAddress(msgspec.Struct, frozen=True, rename="camel"):
    """One of a node's addresses."""

    type: str = ""
    address: str = ""


class NodeInfo(msgspec.Struct, frozen=True, rename="camel"):
    """``status.nodeInfo``."""

    kubelet_version: str = ""
    container_runtime_version: str = ""


class NodeStatus(msgspec.Struct, frozen=True, rename="camel"):
    """``status`` of a Node."""

    addresses: tuple[NodeAddress, ...] | None = None
    conditions: tuple[Condition, ...] | None = None
    allocatable: dict[str, Any] | None = None
    """Resource -> quantity that pods may have."""
    capacity: dict[str, Any] | None = None
    node_info: NodeInfo = NodeInfo()


class Node(msgspec.Struct, frozen=True, rename="camel"):
    """``v1`` Node."""

    metadata: Metadata = Metadata()
    status: NodeStatus = NodeStatus()

    @property
    def is_fargate(self) -> bool:
        """Whether it is one of EKS Fargate, which has one pod."""
        return (self.metadata.labels or {}).get("eks.amazonaws.com/compute-type") == "fargate"

    @property
    def ready(self) -> bool:
        """Whether its condition Ready is True."""
        return any(each.type == "Ready" and each.status == "True" for each in self.status.conditions or ())


class SigningRequestSpec(msgspec.Struct, frozen=True, rename="camel"):
    """``spec`` of a CertificateSigningRequest."""

    signer_name: str = ""
    username: str = ""


class SigningRequestStatus(msgspec.Struct, frozen=True, rename="camel"):
    """``status`` of a CertificateSigningRequest."""

    conditions: tuple[Condition, ...] | None = None
    certificate: str | None = None


class SigningRequest(msgspec.Struct, frozen=True, rename="camel"):
    """``certificates.k8s.io/v1`` CertificateSigningRequest."""

    metadata: Metadata = Metadata()
    spec: SigningRequestSpec = SigningRequestSpec()
    status: SigningRequestStatus = SigningRequestStatus()

    @property
    def pending(self) -> bool:
        """Whether nobody has approved or denied it."""
        return not self.status.conditions


class NetworkPolicySpec(msgspec.Struct, frozen=True, rename="camel"):
    """``spec`` of a NetworkPolicy."""

    pod_selector: LabelSelector = LabelSelector()
    policy_types: tuple[str, ...] | None = None


class NetworkPolicy(msgspec.Struct, frozen=True, rename="camel"):
    """``networking.k8s.io/v1`` NetworkPolicy."""

    metadata: Metadata = Metadata()
    spec: NetworkPolicySpec = NetworkPolicySpec()


class ConfigMap(msgspec.Struct, frozen=True, rename="camel"):
    """``v1`` ConfigMap."""

    data: dict[str, str] | None = None


class Review(msgspec.Struct, frozen=True, rename="camel"):
    """``status`` of a SubjectAccessReview."""

    allowed: bool = False
    denied: bool = False


class AccessReview(msgspec.Struct, frozen=True, rename="camel"):
    """``authorization.k8s.io/v1`` SubjectAccessReview or SelfSubjectAccessReview."""

    status: Review = Review()


class Version(msgspec.Struct, frozen=True, rename="camel"):
    """``/version``."""

    git_version: str = ""


def memory_in(resources: dict[str, Any] | None) -> int | None:
    """Return the bytes of memory in a list of resources; ``None`` when there are none, or they are no quantity."""
    quantity = (resources or {}).get("memory")
    try:
        return None if quantity is None else int(parse_quantity(str(quantity)))
    except ValueError:
        return None
