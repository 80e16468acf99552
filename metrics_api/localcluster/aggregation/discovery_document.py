"""An API version in discovery: parsed from either kind of document and written in the aggregated one.

Shapes: ``apidiscovery.k8s.io/v2`` (and ``v2beta1``, which differs in name only) and ``meta/v1`` APIResourceList.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from metrics_api.localcluster.stored import JsonObject


class _Kind(msgspec.Struct):
    group: str = ""
    version: str = ""
    kind: str = ""


class _Subresource(msgspec.Struct, rename="camel"):
    subresource: str = ""
    response_kind: _Kind | None = None
    verbs: list[str] | None = None


class _Resource(msgspec.Struct, rename="camel"):
    resource: str = ""
    response_kind: _Kind | None = None
    scope: str = ""
    singular_resource: str = ""
    verbs: list[str] | None = None
    short_names: list[str] | UnsetType = UNSET
    categories: list[str] | UnsetType = UNSET
    subresources: list[_Subresource] | UnsetType = UNSET


class Version(msgspec.Struct):
    """One version of a group: what it serves, and whether that is known to be current."""

    version: str = ""
    resources: list[_Resource] | UnsetType = UNSET
    freshness: Literal["Current", "Stale", ""] = ""

    def document(self) -> JsonObject:
        """Return the ``APIVersionDiscovery``."""
        document: JsonObject = msgspec.to_builtins(self)
        return document


class _Metadata(msgspec.Struct):
    name: str = ""


class _Group(msgspec.Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    versions: list[Version] = []


class _GroupList(msgspec.Struct):
    items: list[_Group] | None = None


class _LegacyResource(msgspec.Struct, rename="camel"):
    name: str = ""
    singular_name: str = ""
    namespaced: bool = False
    group: str = ""
    version: str = ""
    kind: str = ""
    verbs: list[str] | None = None
    short_names: list[str] | None = None
    categories: list[str] | None = None


class _ResourceList(msgspec.Struct):
    resources: list[_LegacyResource] | None = None


def parse_aggregated(body: bytes) -> dict[tuple[str, str], Version]:
    """Return (group, version) -> what an APIGroupDiscoveryList says of it.

    Raises:
        ValueError: it is no such document.
    """
    document = msgspec.json.decode(body, type=_GroupList)
    versions = {}
    for group in document.items or ():
        for version in group.versions:
            # Clients of Kubernetes 1.26 fail on a resource without a kind.
            for resource in version.resources or ():
                resource.response_kind = resource.response_kind or _Kind()
                for subresource in resource.subresources or ():
                    subresource.response_kind = subresource.response_kind or _Kind()
            versions[(group.metadata.name, version.version)] = version
    return versions


def parse_legacy(body: bytes, version: str) -> Version:
    """Return what an APIResourceList says of its version.

    Raises:
        ValueError: it is no such document.
    """
    document = msgspec.json.decode(body, type=_ResourceList)
    resources: dict[str, _Resource] = {}
    for each in document.resources or ():
        if "/" not in each.name:
            resources[each.name] = _convert(each)
    for each in document.resources or ():
        parent, slash, name = each.name.partition("/")
        if slash:
            owner = resources.setdefault(parent, _Resource(parent, _Kind(), _scope(each)))
            owner.subresources = [*(owner.subresources or ()), _Subresource(name, _kind(each), each.verbs)]
    return Version(version, list(resources.values()))


def content_type_names(content_type: str, versions: Collection[str]) -> bool:
    """Whether a Content-Type is that of an APIGroupDiscoveryList of one of these versions of its API."""
    media_type, *rest = (part.strip() for part in content_type.split(";"))
    parameters: dict[str, str] = dict(part.partition("=")[::2] for part in rest)
    return (
        media_type.lower() == "application/json"
        and parameters.get("g") == "apidiscovery.k8s.io"
        and parameters.get("as") == "APIGroupDiscoveryList"
        and parameters.get("v", "") in versions
    )


def _convert(legacy: _LegacyResource) -> _Resource:
    return _Resource(
        resource=legacy.name,
        response_kind=_kind(legacy),
        scope=_scope(legacy),
        singular_resource=legacy.singular_name,
        verbs=legacy.verbs,
        short_names=legacy.short_names or UNSET,
        categories=legacy.categories or UNSET,
    )


def _kind(legacy: _LegacyResource) -> _Kind:
    return _Kind(legacy.group, legacy.version, legacy.kind)


def _scope(legacy: _LegacyResource) -> str:
    return "Namespaced" if legacy.namespaced else "Cluster"
