"""The APIService object as the aggregation layer reads it, and the order of groups and versions.

Source: kube-aggregator ``pkg/apis/apiregistration/v1``, apimachinery ``pkg/version``.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cmp_to_key

import msgspec

from metrics_api.localcluster.stored import JsonObject

AVAILABLE = "Available"
"""The only condition type."""

DEFAULT_PORT = 443


class _ServiceDocument(msgspec.Struct):
    namespace: str = ""
    name: str = ""
    port: int | None = None


class _SpecDocument(msgspec.Struct, rename="camel"):
    service: _ServiceDocument | None = None
    group: str = ""
    version: str = ""
    insecure_skip_tls_verify: bool = msgspec.field(default=False, name="insecureSkipTLSVerify")
    ca_bundle: str | None = None
    group_priority_minimum: int = 0
    version_priority: int = 0


class _ConditionDocument(msgspec.Struct, rename="camel"):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None


class _StatusDocument(msgspec.Struct):
    conditions: list[_ConditionDocument] | None = None


class _MetadataDocument(msgspec.Struct, rename="camel"):
    name: str
    uid: str = ""
    resource_version: str = ""


class _Document(msgspec.Struct):
    metadata: _MetadataDocument
    spec: _SpecDocument = msgspec.field(default_factory=_SpecDocument)
    status: _StatusDocument | None = None


@dataclass(frozen=True, slots=True)
class ServiceReference:
    """The Service behind an APIService."""

    namespace: str
    name: str
    port: int = DEFAULT_PORT


@dataclass(frozen=True, slots=True)
class Condition:
    """The condition ``Available``."""

    status: str
    """``True``, ``False`` or ``Unknown``."""
    reason: str = ""
    message: str = ""
    changed: str | None = None
    """``lastTransitionTime``, RFC 3339."""


@dataclass(frozen=True, slots=True)
class APIService:
    """One version of an API group, and who serves it."""

    name: str
    uid: str
    resource_version: str
    group: str
    version: str
    service: ServiceReference | None
    """``None``: served by the API server itself (a local APIService)."""
    insecure_skip_tls_verify: bool
    ca_bundle: bytes
    """PEM; empty together with ``insecure_skip_tls_verify`` false means the system's roots."""
    group_priority: int
    version_priority: int
    condition: Condition | None
    """``None`` until the availability controller has looked."""

    @property
    def group_version(self) -> str:
        """Return ``metrics.k8s.io/v1beta1``."""
        return f"{self.group}/{self.version}"

    @property
    def path(self) -> str:
        """Return ``/apis/<group>/<version>``: what is proxied, with everything below it."""
        return f"/apis/{self.group}/{self.version}"

    @property
    def available(self) -> bool:
        """Whether the condition Available is strictly True."""
        return self.condition is not None and self.condition.status == "True"


def parse_api_service(obj: JsonObject) -> APIService:
    """Return the typed view of an APIService object.

    Raises:
        ValueError: a field has the wrong type, or ``caBundle`` is not base64.
    """
    document = msgspec.convert(obj, _Document)  # its ValidationError is a ValueError
    spec = document.spec
    service = spec.service
    return APIService(
        name=document.metadata.name,
        uid=document.metadata.uid,
        resource_version=document.metadata.resource_version,
        group=spec.group,
        version=spec.version,
        service=None if service is None else _reference(service),
        insecure_skip_tls_verify=spec.insecure_skip_tls_verify,
        ca_bundle=_decode(spec.ca_bundle or ""),
        group_priority=spec.group_priority_minimum,
        version_priority=spec.version_priority,
        condition=_available_condition(document.status),
    )


def _reference(service: _ServiceDocument) -> ServiceReference:
    return ServiceReference(service.namespace, service.name, DEFAULT_PORT if service.port is None else service.port)


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error as error:
        raise ValueError(f"illegal base64 data in spec.caBundle: {error}") from error


def _available_condition(status: _StatusDocument | None) -> Condition | None:
    for condition in (status.conditions if status else None) or ():
        if condition.type == AVAILABLE:
            return Condition(condition.status, condition.reason, condition.message, condition.last_transition_time)
    return None


def sorted_by_group_and_version(services: Iterable[APIService]) -> list[list[APIService]]:
    """Return the APIServices by group, as discovery lists them.

    Groups: the highest ``groupPriorityMinimum`` of any version first, then the name of the APIService that has it.
    Versions within a group: ``versionPriority``, then :func:`compare_versions`.
    """
    groups: dict[str, list[APIService]] = {}
    for service in sorted(services, key=lambda each: (-each.group_priority, each.name)):
        groups.setdefault(service.group, []).append(service)
    return [sorted(versions, key=cmp_to_key(_by_priority)) for versions in groups.values()]


def _by_priority(one: APIService, other: APIService) -> int:
    return (other.version_priority - one.version_priority) or -compare_versions(one.version, other.version)


_KUBE_VERSION = re.compile(r"v([0-9]+)(?:(alpha|beta)([0-9]+))?")
_STAGES = {"alpha": 0, "beta": 1, None: 2}


def compare_versions(one: str, other: str) -> int:
    """Return a positive number when ``one`` is preferred: v2 > v1 > v1beta2 > v1beta1 > v1alpha1 > anything else.

    Of two that are no Kubernetes versions the alphabetically first is preferred.
    """
    mine, theirs = _version_key(one), _version_key(other)
    if mine is None and theirs is None:
        return (other > one) - (other < one)
    if mine is None or theirs is None:
        return 1 if theirs is None else -1
    return (mine > theirs) - (mine < theirs)


def _version_key(version: str) -> tuple[int, int, int] | None:
    match = _KUBE_VERSION.fullmatch(version)
    return match and (_STAGES[match[2]], int(match[1]), int(match[3] or 0))
