"""The whole stand-in: API server, aggregation layer and kubelets, started and stopped together."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

from metrics_api.clock import Clock, SystemClock
from metrics_api.localcluster import extension, kubeconfig
from metrics_api.localcluster.aggregation.aggregator import Aggregator
from metrics_api.localcluster.aggregation.timing import Timing
from metrics_api.localcluster.apiserver import ApiServer
from metrics_api.localcluster.attributes import Attributes
from metrics_api.localcluster.authorities import FRONT_PROXY_NAME, Authorities
from metrics_api.localcluster.fleet.authorization import Decision, Forbidden, Subject
from metrics_api.localcluster.fleet.certificates import Certificates
from metrics_api.localcluster.fleet.server import Fleet, SamplingMode
from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.resources import API_SERVICES, NAMESPACES, NODES, PODS
from metrics_api.localcluster.stored import JsonObject
from metrics_api.localcluster.users import User
from metrics_api.pki import KeyPair


class LocalCluster:
    """A cluster in this process, on loopback; ``async with`` starts and stops it.

    Args:
        nodes: How many.
        pods_per_node: Running pods on each.
        seed: Of everything drawn.
        clock: Time.
        sampling: Which samples the kubelets have.
        psi: Whether summaries have pressure blocks, as from Kubernetes 1.34 on.
        timing: Of the aggregation layer; kube-apiserver's when ``None``.
        certificates: Who signs the kubelets' serving certificates; ``shared`` ones start a large fleet faster.
    """

    def __init__(
        self,
        *,
        nodes: int = 3,
        pods_per_node: int = 10,
        seed: int = 1,
        clock: Clock | None = None,
        sampling: SamplingMode = "kubelet",
        psi: bool = True,
        timing: Timing | None = None,
        certificates: Certificates = "per_node",
    ) -> None:
        self.clock = clock or SystemClock()
        self.authorities = Authorities.create()
        self.objects = ObjectStore(self.clock)
        self.api = ApiServer(self.objects, self.authorities, self.clock)
        front_proxy = self.authorities.front_proxy.issue(FRONT_PROXY_NAME, client=True)
        self.aggregator = Aggregator(self.objects, front_proxy, self.clock, timing=timing)
        self.api.aggregator = self.aggregator
        with _uncollected():
            self.fleet = Fleet(
                nodes,
                pods_per_node,
                clock=self.clock,
                authorizer=_Delegated(self.api),
                seed=seed,
                authority=self.authorities.cluster,
                client_authorities=self.authorities.cluster.certificate,
                sampling=sampling,
                psi=psi,
                certificates=certificates,
            )
        self._running = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start kubelets, API server and aggregation layer; nodes and pods are there at once.

        Raises:
            StartupError: no free port.
        """
        async with contextlib.AsyncExitStack() as starting:
            await starting.enter_async_context(self.fleet)
            with _uncollected():
                self.objects.load(NAMESPACES, self._new_namespaces())
                self.objects.load(NODES, self.fleet.node_objects())
                self.objects.load(PODS, self.fleet.pod_objects())
            extension.grant_access(self.objects)
            await starting.enter_async_context(self.api)
            aggregating = asyncio.create_task(self.aggregator.run(), name="aggregation layer")
            starting.push_async_callback(_end, aggregating)
            self._running = starting.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything."""
        await self._running.aclose()

    def _new_namespaces(self) -> list[JsonObject]:
        """Return the fleet's namespaces but those that every cluster has."""
        wanted = self.fleet.namespace_objects()
        return [each for each in wanted if self.objects.find(NAMESPACES, "", each["metadata"]["name"]) is None]

    def admin_kubeconfig(self) -> str:
        """Return a kubeconfig that may do everything."""
        return kubeconfig.admin_kubeconfig(self.api)

    def server_kubeconfig(self) -> str:
        """Return a kubeconfig of the metrics server's service account, with its rights and no others."""
        return kubeconfig.service_account_kubeconfig(self.api, extension.NAMESPACE, extension.NAME)

    def user_kubeconfig(self, name: str, groups: Sequence[str] = ()) -> str:
        """Return a kubeconfig of any user."""
        return kubeconfig.certificate_kubeconfig(self.api, name, groups)

    def serving_pair(self) -> KeyPair:
        """Return a certificate with which an extension server can serve behind the Service, and its key."""
        return self.authorities.cluster.issue(
            extension.NAME, dns_names=[extension.SERVER_NAME, "localhost"], ip_addresses=["127.0.0.1"], server=True
        )

    def register_extension(
        self, port: int, *, verified: bool = True, versions: Sequence[str] = ("v1", "v1beta1")
    ) -> None:
        """Hand ``metrics.k8s.io`` to the server on that port of 127.0.0.1."""
        ca_bundle = self.authorities.cluster.certificate if verified else None
        extension.register(self.objects, port, ca_bundle, versions)

    def set_endpoint_ready(self, *, ready: bool) -> None:
        """Make the registered extension server's endpoint ready or not, as its readiness probe would.

        Raises:
            LookupError: none is registered.
        """
        extension.set_ready(self.objects, ready=ready)

    def availability(self, version: str = "v1beta1") -> tuple[bool, str]:
        """Return whether an APIService of ``metrics.k8s.io`` is Available, and its reason and message."""
        api_service = self.objects.get(API_SERVICES, "", f"{version}.{extension.GROUP}")
        if api_service is None:
            return False, "no APIService is registered"
        for condition in api_service.get("status", {}).get("conditions", []):
            if condition["type"] == "Available":
                return condition["status"] == "True", f"{condition['reason']}: {condition['message']}"
        return False, "not checked yet"


class _Delegated:
    """Kubelets' authorization, asked of the API server's tokens and roles as real kubelets ask by reviews."""

    def __init__(self, api: ApiServer) -> None:
        self._api = api

    async def allows(self, token: str | None, certificate: Subject | None, node: str, subresource: str) -> Decision:
        user = None
        if certificate is not None:
            name, groups = certificate
            user = User(name, groups=groups).authenticated()
        if user is None and token is not None:
            user = self._api.tokens.find(token)
        if user is None:
            return "unauthorized"
        wanted = Attributes("get", version="v1", resource="nodes", subresource=subresource, name=node)
        return "ok" if self._api.authorizer.authorize(user, wanted).allowed else Forbidden(user.name)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Make many objects without looking time and again which of them are garbage: none is."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
