"""What there is: the discovery documents, in the legacy form and the aggregated one.

They are made once, before anything is scraped, and never change: kube-apiserver takes the API group down, and with it
the deletion of every namespace, when ``/apis/<group>/<version>`` is not answered. Both versions are in one document,
for kube-apiserver keeps one document for each backing Service.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from metrics_api.api.accept import MediaRange, parse_accept
from metrics_api.api.formats import json_text
from metrics_api.api.formats.documents import encode_document
from metrics_api.api.formats.format import JSON, MEDIA_TYPES, PROTOBUF, YAML, Format
from metrics_api.api.group import GROUP, RESOURCES, VERBS, VERSIONS, WATCH_VERB, Resource
from metrics_api.api.negotiation import check_body_type, document_format, plain_format
from metrics_api.api.requestheaders import RequestHeaders

_FORMATS = (Format(JSON), Format(JSON, pretty=True), Format(YAML), Format(PROTOBUF))
_AGGREGATED_GROUP = "apidiscovery.k8s.io"
_AGGREGATED_KIND = "APIGroupDiscoveryList"
_AGGREGATED_VERSIONS = ("v2", "v2beta1")
"""kube-apiserver 1.30 and later ask for v2; 1.26 to 1.29 for v2beta1, which has the same shape."""


class Document(NamedTuple):
    """A body that is ready to be sent."""

    content_type: str
    body: bytes
    etag: str | None = None
    """In quotes, as the header has it."""


class Discovery:
    """All documents, made at construction.

    Args:
        secure_port: The port that the legacy ``/apis`` names as our address; nobody is known to read it.
        has_watches: Whether watches are answered.
    """

    def __init__(self, secure_port: int = 443, *, has_watches: bool = False) -> None:
        verbs = (*VERBS, WATCH_VERB) if has_watches else VERBS
        self._legacy = _forms(_group_list(secure_port))
        self._aggregated = {version: _aggregated_document(version, verbs) for version in _AGGREGATED_VERSIONS}
        self._group = _forms({"kind": "APIGroup", "apiVersion": "v1", **_group()})
        self._versions = {version: _forms(_resource_list(version, verbs)) for version in VERSIONS}

    def groups(self, headers: RequestHeaders, query_string: bytes) -> Document:
        """Return ``/apis`` in the form the client likes best: the aggregated one, in JSON only, or the legacy one.

        Raises:
            StatusError: 415 for a body of another type, 406 when it accepts no form there is.
        """
        check_body_type(headers, MEDIA_TYPES)
        for clause in parse_accept(headers.get(b"accept", b"").decode("latin-1")):
            aggregated = self._aggregated_by(clause)
            if aggregated is not None:
                return aggregated
            if plain_format(clause) is not None:
                break
        return self._legacy[document_format(headers, query_string)]

    def group(self, headers: RequestHeaders, query_string: bytes) -> Document:
        """Return ``/apis/metrics.k8s.io``.

        Raises:
            StatusError: 406 when the client accepts no form there is.
        """
        return self._group[document_format(headers, query_string)]

    def version(self, version: str, headers: RequestHeaders, query_string: bytes) -> Document:
        """Return ``/apis/metrics.k8s.io/<version>`` for one of ``VERSIONS``.

        Raises:
            StatusError: 406 when the client accepts no form there is.
        """
        return self._versions[version][document_format(headers, query_string)]

    def _aggregated_by(self, clause: MediaRange) -> Document | None:
        """Return the aggregated document that a clause asks for, ``None`` when it asks for something else."""
        wanted = clause.parameters
        if not clause.includes(JSON) or wanted.get("as") != _AGGREGATED_KIND or wanted.get("g") != _AGGREGATED_GROUP:
            return None
        return self._aggregated.get(wanted.get("v", ""))


def _forms(value: dict[str, Any]) -> dict[Format, Document]:
    return {each: Document(each.media_type, encode_document(value, each)) for each in _FORMATS}


def _group_version(version: str) -> dict[str, str]:
    return {"groupVersion": f"{GROUP}/{version}", "version": version}


def _group() -> dict[str, Any]:
    return {
        "name": GROUP,
        "versions": [_group_version(version) for version in VERSIONS],
        "preferredVersion": _group_version(VERSIONS[0]),
    }


def _group_list(secure_port: int) -> dict[str, Any]:
    address = {"clientCIDR": "0.0.0.0/0", "serverAddress": f":{secure_port}"}
    # Without apiVersion, as the generic API server writes this one document.
    return {"kind": "APIGroupList", "groups": [{**_group(), "serverAddressByClientCIDRs": [address]}]}


def _resource_list(version: str, verbs: Sequence[str]) -> dict[str, Any]:
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{GROUP}/{version}",
        "resources": [_api_resource(resource, verbs) for resource in RESOURCES.values()],
    }


def _api_resource(resource: Resource, verbs: Sequence[str]) -> dict[str, Any]:
    return {
        "name": resource.name,
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": verbs,
    }


def _aggregated_document(discovery_version: str, verbs: Sequence[str]) -> Document:
    value = {
        "kind": _AGGREGATED_KIND,
        "apiVersion": f"{_AGGREGATED_GROUP}/{discovery_version}",
        "metadata": {},
        "items": [
            {"metadata": {"name": GROUP}, "versions": [_discovered_version(version, verbs) for version in VERSIONS]}
        ],
    }
    body = json_text.compact(value)
    content_type = f"{JSON};g={_AGGREGATED_GROUP};v={discovery_version};as={_AGGREGATED_KIND}"
    return Document(content_type, body, f'"{hashlib.sha512(body).hexdigest().upper()}"')


def _discovered_version(version: str, verbs: Sequence[str]) -> dict[str, Any]:
    resources: Sequence[dict[str, Any]] = [
        {
            "resource": resource.name,
            "responseKind": {"group": GROUP, "version": version, "kind": resource.kind},
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "singularResource": "",
            "verbs": verbs,
        }
        for resource in RESOURCES.values()
    ]
    return {"version": version, "resources": resources, "freshness": "Current"}
