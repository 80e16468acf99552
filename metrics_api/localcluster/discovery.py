"""What is served here, in both of Kubernetes' discovery formats, local groups and aggregated ones together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import orjson

from metrics_api.localcluster import statuses
from metrics_api.localcluster.faults import Faults
from metrics_api.localcluster.negotiation import Call, negotiate, negotiate_discovery
from metrics_api.localcluster.requests import Request
from metrics_api.localcluster.resources import RESOURCES, Resource, group_versions, is_local_group
from metrics_api.localcluster.responses import Response, bytes_response
from metrics_api.localcluster.seams import Aggregator
from metrics_api.localcluster.stored import JsonObject

_OTHER_PATHS = ("/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version")
_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class Discovery:
    """Answers ``/api``, ``/apis`` and the documents below them."""

    def __init__(self, aggregator: Aggregator | None, faults: Faults) -> None:
        self.aggregator = aggregator
        self._faults = faults
        self.server_address = ""
        """host:port, told to clients; known once the server listens."""

    def handle(self, request: Request) -> Response | None:
        """Answer a discovery request, ``None`` when the path is none of discovery's.

        Raises:
            StatusError: 404 for another version of a group that is here, 405, 406.
        """
        document: JsonObject | None = None
        match [part for part in request.path.split("/") if part]:
            case []:
                document = {"paths": self._paths()}
            case ["apis"]:  # here and at a group Kubernetes does not look at the method
                return self._root(request, core=False)
            case ["apis", group]:
                document = self._group(group)
            case ["api"]:
                _check_is_read(request)
                return self._root(request, core=True)
            case ["api", version]:
                _check_is_read(request)
                document = _resource_list("", version)
            case ["apis", group, version] if is_local_group(group):
                _check_is_read(request)
                document = _resource_list(group, version)
        return None if document is None else _negotiated(request, document)

    def _paths(self) -> list[str]:
        groups = [(group["name"], each["version"]) for group in self._groups() for each in group["versions"]]
        below = {f"/apis/{group}" for group, _ in groups} | {f"/apis/{group}/{version}" for group, version in groups}
        return sorted({"/api", "/api/v1", "/apis", "/apis/", *below, *_OTHER_PATHS})

    def _root(self, request: Request, *, core: bool) -> Response:
        form = negotiate_discovery(request.header("accept"), offered=not self._faults.legacy_discovery_only)
        if form is None:
            return _aggregated(request, [_core_item()] if core else [*_group_items(), *self._foreign_items()])
        if core:
            addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": self.server_address}]
            versions = {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses}
            return bytes_response(orjson.dumps(versions), as_yaml=form.yaml)
        groups = {"kind": "APIGroupList", "apiVersion": "v1", "groups": self._groups()}
        return bytes_response(orjson.dumps(groups), as_yaml=form.yaml)

    def _groups(self) -> list[JsonObject]:
        versions: dict[str, list[str]] = {}
        for group, version in group_versions():
            if group:
                versions.setdefault(group, []).append(version)
        local = [_group_object(group, names) for group, names in versions.items()]
        return [*local, *(self.aggregator.groups() if self.aggregator else ())]

    def _group(self, name: str) -> JsonObject | None:
        found = next((group for group in self._groups() if group["name"] == name), None)
        return found and {"kind": "APIGroup", "apiVersion": "v1", **found}

    def undiscovered(self) -> Sequence[str]:
        """Return each ``group/version`` of an extension server that cannot be asked what it serves."""
        return [
            f"{item['metadata']['name']}/{version['version']}"
            for item in self._foreign_items()
            for version in item["versions"]
            if version.get("freshness") == "Stale"
        ]

    def _foreign_items(self) -> Sequence[JsonObject]:
        return self.aggregator.aggregated_groups() if self.aggregator else ()


def _check_is_read(request: Request) -> None:
    if request.method != "GET":
        raise statuses.method_not_allowed()


def _group_object(group: str, versions: Sequence[str]) -> JsonObject:
    entries = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": entries, "preferredVersion": entries[0]}


def _negotiated(request: Request, document: JsonObject) -> Response:
    form = negotiate(request.header("accept"), Call.DISCOVERY)
    return bytes_response(orjson.dumps(document), as_yaml=form.yaml)


def _resource_list(group: str, version: str) -> JsonObject:
    resources = [one for one in RESOURCES if (one.group, one.version) == (group, version)]
    if not resources:
        raise statuses.unknown_path()
    head: JsonObject = {"kind": "APIResourceList", **({"apiVersion": "v1"} if group else {})}
    head["groupVersion"] = resources[0].group_version
    return {**head, "resources": [entry for one in resources for entry in _legacy_entries(one)]}


def _legacy_entries(resource: Resource) -> list[JsonObject]:
    entry: JsonObject = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": resource.verbs,
    }
    if resource.short_names:
        entry["shortNames"] = resource.short_names
    if resource.categories:
        entry["categories"] = resource.categories
    below = [
        {
            "name": f"{resource.plural}/{name}",
            "singularName": "",
            "namespaced": resource.namespaced,
            **({"group": own.group, "version": own.version} if own else {}),
            "kind": own.kind if own else resource.kind,
            "verbs": verbs,
        }
        for name, verbs, own in _below(resource)
    ]
    return [entry, *below]


def _below(resource: Resource) -> Iterator[tuple[str, Sequence[str], Resource | None]]:
    """Yield each subresource: name, verbs, and of which kind it is when not of the resource's."""
    own = dict(resource.created_below)
    return ((name, verbs, own.get(name)) for name, verbs in resource.subresources.items())


def _core_item() -> JsonObject:
    return {"metadata": {}, "versions": [_version_item("", "v1")]}


def _group_items() -> list[JsonObject]:
    items: dict[str, JsonObject] = {}
    for group, version in group_versions():
        if group:
            item = items.setdefault(group, {"metadata": {"name": group}, "versions": []})
            item["versions"].append(_version_item(group, version))
    return list(items.values())


def _version_item(group: str, version: str) -> JsonObject:
    resources = [_item(one) for one in RESOURCES if (one.group, one.version) == (group, version)]
    return {"version": version, "resources": resources, "freshness": "Current"}


def _item(resource: Resource) -> JsonObject:
    response_kind = {"group": "", "version": "", "kind": resource.kind}
    item: JsonObject = {
        "resource": resource.plural,
        "responseKind": response_kind,
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": resource.verbs,
    }
    if resource.short_names:
        item["shortNames"] = resource.short_names
    if resource.categories:
        item["categories"] = resource.categories
    if resource.subresources:
        item["subresources"] = [
            {
                "subresource": name,
                "responseKind": {"group": own.group, "version": own.version, "kind": own.kind}
                if own
                else response_kind,
                "verbs": verbs,
            }
            for name, verbs, own in _below(resource)
        ]
    return item


def _aggregated(request: Request, items: Sequence[JsonObject]) -> Response:
    document = {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}}
    body = orjson.dumps({**document, "items": items})
    tag = f'"{hashlib.sha512(body).hexdigest().upper()}"'
    headers = [("ETag", tag), ("Vary", "Accept"), ("Cache-Control", "public")]
    if request.header("if-none-match") == tag:
        return Response(304, [], _AGGREGATED, headers)
    return Response(200, [body + b"\n"], _AGGREGATED, headers)
