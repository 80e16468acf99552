"""Which kinds the stand-in serves: one row a resource, as in Kubernetes' discovery documents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_STATUS_VERBS = ("get", "patch", "update")


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of one API group and version."""

    group: str
    """Empty for the core group."""
    version: str
    plural: str
    singular: str
    kind: str
    namespaced: bool
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = _ALL_VERBS
    has_status: bool = False
    """Whether it has the subresource ``status``; the main resource then ignores ``status`` in writes."""
    counts_generation: bool = False
    """Whether ``metadata.generation`` is kept."""
    created_below: tuple[tuple[str, Resource], ...] = ()
    """Further subresources: name and what is created there, which is of a kind of its own and not stored."""

    @property
    def group_version(self) -> str:
        """Return ``apps/v1``, or ``v1`` for the core group: the objects' ``apiVersion``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """Return ``deployments.apps``, or ``pods`` for the core group: the name in messages."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def subresources(self) -> dict[str, tuple[str, ...]]:
        """Return subresource -> verbs."""
        status = {"status": _STATUS_VERBS} if self.has_status else {}
        return status | {name: resource.verbs for name, resource in self.created_below}


_AUTHENTICATION = "authentication.k8s.io"
_AUTHORIZATION = "authorization.k8s.io"
TOKEN_REQUESTS = Resource(_AUTHENTICATION, "v1", "", "", "TokenRequest", True, verbs=("create",))
"""Below service accounts only, so it is none of :data:`RESOURCES`."""

NODES = Resource("", "v1", "nodes", "node", "Node", False, ("no",), has_status=True)
PODS = Resource("", "v1", "pods", "pod", "Pod", True, ("po",), ("all",), has_status=True, counts_generation=True)
NAMESPACES = Resource(
    "",
    "v1",
    "namespaces",
    "namespace",
    "Namespace",
    False,
    ("ns",),
    verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
    has_status=True,
)
SERVICES = Resource("", "v1", "services", "service", "Service", True, ("svc",), ("all",), has_status=True)
CONFIG_MAPS = Resource("", "v1", "configmaps", "configmap", "ConfigMap", True, ("cm",))
SECRETS = Resource("", "v1", "secrets", "secret", "Secret", True)
SERVICE_ACCOUNTS = Resource(
    "",
    "v1",
    "serviceaccounts",
    "serviceaccount",
    "ServiceAccount",
    True,
    ("sa",),
    created_below=(("token", TOKEN_REQUESTS),),
)
EVENTS = Resource("", "v1", "events", "event", "Event", True, ("ev",))

API_SERVICES = Resource(
    "apiregistration.k8s.io",
    "v1",
    "apiservices",
    "apiservice",
    "APIService",
    False,
    categories=("api-extensions",),
    has_status=True,
)
DEPLOYMENTS = Resource(
    "apps",
    "v1",
    "deployments",
    "deployment",
    "Deployment",
    True,
    ("deploy",),
    ("all",),
    has_status=True,
    counts_generation=True,
)
HORIZONTAL_POD_AUTOSCALERS = Resource(
    "autoscaling",
    "v2",
    "horizontalpodautoscalers",
    "horizontalpodautoscaler",
    "HorizontalPodAutoscaler",
    True,
    ("hpa",),
    ("all",),
    has_status=True,
)
CERTIFICATE_SIGNING_REQUESTS = Resource(
    "certificates.k8s.io",
    "v1",
    "certificatesigningrequests",
    "certificatesigningrequest",
    "CertificateSigningRequest",
    False,
    ("csr",),
    has_status=True,
)
LEASES = Resource("coordination.k8s.io", "v1", "leases", "lease", "Lease", True)
ENDPOINT_SLICES = Resource(
    "discovery.k8s.io", "v1", "endpointslices", "endpointslice", "EndpointSlice", True, counts_generation=True
)

NETWORK_POLICIES = Resource(
    "networking.k8s.io",
    "v1",
    "networkpolicies",
    "networkpolicy",
    "NetworkPolicy",
    True,
    ("netpol",),
    counts_generation=True,
)
POD_DISRUPTION_BUDGETS = Resource(
    "policy",
    "v1",
    "poddisruptionbudgets",
    "poddisruptionbudget",
    "PodDisruptionBudget",
    True,
    ("pdb",),
    has_status=True,
    counts_generation=True,
)

_RBAC = "rbac.authorization.k8s.io"
ROLES = Resource(_RBAC, "v1", "roles", "role", "Role", True)
ROLE_BINDINGS = Resource(_RBAC, "v1", "rolebindings", "rolebinding", "RoleBinding", True)
CLUSTER_ROLES = Resource(_RBAC, "v1", "clusterroles", "clusterrole", "ClusterRole", False)
CLUSTER_ROLE_BINDINGS = Resource(_RBAC, "v1", "clusterrolebindings", "clusterrolebinding", "ClusterRoleBinding", False)

TOKEN_REVIEWS = Resource(_AUTHENTICATION, "v1", "tokenreviews", "tokenreview", "TokenReview", False, verbs=("create",))
SELF_SUBJECT_REVIEWS = Resource(
    _AUTHENTICATION, "v1", "selfsubjectreviews", "selfsubjectreview", "SelfSubjectReview", False, verbs=("create",)
)
SUBJECT_ACCESS_REVIEWS = Resource(
    _AUTHORIZATION,
    "v1",
    "subjectaccessreviews",
    "subjectaccessreview",
    "SubjectAccessReview",
    False,
    verbs=("create",),
)
SELF_SUBJECT_ACCESS_REVIEWS = Resource(
    _AUTHORIZATION,
    "v1",
    "selfsubjectaccessreviews",
    "selfsubjectaccessreview",
    "SelfSubjectAccessReview",
    False,
    verbs=("create",),
)

RESOURCES = (
    CONFIG_MAPS,
    EVENTS,
    NAMESPACES,
    NODES,
    PODS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    API_SERVICES,
    DEPLOYMENTS,
    SELF_SUBJECT_REVIEWS,
    TOKEN_REVIEWS,
    SELF_SUBJECT_ACCESS_REVIEWS,
    SUBJECT_ACCESS_REVIEWS,
    HORIZONTAL_POD_AUTOSCALERS,
    CERTIFICATE_SIGNING_REQUESTS,
    LEASES,
    ENDPOINT_SLICES,
    NETWORK_POLICIES,
    POD_DISRUPTION_BUDGETS,
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
)
"""Every resource, in the order of the discovery documents."""

_BY_PATH = {(resource.group, resource.version, resource.plural): resource for resource in RESOURCES}


def find_resource(group: str, version: str, plural: str) -> Resource | None:
    """Return the resource served under that name, ``None`` when there is none."""
    return _BY_PATH.get((group, version, plural))


def is_local_group(group: str) -> bool:
    """Whether a version of this group is served here; empty is the core group."""
    return any(resource.group == group for resource in RESOURCES)


def group_versions() -> Iterator[tuple[str, str]]:
    """Yield each (group, version) once, the core group first."""
    yield from dict.fromkeys((resource.group, resource.version) for resource in RESOURCES)
