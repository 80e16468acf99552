"""From a Service to the address that is dialled, and what stands in the way.

kube-apiserver dials the ClusterIP and kube-proxy picks an endpoint behind it. The stand-in has no kube-proxy, so it
dials a ready endpoint itself, as kube-apiserver does with ``--enable-aggregator-routing``; everything that cluster
routing asks of the Service is asked here too. Source: apiserver ``pkg/util/proxy``, kube-aggregator
``pkg/controllers/status/remote``.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from metrics_api.errors import MetricsApiError
from metrics_api.localcluster.aggregation.apiservice import ServiceReference
from metrics_api.localcluster.aggregation.seams import ObjectSource
from metrics_api.localcluster.resources import ENDPOINT_SLICES, SERVICES
from metrics_api.localcluster.stored import JsonObject

BACKEND_ANNOTATION = "localcluster.metrics-api/backend"
"""On a Service: ``https://<host>:<port>`` to dial instead of its endpoints, for tests. TLS is verified as ever."""

_SERVICE_NAME_LABEL = "kubernetes.io/service-name"
_CLUSTER_TYPES = ("ClusterIP", "NodePort", "LoadBalancer")


class ResolveError(MetricsApiError):
    """A Service leads to no address; clients are told ``service unavailable`` only."""


class Address(NamedTuple):
    """Where to dial."""

    host: str
    """A name, an IPv4 or an IPv6 address without brackets."""
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a Service cannot be served from, in the words of the condition ``Available``."""

    status: str
    """``False``, or ``Unknown`` when it could not be looked at."""
    reason: str
    message: str


class Resolver:
    """Finds backends among the cluster's Services and EndpointSlices.

    Args:
        objects: The cluster's objects.
        seed: For the choice among several ready endpoints.
    """

    def __init__(self, objects: ObjectSource, seed: int | None = None) -> None:
        self._objects = objects
        self._random = random.Random(seed)  # noqa: S311 - spreads load, guards nothing

    def resolve(self, reference: ServiceReference) -> Address:
        """Return an address to dial.

        Raises:
            ResolveError: no such Service or port, no ready endpoint, ``clusterIP: None``, or an unroutable type.
        """
        service = self._objects.get(SERVICES, reference.namespace, reference.name)
        if service is None:
            raise ResolveError(f'services "{reference.name}" not found')
        override = (service["metadata"].get("annotations") or {}).get(BACKEND_ANNOTATION)
        if override is not None:
            return _parse_override(override)
        spec = service.get("spec") or {}
        kind = spec.get("type", "ClusterIP")
        if kind == "ExternalName":
            return Address(spec.get("externalName", ""), reference.port)
        if kind not in _CLUSTER_TYPES:
            raise ResolveError(f'unsupported service type "{kind}"')
        if kind == "ClusterIP" and spec.get("clusterIP") == "None":
            raise ResolveError('cannot route to service with ClusterIP "None"')
        port = _find_port(spec, reference.port)
        if port is None:
            raise ResolveError(f'no service port {reference.port} found for service "{reference.name}"')
        return self._ready_endpoint(reference, port.get("name") or "", (spec.get("ipFamilies") or [""])[0])

    def obstacle(self, reference: ServiceReference) -> Obstacle | None:
        """Return what an availability check finds wrong before it dials; ``None`` when nothing is."""
        where = f'service/{reference.name} in "{reference.namespace}"'
        try:
            service = self._objects.get(SERVICES, reference.namespace, reference.name)
        except MetricsApiError as error:
            return Obstacle("Unknown", "ServiceAccessError", f"{where} cannot be checked due to: {error}")
        if service is None:
            return Obstacle("False", "ServiceNotFound", f"{where} is not present")
        spec = service.get("spec") or {}
        if spec.get("type", "ClusterIP") != "ClusterIP":
            return None
        port = _find_port(spec, reference.port)
        if port is None:
            return Obstacle("False", "ServicePortError", f"{where} is not listening on port {reference.port}")
        if BACKEND_ANNOTATION in (service["metadata"].get("annotations") or {}):
            return None
        return self._endpoint_obstacle(reference, where, port.get("name") or "")

    def _endpoint_obstacle(self, reference: ServiceReference, where: str, port_name: str) -> Obstacle | None:
        try:
            slices = self._slices(reference)
        except MetricsApiError as error:
            return Obstacle("Unknown", "EndpointsAccessError", f"{where} cannot be checked due to: {error}")
        if not slices:
            return Obstacle("False", "EndpointsNotFound", f"cannot find endpointslices for {where}")
        if not any(_ready(each) and _port_number(each, port_name) is not None for each in slices):
            message = f'endpointslices for {where} have no addresses with port name "{port_name}"'
            return Obstacle("False", "MissingEndpoints", message)
        return None

    def _ready_endpoint(self, reference: ServiceReference, port_name: str, family: str) -> Address:
        slices = self._slices(reference)
        self._random.shuffle(slices)
        slices.sort(key=lambda each: each.get("addressType") != family)
        for each in slices:
            port = _port_number(each, port_name)
            addresses = _ready(each)
            if port is not None and addresses:
                return Address(self._random.choice(addresses), port)
        raise ResolveError(f'no endpoints available for service "{reference.name}"')

    def _slices(self, reference: ServiceReference) -> list[JsonObject]:
        return [
            each
            for each in self._objects.list(ENDPOINT_SLICES, reference.namespace)
            if (each["metadata"].get("labels") or {}).get(_SERVICE_NAME_LABEL) == reference.name
        ]


def service_of_slice(labels: dict[str, str]) -> str | None:
    """Return the name of the Service whose endpoints a slice with these labels holds, ``None`` for none."""
    return labels.get(_SERVICE_NAME_LABEL)


def _find_port(spec: JsonObject, number: int) -> dict[str, Any] | None:
    return next((port for port in spec.get("ports") or () if port.get("port") == number), None)


def _port_number(endpoint_slice: JsonObject, name: str) -> int | None:
    for port in endpoint_slice.get("ports") or ():
        if (port.get("name") or "") == name and port.get("port") is not None:
            return int(port["port"])
    return None


def _ready(endpoint_slice: JsonObject) -> list[str]:
    """Return the first address of every endpoint that is ready or does not say."""
    return [
        endpoint["addresses"][0]
        for endpoint in endpoint_slice.get("endpoints") or ()
        if endpoint.get("addresses") and (endpoint.get("conditions") or {}).get("ready") is not False
    ]


def _parse_override(url: str) -> Address:
    parts = urlsplit(url)
    try:
        port = parts.port or 443
    except ValueError as error:
        raise ResolveError(f"annotation {BACKEND_ANNOTATION}: {error}") from error
    if parts.scheme != "https" or not parts.hostname:
        raise ResolveError(f"annotation {BACKEND_ANNOTATION}: {url!r} is not https://<host>:<port>")
    return Address(parts.hostname, port)
