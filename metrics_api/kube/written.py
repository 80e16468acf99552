"""The few objects that this program writes, and the endpoints of its own Service: read and patched by name.

Each write is one merge patch that names the ``resourceVersion`` it rests on, so it is refused when another was quicker.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import TypeVar

import msgspec
from msgspec import Struct

from metrics_api.errors import KubeError, KubeStatusError
from metrics_api.kube.client import KubeClient
from metrics_api.objects import APIServiceState, Endpoint, LeaseState, ObjectName, SecretState

T = TypeVar("T")
_PORT_NAME = "https"


class _Metadata(Struct, rename="camel"):
    name: str = ""
    resource_version: str = ""
    annotations: dict[str, str] | None = None


class _Secret(Struct):
    metadata: _Metadata
    data: dict[str, str] | None = None


class _LeaseSpec(Struct, rename="camel"):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class _Lease(Struct):
    metadata: _Metadata
    spec: _LeaseSpec | None = None


class _ServiceReference(Struct):
    namespace: str = ""
    name: str = ""


class _APIServiceSpec(Struct, rename="camel"):
    service: _ServiceReference | None = None
    insecure_skip_tls_verify: bool | None = msgspec.field(default=None, name="insecureSkipTLSVerify")
    ca_bundle: str | None = None


class _APIService(Struct):
    metadata: _Metadata
    spec: _APIServiceSpec = msgspec.field(default_factory=_APIServiceSpec)


class _Conditions(Struct):
    ready: bool | None = None


class _Endpoint(Struct):
    addresses: list[str] = []
    conditions: _Conditions | None = None


class _Port(Struct):
    name: str | None = None
    port: int | None = None


class _Slice(Struct, rename="camel"):
    address_type: str = ""
    endpoints: list[_Endpoint] | None = None
    ports: list[_Port] | None = None


class _Slices(Struct):
    items: list[_Slice] | None = None


class ApiServices:
    """APIServices, read and patched by name.

    Args:
        client: Asks kube-apiserver. Every call may raise ``KubeError``; so with ``ServingObjects``.
    """

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def find(self, names: Sequence[str]) -> list[APIServiceState]:
        """Return those that exist."""
        found = [await self._get(name) for name in names]
        return [each for each in found if each is not None]

    async def set_trust(
        self, api_service: APIServiceState, ca_bundle: bytes | None, annotations: Mapping[str, str | None]
    ) -> None:
        """Have the backend verified by this PEM bundle, or not at all when ``None``; ``None`` removes an annotation.

        Both fields go into one patch, because Kubernetes refuses an APIService that has both.
        """
        document = {
            "metadata": {"resourceVersion": api_service.version, "annotations": dict(annotations)},
            "spec": {
                "caBundle": None if ca_bundle is None else _encoded(ca_bundle),
                "insecureSkipTLSVerify": True if ca_bundle is None else None,
            },
        }
        await _patch(self._client, _api_service_path(api_service.name), document)

    async def _get(self, name: str) -> APIServiceState | None:
        found = await _get(self._client, _api_service_path(name), _APIService)
        if found is None:
            return None
        reference = found.spec.service
        return APIServiceState(
            found.metadata.name,
            found.metadata.resource_version,
            None if reference is None else ObjectName(reference.namespace, reference.name),
            bool(found.spec.insecure_skip_tls_verify),
            _decoded(found.spec.ca_bundle or "", f"APIService {name}"),
            found.metadata.annotations or {},
        )


class ServingObjects:
    """What replicas share to serve one certificate: a Secret and a Lease of one name, APIServices, endpoints.

    Args:
        client: Asks kube-apiserver.
        service: The Service whose endpoints the replicas are.
        name: Of Secret and Lease.
        api_services: Names of the APIServices that the Service is behind.
    """

    def __init__(self, client: KubeClient, service: ObjectName, name: ObjectName, api_services: Sequence[str]) -> None:
        self._client = client
        self._service = service
        self._secret_path = _path("/api/v1", "secrets", name)
        self._lease_path = _path("/apis/coordination.k8s.io/v1", "leases", name)
        self._names = api_services
        self._api_services = ApiServices(client)

    async def secret(self) -> SecretState | None:
        """Return the Secret, ``None`` when there is none."""
        found = await _get(self._client, self._secret_path, _Secret)
        if found is None:
            return None
        data = {key: _decoded(value, f"{self._secret_path}: {key}") for key, value in (found.data or {}).items()}
        return SecretState(found.metadata.resource_version, data, found.metadata.annotations or {})

    async def write_secret(
        self, version: str, data: Mapping[str, bytes | None], annotations: Mapping[str, str | None]
    ) -> None:
        """Set entries and annotations; ``None`` removes one."""
        document = {
            "metadata": {"resourceVersion": version, "annotations": dict(annotations)},
            "data": {key: None if value is None else _encoded(value) for key, value in data.items()},
        }
        await _patch(self._client, self._secret_path, document)

    async def lease(self) -> LeaseState | None:
        """Return the Lease, ``None`` when there is none."""
        found = await _get(self._client, self._lease_path, _Lease)
        if found is None:
            return None
        spec = found.spec or _LeaseSpec()
        return LeaseState(
            found.metadata.resource_version,
            holder=spec.holder_identity or "",
            duration=spec.lease_duration_seconds or 0,
            acquired=spec.acquire_time or "",
            renewed=spec.renew_time or "",
            transitions=spec.lease_transitions or 0,
        )

    async def write_lease(self, lease: LeaseState) -> None:
        """Replace the Lease's content."""
        spec = _LeaseSpec(lease.holder, lease.duration, lease.acquired, lease.renewed, lease.transitions)
        await _patch(self._client, self._lease_path, {"metadata": {"resourceVersion": lease.version}, "spec": spec})

    async def api_services(self) -> list[APIServiceState]:
        """Return the APIServices that exist."""
        return await self._api_services.find(self._names)

    async def set_trust(
        self, api_service: APIServiceState, ca_bundle: bytes | None, annotations: Mapping[str, str | None]
    ) -> None:
        """Have the backend verified by this bundle, or not at all; see ``ApiServices``."""
        await self._api_services.set_trust(api_service, ca_bundle, annotations)

    async def endpoints(self) -> list[Endpoint]:
        """Return the Service's ready endpoints, each once; of several ports the one named ``https``."""
        service = self._service
        path = f"/apis/discovery.k8s.io/v1/namespaces/{service.namespace}/endpointslices"
        body = await self._client.get(path, query=[("labelSelector", f"kubernetes.io/service-name={service.name}")])
        found = [each for part in _decode(body, _Slices, path).items or () for each in _ready(part)]
        return list(dict.fromkeys(found))


def _ready(part: _Slice) -> Iterator[Endpoint]:
    ports = [each.port for each in part.ports or () if each.port and each.name in (_PORT_NAME, "", None)]
    if not ports:
        return
    for each in part.endpoints or ():
        if each.addresses and (each.conditions is None or each.conditions.ready is not False):
            # The addresses of one endpoint are interchangeable
            with contextlib.suppress(ValueError):
                yield Endpoint(str(ip_address(each.addresses[0])), ports[0])


def _path(group: str, resource: str, name: ObjectName) -> str:
    return f"{group}/namespaces/{name.namespace}/{resource}/{name.name}"


def _api_service_path(name: str) -> str:
    return f"/apis/apiregistration.k8s.io/v1/apiservices/{name}"


async def _get(client: KubeClient, path: str, kind: type[T]) -> T | None:
    try:
        body = await client.get(path)
    except KubeStatusError as error:
        if error.code == 404:
            return None
        raise
    return _decode(body, kind, path)


async def _patch(client: KubeClient, path: str, document: object) -> None:
    await client.patch(path, msgspec.json.encode(document))


def _decode(body: bytes, kind: type[T], path: str) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise KubeError(f"GET {path}: the answer cannot be understood: {error!r:.200}") from error


def _encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _decoded(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise KubeError(f"{what}: {error}") from error
