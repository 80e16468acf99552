"""What the tests of the aggregation layer start: an object store, an aggregator, and a socket in front of it."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx

from metrics_api.localcluster.aggregation.aggregator import Aggregator
from metrics_api.localcluster.aggregation.apiservice import Condition, parse_api_service
from metrics_api.localcluster.aggregation.timing import Timing
from metrics_api.localcluster.history import Change
from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.resources import API_SERVICES, ENDPOINT_SLICES, SERVICES
from metrics_api.localcluster.seams import Receive, Scope, Send
from metrics_api.localcluster.stored import JsonObject
from metrics_api.localcluster.users import User
from tests.fakes import FakeClock, settle
from tests.localcluster.aggregation.extension_server import authority, front_proxy_pair
from tests.localcluster.aggregation.listening import listening

GROUP = "metrics.k8s.io"
PATH = f"/apis/{GROUP}/v1beta1"
NODES = f"{PATH}/nodes"
NAME = f"v1beta1.{GROUP}"
AUDIT_ID = "5bd1fd6f-0d29-4d3f-8b5b-8a4ab8a8c3d1"
UNDISTURBED = replace(Timing(), resync=1e9)
"""Kubernetes' own intervals without the checks of availability: for hours of time in no time."""

_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # the client speaks plain HTTP: no authorities need to be read

TRUE = {"type": "Available", "status": "True", "reason": "Passed", "message": "all checks passed"}


def api_service(version: str = "v1beta1", *, group: str = GROUP, **spec: Any) -> JsonObject:
    """Return an APIService for the Service kube-system/ms, trusting the tests' serving authority."""
    spec = {
        "group": group,
        "version": version,
        "service": {"namespace": "kube-system", "name": "ms", "port": 443},
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "caBundle": base64.b64encode(authority("serving-ca").certificate).decode(),
    } | spec
    return {"metadata": {"name": f"{version}.{group}"}, "spec": {k: v for k, v in spec.items() if v is not None}}


def service(**spec: Any) -> JsonObject:
    """Return the Service kube-system/ms with a port 443 named https."""
    ports = [{"name": "https", "port": 443, "targetPort": "https"}]
    return {
        "metadata": {"namespace": "kube-system", "name": "ms"},
        "spec": {"type": "ClusterIP", "clusterIP": "10.96.0.7", "ports": ports} | spec,
    }


def endpoint_slice(port: int, *addresses: str, name: str = "ms-1", ready: bool | None = True) -> JsonObject:
    """Return an EndpointSlice of that Service."""
    conditions = {} if ready is None else {"ready": ready}
    return {
        "metadata": {"namespace": "kube-system", "name": name, "labels": {"kubernetes.io/service-name": "ms"}},
        "addressType": "IPv4",
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
        "endpoints": [{"addresses": [each], "conditions": conditions} for each in addresses or ("127.0.0.1",)],
    }


class StandIn:
    """An aggregator over an object store, and a client that reaches it over a real socket."""

    def __init__(self, timing: Timing | None = None) -> None:
        self.clock = FakeClock()
        self.objects = ObjectStore(self.clock)
        self.aggregator = Aggregator(self.objects, front_proxy_pair(), self.clock, timing=timing, seed=1)
        self.user: User | None = User("alice", groups=("devs", "system:authenticated"))
        self.client = httpx.AsyncClient(verify=_NO_TLS)

    def register(self, port: int, *objects: JsonObject, available: bool = True) -> None:
        """Create Service, EndpointSlice and APIServices (one for v1beta1 unless given)."""
        self.objects.create(SERVICES, service())
        self.objects.create(ENDPOINT_SLICES, endpoint_slice(port))
        for each in objects or (api_service(),):
            self.objects.create(API_SERVICES, each)
            if available:
                self.objects.set_status(API_SERVICES, "", each["metadata"]["name"], {"conditions": [TRUE]})

    def condition(self, name: str = NAME) -> Condition | None:
        """Return the condition Available of an APIService."""
        obj = self.objects.get(API_SERVICES, "", name)
        return parse_api_service(obj).condition if obj else None

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something that comes with a change of an APIService."""
        changed = asyncio.Event()

        def note(_: Change) -> None:
            changed.set()

        end = self.objects.subscribe(API_SERVICES, note)
        try:
            async with asyncio.timeout(10):
                while not holds():
                    await changed.wait()
                    changed.clear()
        finally:
            end()

    async def until_condition(self, status: str, reason: str) -> Condition:
        """Return the condition once it says so."""

        def says() -> bool:
            condition = self.condition()
            return condition is not None and (condition.status, condition.reason) == (status, reason)

        await self.until(says)
        found = self.condition()
        assert found is not None
        return found

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Be the API server around the aggregator: authentication is the attribute ``user``."""
        scope["state"]["audit_id"] = AUDIT_ID
        if self.aggregator.claims(scope["path"]):
            return await self.aggregator(scope, receive, send, self.user)
        await send({"type": "http.response.start", "status": 418, "headers": [(b"content-length", b"0")]})
        return await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def running(timing: Timing | None = None, *, controllers: bool = False) -> AsyncIterator[StandIn]:
    """Serve a stand-in; with ``controllers`` availability, discovery and OpenAPI run on its fake clock."""
    stand_in = StandIn(timing)
    tasks = [asyncio.create_task(stand_in.aggregator.run())] if controllers else []
    await settle()
    async with listening(stand_in.serve) as socket:
        stand_in.client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{socket.port}", verify=_NO_TLS)
        try:
            async with stand_in.client:
                yield stand_in
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            await stand_in.aggregator.aclose()
        assert all(isinstance(each, asyncio.CancelledError) for each in results), results
