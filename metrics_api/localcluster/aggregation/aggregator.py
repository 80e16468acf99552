"""The aggregation layer as one part of the API server: proxy, availability, discovery and OpenAPI."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Sequence
from functools import partial
from urllib.parse import parse_qs

from metrics_api.clock import Clock
from metrics_api.localcluster.aggregation.apiservice import APIService
from metrics_api.localcluster.aggregation.availability import AvailabilityController
from metrics_api.localcluster.aggregation.discovery import DiscoveryController, DiscoveryStyle
from metrics_api.localcluster.aggregation.openapi_v2 import OpenAPIV2Controller
from metrics_api.localcluster.aggregation.openapi_v3 import OpenAPIV3Controller
from metrics_api.localcluster.aggregation.probe import Prober
from metrics_api.localcluster.aggregation.proxy import BrokenOffError, Proxy
from metrics_api.localcluster.aggregation.registry import Registry
from metrics_api.localcluster.aggregation.replies import Reply, send_error, send_timeout
from metrics_api.localcluster.aggregation.resolve import Resolver
from metrics_api.localcluster.aggregation.seams import Handler, ObjectSource
from metrics_api.localcluster.aggregation.timing import Timing
from metrics_api.localcluster.aggregation.tls import Trust, trust_of
from metrics_api.localcluster.aggregation.transport import Transports
from metrics_api.localcluster.attributes import attributes_of, time_limit_of
from metrics_api.localcluster.seams import Receive, Scope, Send
from metrics_api.localcluster.stored import JsonObject
from metrics_api.localcluster.users import User
from metrics_api.pki import KeyPair

_log = logging.getLogger(__name__)


class Aggregator:
    """Serves what APIService objects hand to extension servers.

    It answers as soon as it exists; without :meth:`run` nothing becomes Available.

    Args:
        objects: The cluster's objects.
        front_proxy: The client certificate that proves the API server is the front proxy; see the attribute.
        clock: For intervals and timestamps.
        timing: How long and how often.
        seed: For the choice among several ready endpoints.
    """

    def __init__(
        self,
        objects: ObjectSource,
        front_proxy: KeyPair | None,
        clock: Clock,
        *,
        timing: Timing | None = None,
        seed: int | None = None,
    ) -> None:
        self._timing = timing or Timing()
        self._registry = Registry(objects)
        self._transports = Transports(self._timing, clock)
        resolver = Resolver(objects, seed)
        self._proxy = Proxy(resolver, self._transports, self._timing.discovery_request_timeout)
        self._proxy.front_proxy = front_proxy
        prober = Prober(resolver, self._transports, self._timing.probe_timeout)
        self.availability = AvailabilityController(
            objects, self._registry, resolver, prober, self._trust_of, clock, self._timing.resync
        )
        self._discovery = DiscoveryController(self._registry, self._ungated, clock, self._timing)
        self._openapi_v2 = OpenAPIV2Controller(self._registry, self._gated, clock, self._timing)
        self._openapi_v3 = OpenAPIV3Controller(self._registry, self._gated, clock, self._timing)
        self._controllers = (self.availability, self._discovery, self._openapi_v2, self._openapi_v3)
        self._registry.on_change(lambda _: self._close_obsolete())
        self._added = [
            (b"cache-control", b"no-cache, private"),
            (b"x-kubernetes-pf-flowschema-uid", str(uuid.uuid4()).encode()),
            (b"x-kubernetes-pf-prioritylevel-uid", str(uuid.uuid4()).encode()),
        ]

    @property
    def front_proxy(self) -> KeyPair | None:
        """The client certificate presented to extension servers; ``None`` presents none.

        A fault switch: give it a pair of another authority, or one that has expired. It holds from the next
        connection on, and no older connection is used again.
        """
        return self._proxy.front_proxy

    @front_proxy.setter
    def front_proxy(self, pair: KeyPair | None) -> None:
        self._proxy.front_proxy = pair
        self._close_obsolete()

    @property
    def discovery_style(self) -> DiscoveryStyle:
        """Which forms of discovery extension servers are asked for; a switch to play older and newer releases."""
        return self._discovery.style

    @discovery_style.setter
    def discovery_style(self, style: DiscoveryStyle) -> None:
        self._discovery.style = style

    async def run(self) -> None:
        """Check availability and poll discovery and OpenAPI, until cancelled; then close every connection."""
        try:
            async with asyncio.TaskGroup() as group:
                for controller in self._controllers:
                    group.create_task(controller.run())
        finally:
            await self.aclose()

    async def idle(self) -> None:
        """Return once every check and poll that is due is done."""
        for controller in self._controllers:  # availability comes first: its findings make the others' polls due
            await controller.idle()

    async def aclose(self) -> None:
        """Close every connection; the next request opens new ones."""
        await self._transports.aclose()

    def claims(self, path: str) -> bool:
        """Whether a decoded path is served by an extension server: ``/apis/<g>/<v>``, below it, and OpenAPI v3."""
        return self._handler(path) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send, user: User | None) -> None:
        """Serve one request that :meth:`claims` is true of.

        A response that breaks off is left unfinished; the ASGI server then closes the connection, as Go's does.
        """
        handler = self._handler(scope["path"])
        reply = Reply(send, self._added)
        if handler is None:  # the APIService was deleted since the request was routed
            return await send_error(reply, 404, "404 page not found")
        limit = _time_limit(scope, self._timing.request_timeout)
        try:
            async with asyncio.timeout(limit):
                return await handler(scope, receive, reply, user)
        except TimeoutError:
            if not reply.begun:
                return await send_timeout(reply)
            _log.warning("%r took longer than %s s and was cut off", scope["path"], limit)
        except BrokenOffError as error:
            _log.warning("%r broke off: %s", scope["path"], error)

    def groups(self) -> Sequence[JsonObject]:
        """Return the APIGroup of every group with an extension server, available or not."""
        return self._discovery.groups()

    def aggregated_groups(self) -> Sequence[JsonObject]:
        """Return their APIGroupDiscovery items; a version whose server gave no answer is Stale."""
        return self._discovery.aggregated_groups()

    def openapi_v2(self) -> JsonObject | None:
        """Return one Swagger document of all, ``None`` without any; it is shared, do not change it."""
        return self._openapi_v2.document()

    def openapi_v3_paths(self) -> JsonObject:
        """Return their part of ``/openapi/v3``: every key they listed, whatever it is."""
        return self._openapi_v3.paths()

    def _handler(self, path: str) -> Handler | None:
        service = self._registry.claiming(path)
        return self._gated(service) if service is not None else self._openapi_v3.handler_for(path)

    def _gated(self, service: APIService) -> Handler:
        return partial(self._proxy.serve, service)

    def _ungated(self, service: APIService) -> Handler:
        return partial(self._proxy.serve, service, gated=False)

    def _trust_of(self, service: APIService) -> Trust:
        return trust_of(service, self.front_proxy)

    def _close_obsolete(self) -> None:
        """Let go of connections that no APIService calls for any more."""
        self._transports.keep_only({self._trust_of(each) for each in self._registry if each.service})


def _time_limit(scope: Scope, usual: float) -> float | None:
    """Return the seconds that a request may take, ``None`` for one that is long-running.

    The API server has refused a ``timeout`` that is no duration before it hands the request over.
    """
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    wanted = attributes_of(scope["method"], scope["path"], query)
    return None if wanted.is_long_running else time_limit_of(query, usual)
