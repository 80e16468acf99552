"""Asks one kubelet: finds the way, shows who we are, chooses the document, decodes it."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple

from metrics_api.clock import Clock
from metrics_api.errors import DecodeError, ScrapeError
from metrics_api.kubelet.dialing import ConnectError
from metrics_api.kubelet.endpoint import EndpointChoice
from metrics_api.kubelet.gzipped import gunzip
from metrics_api.kubelet.http1 import Response
from metrics_api.kubelet.options import KubeletOptions
from metrics_api.kubelet.refusal import refusal
from metrics_api.kubelet.requests import Authorization, Credentials, build_target
from metrics_api.kubelet.resource import ResourceDecoder
from metrics_api.kubelet.routes import RESOLVE_LIMIT, Resolve, Route, find_route, resolve_by_system
from metrics_api.kubelet.summary import decode_summary
from metrics_api.kubelet.transport import Target, Transport
from metrics_api.kubelet.turns import Turns
from metrics_api.model import Endpoint, NodeInfo, NodeSamples

_MOST_TEXT = 16 * 1024 * 1024
_GRACE = 0.25
"""Seconds after which what has no limit of its own is ended; the transport is on time and knows better what it was."""
_NAME_LIFETIME = 300.0
"""Seconds after which a name is resolved again."""


class Way(NamedTuple):
    """How a node was asked the last time."""

    host: str
    """The node's address, a name or an IP."""
    address: str
    """The IP that was dialled."""
    port: int
    endpoint: Endpoint | None
    """The document that was answered last; ``None`` when none was."""


class _Answer(NamedTuple):
    """A document that a kubelet gave, and our clock when it was asked for and when it had come."""

    endpoint: Endpoint
    response: Response
    requested: float
    received: float


class _NodeState:
    """What is kept of a node between scrapes."""

    __slots__ = ("answered", "decoder", "dialled", "node", "proven", "route", "route_until", "targets")

    def __init__(self, node: NodeInfo) -> None:
        self.node = node
        self.proven = False
        """Whether an answer was the node's own."""
        self.decoder: ResourceDecoder | None = None
        self.route: Route | None = None
        """The way that worked last; ``None`` to look for one."""
        self.route_until = 0.0
        """When the name behind it is resolved again."""
        self.targets: dict[Endpoint, Target] = {}
        self.dialled: Route | None = None
        """The way that was tried last."""
        self.answered: Endpoint | None = None
        """The document that was answered last."""

    def update(self, node: NodeInfo) -> None:
        """Take over a changed node object."""
        if _reach(node) != _reach(self.node):
            self.route = None
            self.targets.clear()
        self.node = node


class KubeletClient:
    """Asks kubelets.

    Args:
        options: Where and how.
        credentials: Who we are.
        transport: How bytes go there and come back.
        clock: Time.
        resolve: Looks names up.
    """

    def __init__(
        self,
        options: KubeletOptions,
        credentials: Credentials,
        transport: Transport,
        clock: Clock,
        *,
        resolve: Resolve = resolve_by_system,
    ) -> None:
        self._options = options
        self._authorization = Authorization(credentials, clock, tls=not options.plain_http)
        self._transport = transport
        self._clock = clock
        self._resolve = resolve
        self._choice = EndpointChoice(options.endpoint, clock)
        self._states: dict[str, _NodeState] = {}
        self._turns = Turns()
        self.body_bytes: Counter[Endpoint] = Counter()
        """Document -> bytes of all answers' bodies as they came over the wire."""

    @property
    def remembered(self) -> int:
        """Return how many nodes something is kept of: never more than are scraped."""
        return len(self._states.keys() | self._choice.remembered)

    async def scrape(self, node: NodeInfo, *, deadline: float) -> NodeSamples:
        """Return what the node's kubelet says.

        Both documents are asked for only when the first is refused; what is returned comes from one.

        Args:
            node: The node.
            deadline: Seconds for all of it.

        Raises:
            ScrapeError: it could not be asked, or its answer not understood.
        """
        state, ends = self._state(node), self._clock.monotonic() + deadline
        try:
            async with asyncio.timeout(deadline + _GRACE):
                answer = await self._fetch(state, ends)
        except TimeoutError as error:
            raise ScrapeError("timeout", "its name or our credentials took all the time for this scrape") from error
        await self._turns.take()  # no matter how long: the kubelet has answered in time, and it is we who are busy
        samples = self._read(state, answer)
        if answer.endpoint is Endpoint.SUMMARY:
            self._choice.summary_answered(node.uid)
        return samples

    def forget(self, node_uid: str) -> None:
        """Let go of all that is kept for a node that is gone; its connection is closed."""
        self._states.pop(node_uid, None)
        self._choice.forget(node_uid)
        self._transport.forget(node_uid)

    def way(self, node_uid: str) -> Way | None:
        """Return how a node was asked the last time; ``None`` when it was not."""
        state = self._states.get(node_uid)
        if state is None or state.dialled is None:
            return None
        dialled = state.dialled
        return Way(dialled.host, str(dialled.ip), dialled.port, state.answered)

    async def close(self) -> None:
        """Close all connections."""
        self._states.clear()
        await self._transport.aclose()

    def _state(self, node: NodeInfo) -> _NodeState:
        state = self._states.get(node.uid)
        if state is None:
            state = self._states[node.uid] = _NodeState(node)
        elif state.node is not node:
            state.update(node)
        return state

    async def _fetch(self, state: _NodeState, ends: float) -> _Answer:
        endpoint = self._choice.choose(state.node)
        try:
            return await self._ask(state, endpoint, ends)
        except ScrapeError as error:
            if endpoint is Endpoint.RESOURCE or not self._choice.falls_back(error.status):
                raise
            return await self._ask_for_resource_instead(state, error, ends)

    async def _ask_for_resource_instead(self, state: _NodeState, refused: ScrapeError, ends: float) -> _Answer:
        uid = state.node.uid
        if refused.status != HTTPStatus.FORBIDDEN:
            self._choice.summary_refused(uid, refused.status)
            return await self._ask(state, Endpoint.RESOURCE, ends)
        try:
            answer = await self._ask(state, Endpoint.RESOURCE, ends)
        except ScrapeError as error:
            if error.reason == "forbidden":
                raise refused from error
            raise
        self._choice.summary_refused(uid, refused.status)
        return answer

    async def _ask(self, state: _NodeState, endpoint: Endpoint, ends: float) -> _Answer:
        requested = self._clock.now()
        response, shown = await self._get(state, endpoint, ends)
        if response.status == HTTPStatus.UNAUTHORIZED and shown and await self._authorization.renew(shown):
            requested = self._clock.now()
            response, _ = await self._get(state, endpoint, ends)
        self.body_bytes[endpoint] += len(response.body)
        if response.status != HTTPStatus.OK:
            raise refusal(response, endpoint)
        return _Answer(endpoint, response, requested, self._clock.now())

    def _read(self, state: _NodeState, answer: _Answer) -> NodeSamples:
        state.answered = answer.endpoint
        try:
            samples = self._decode(state, answer)
        except ScrapeError as error:
            if error.reason == "wrong_node":
                self._look_elsewhere(state)
            raise
        state.proven = True
        return samples

    def _look_elsewhere(self, state: _NodeState) -> None:
        """Look for the way anew at the next scrape: another machine answers there."""
        state.route = None
        if state.proven:
            self._transport.close(state.node.uid)
        else:
            self._transport.forget(state.node.uid)  # a key that was pinned is that machine's

    def _decode(self, state: _NodeState, answer: _Answer) -> NodeSamples:
        endpoint, response, requested, received = answer
        node, date = state.node, _http_date(response.date)
        encoding = response.content_encoding.lower()
        body = response.body
        if encoding == b"gzip" and endpoint is Endpoint.RESOURCE:
            body = gunzip(body, _MOST_TEXT)
        elif encoding not in (b"", b"identity"):
            raise DecodeError(f"the answer has content encoding {encoding[:40]!r}, which was not asked for")
        if endpoint is Endpoint.SUMMARY:
            return decode_summary(body, node, requested=requested, received=received, server_time=date)
        if state.decoder is None:
            state.decoder = ResourceDecoder()
        return state.decoder.decode(body, node, requested=requested, received=received, server_time=date)

    async def _get(self, state: _NodeState, endpoint: Endpoint, ends: float) -> tuple[Response, bytes]:
        """Get a document; where no connection comes about, try once an address of the other IP version.

        Returns:
            The answer, and the Authorization header that was sent.
        """
        route = state.route
        if route is None or self._clock.monotonic() >= state.route_until:
            route = await self._find_route(state.node, ends)
            self._use_route(state, route)
        try:
            return await self._send(state, route, endpoint, ends)
        except ConnectError as error:
            failure = error
        state.route = None
        try:
            other = await self._find_route(state.node, ends, avoid_version=route.ip.version)
        except ScrapeError:
            raise failure from None
        try:
            answer = await self._send(state, other, endpoint, ends)
        except ConnectError:
            raise failure from None
        self._use_route(state, other)
        return answer

    async def _send(self, state: _NodeState, route: Route, endpoint: Endpoint, ends: float) -> tuple[Response, bytes]:
        state.dialled = route
        target = state.targets.get(endpoint)
        if target is None or target.route != route:
            target = build_target(state.node, route, endpoint, tls=not self._options.plain_http)
            state.targets[endpoint] = target
        header = await self._authorization.header(route)
        return await self._transport.get(target, deadline=self._left(ends), authorization=header), header

    async def _find_route(self, node: NodeInfo, ends: float, *, avoid_version: int | None = None) -> Route:
        limit = min(RESOLVE_LIMIT, self._left(ends))
        return await find_route(node, self._options, self._resolve, limit=limit, avoid_version=avoid_version)

    def _use_route(self, state: _NodeState, route: Route) -> None:
        by_name = route.host != str(route.ip)
        state.route = route
        state.route_until = self._clock.monotonic() + _NAME_LIFETIME if by_name else math.inf

    def _left(self, ends: float) -> float:
        left = ends - self._clock.monotonic()
        if left <= 0:
            raise ScrapeError("timeout", "the time for this scrape was over before the kubelet could be asked again")
        return left


def _reach(node: NodeInfo) -> tuple[object, ...]:
    return node.addresses, node.kubelet_port, node.resource_metrics_path


@lru_cache(maxsize=256)  # the same second is named by many nodes
def _http_date(value: bytes) -> float | None:
    try:
        return parsedate_to_datetime(value.decode("ascii")).timestamp()
    except (ValueError, OverflowError):
        return None
