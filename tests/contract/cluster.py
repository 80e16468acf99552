"""A backend as the suite's tests talk to it: clients of any user, objects that go again, and patience."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import httpx

from metrics_api.localcluster.stored import JsonObject
from metrics_api.localcluster.users import MASTERS_GROUP
from tests.contract.backend import Backend, authorities
from tests.localcluster.aggregation.extension_server import ExtensionServer, authority

T = TypeVar("T")

API_SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
SERVICES = "/api/v1/namespaces/kube-system/services"
ENDPOINT_SLICES = "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices"
GROUP = "metrics.k8s.io"
NAME = f"v1beta1.{GROUP}"
PATH = f"/apis/{GROUP}/v1beta1"
NODES = f"{PATH}/nodes"
_STEP = 0.5


class Cluster:
    """One test's view of a backend."""

    def __init__(self, backend: Backend, directory: Path) -> None:
        self.backend = backend
        self.url = backend.place.url
        self._directory = directory
        self._stack = AsyncExitStack()
        self._made: list[str] = []
        self.admin = self.client("kubernetes-admin", [MASTERS_GROUP])

    def client(self, user: str = "", groups: Sequence[str] = (), *, token: str = "") -> httpx.AsyncClient:
        """Return a client with a certificate of that user, with a bearer token, or with nothing."""
        context = ssl.create_default_context(cadata=authorities().cluster.certificate.decode())
        if user:
            pair = authorities().cluster.issue(user, organizations=groups, client=True)
            path = self._directory / "client.pem"
            path.write_bytes(pair.certificate + pair.key)
            context.load_cert_chain(path)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        client = httpx.AsyncClient(base_url=self.url, verify=context, headers=headers, trust_env=False, timeout=90)
        self._stack.push_async_callback(client.aclose)
        return client

    async def create(self, collection: str, obj: JsonObject) -> JsonObject:
        """Create an object, which goes again at the end of the test."""
        response = await self.admin.post(collection, json=obj)
        assert response.status_code == 201, response.text
        created: JsonObject = response.json()
        self._made.append(f"{collection}/{created['metadata']['name']}")
        return created

    async def change(self, path: str, patch: Any) -> JsonObject:
        """Merge-patch an object."""
        response = await self.admin.patch(path, json=patch, headers={"Content-Type": "application/merge-patch+json"})
        assert response.status_code == 200, response.text
        changed: JsonObject = response.json()
        return changed

    async def register(self, extension: ExtensionServer, *api_services: JsonObject) -> None:
        """Hand a group to an extension server by Service, EndpointSlice and APIServices (one unless given)."""
        await self.create(SERVICES, service())
        await self.create(ENDPOINT_SLICES, endpoint_slice(extension.host, extension.port))
        for each in api_services or (api_service(),):
            await self.create(API_SERVICES, each)

    async def available(self, extension: ExtensionServer, *api_services: JsonObject) -> None:
        """Register and wait until every APIService is Available and proxied."""
        await self.register(extension, *api_services)
        for each in api_services or (api_service(),):
            await self.condition("True", name=each["metadata"]["name"])

    async def condition(self, status: str, reason: str = "", *, name: str = NAME) -> JsonObject:
        """Return the condition Available of an APIService once it says so."""

        async def read() -> JsonObject:
            got = (await self.admin.get(f"{API_SERVICES}/{name}")).json()
            conditions = got.get("status", {}).get("conditions") or [{}]
            return dict(conditions[0])

        return await self.eventually(
            read, lambda found: found.get("status") == status and reason in ("", found["reason"])
        )

    async def eventually(self, ask: Callable[[], Awaitable[T]], holds: Callable[[T], bool], within: float = 90) -> T:
        """Return the first answer that ``holds``; time passes between the questions."""
        waited = 0.0
        while not holds(found := await ask()):
            assert waited < within, f"not within {within} s; the last answer was {found!r}"
            await self.backend.pass_time(_STEP)
            waited += _STEP
        return found

    async def proxied(self, path: str = NODES) -> httpx.Response:
        """Return the answer of an extension server, once the proxy has followed the condition."""
        return await self.eventually(lambda: self.admin.get(path), lambda got: got.status_code != 503)

    async def aclose(self) -> None:
        """Delete what was made, the newest first, and close the clients."""
        for path in reversed(self._made):
            await self.admin.delete(path, params={"gracePeriodSeconds": "0"})
        await self._stack.aclose()


def api_service(version: str = "v1beta1", *, group: str = GROUP, **spec: Any) -> JsonObject:
    """Return an APIService for the Service kube-system/ms; a field of ``spec`` that is ``None`` is left out."""
    bundle = base64.b64encode(authority("serving-ca").certificate).decode()
    spec = {
        "group": group,
        "version": version,
        "service": {"namespace": "kube-system", "name": "ms", "port": 443},
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "caBundle": bundle,
    } | spec
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": f"{version}.{group}"},
        "spec": {key: value for key, value in spec.items() if value is not None},
    }


def service(**spec: Any) -> JsonObject:
    """Return the Service kube-system/ms with a port 443 named https."""
    ports = [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": "https"}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": "kube-system", "name": "ms"},
        "spec": {"type": "ClusterIP", "ports": ports} | spec,
    }


def endpoint_slice(
    host: str, port: int, *, name: str = "ms-1", port_name: str = "https", ready: bool | None = True
) -> JsonObject:
    """Return an EndpointSlice of that Service."""
    conditions = {} if ready is None else {"ready": ready}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"namespace": "kube-system", "name": name, "labels": {"kubernetes.io/service-name": "ms"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [host], "conditions": conditions}],
        "ports": [{"name": port_name, "port": port, "protocol": "TCP"}],
    }
