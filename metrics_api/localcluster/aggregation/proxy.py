"""Hands a request to the extension server behind an APIService and its response back to the client.

Source: kube-aggregator ``pkg/apiserver/handler_proxy.go``; ``pkg/util/proxy`` of apiserver and of apimachinery.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from metrics_api.errors import MetricsApiError
from metrics_api.localcluster.aggregation import headers as rules
from metrics_api.localcluster.aggregation import target
from metrics_api.localcluster.aggregation.apiservice import APIService
from metrics_api.localcluster.aggregation.failures import UnreachableError
from metrics_api.localcluster.aggregation.replies import Reply, send_error
from metrics_api.localcluster.aggregation.resolve import Address, ResolveError, Resolver
from metrics_api.localcluster.aggregation.tls import TransportBuildError, Trust, trust_of
from metrics_api.localcluster.aggregation.transport import BackendRequest, BackendResponse, Transports
from metrics_api.localcluster.seams import Receive, Scope, Send
from metrics_api.localcluster.users import User
from metrics_api.pki import KeyPair

_REDIRECTED = b"the backend attempted to redirect this request, which is not permitted"


class BrokenOffError(MetricsApiError):
    """A response had begun and cannot be finished: the connection to the client has to be closed."""


class Proxy:
    """Serves requests from extension servers.

    Args:
        resolver: Finds their addresses.
        transports: Holds the connections to them.
        discovery_timeout: Seconds for a request of exactly ``/apis/<group>/<version>``.
    """

    def __init__(self, resolver: Resolver, transports: Transports, discovery_timeout: float) -> None:
        self._resolver = resolver
        self._transports = transports
        self._discovery_timeout = discovery_timeout
        self.front_proxy: KeyPair | None = None
        """The client certificate that proves who the API server is; read at every request, so it may be rotated."""

    async def serve(
        self,
        service: APIService,
        scope: Scope,
        receive: Receive,
        send: Send,
        user: User | None,
        *,
        gated: bool = True,
    ) -> None:
        """Proxy one request.

        Args:
            service: A remote APIService.
            scope: The client's, with headers as sent; ``state["audit_id"]`` is passed on when it is there.
            receive: Of ASGI.
            send: Of ASGI.
            user: Who asks.
            gated: Whether an APIService that is not Available is refused; its discovery is polled all the same.

        Raises:
            BrokenOffError: the backend's response ended early.
        """
        if gated and not service.available:
            return await send_error(send, 503, "service unavailable")
        trust = trust_of(service, self.front_proxy)
        try:
            self._transports.prepare(trust, upgrades=_is_upgrade(scope))
        except TransportBuildError as error:
            return await send_error(send, 500, str(error))
        if user is None:
            return await send_error(send, 500, "missing user")
        try:
            address = self._resolver.resolve(trust.service)
        except ResolveError:
            return await send_error(send, 503, "service unavailable")
        inbox = _Inbox(scope, receive)
        request = _outgoing(scope, address, user, inbox.body() if inbox.has_body else None)
        return await _unless_gone(inbox, self._exchange(trust, address, request, scope, Reply(send)))

    async def _exchange(
        self, trust: Trust, address: Address, request: BackendRequest, scope: Scope, reply: Reply
    ) -> None:
        limit = self._discovery_timeout if target.is_discovery(scope["path"]) else None
        try:
            async with asyncio.timeout(limit):
                response = await self._transports.send(trust, address, request)
                try:
                    await _relay(response, reply, upgrading=_is_upgrade(scope))
                finally:
                    await response.aclose()
        except (UnreachableError, TimeoutError) as error:
            text = "context deadline exceeded" if isinstance(error, TimeoutError) else str(error)
            if reply.begun:
                raise BrokenOffError(text) from error
            await send_error(reply, 503, f"error trying to reach service: {text}")


async def _relay(response: BackendResponse, reply: Reply, *, upgrading: bool) -> None:
    if upgrading and response.status < 400:
        if response.status == 101:
            return await send_error(reply, 501, "the stand-in does not relay upgraded connections")
        return await send_error(reply, 503, f"invalid upgrade response: status code {response.status}")
    if 300 <= response.status <= 399 and rules.first(response.headers, b"location"):
        return await reply.whole(502, [(b"content-type", b"text/plain; charset=utf-8")], _REDIRECTED)
    await reply.start(response.status, rules.passed_back(response.headers, decoded=response.decoded))
    async for chunk in response.chunks():
        if chunk:
            await reply.part(chunk)
    return await reply.end()


def _outgoing(scope: Scope, address: Address, user: User, body: AsyncIterator[bytes] | None) -> BackendRequest:
    sent = scope["headers"]
    path = target.encode_path(scope["raw_path"])
    query = target.encode_query(scope["query_string"])
    client = scope.get("client")
    audit_id = (scope.get("state") or {}).get("audit_id")
    headers = [
        *rules.passed_on(sent),
        *rules.forwarded(sent, client[0] if client else None, str(address), target.forwarded_uri(path)),
        *([(b"Audit-Id", audit_id.encode())] if audit_id else []),
        *rules.identity(user),
    ]
    upgrades = _is_upgrade(scope)
    if upgrades:
        headers += [(name, value) for name, value in sent if name.lower() in (b"connection", b"upgrade")]
    return BackendRequest(scope["method"], path + b"?" + query if query else path, headers, body, upgrades=upgrades)


def _is_upgrade(scope: Scope) -> bool:
    return any(name.lower() == b"connection" and b"upgrade" in value.lower() for name, value in scope["headers"])


class _Inbox:
    """What the client sends: its body, and that it has gone."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        length = rules.first(scope["headers"], b"content-length")
        self.has_body = length not in (None, b"0") or rules.first(scope["headers"], b"transfer-encoding") is not None
        self._read = asyncio.Event()
        if not self.has_body:
            self._read.set()

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the body; ends early when the client goes, and the backend then sees it cut."""
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise BrokenOffError("the client left within its request body")
            more = message.get("more_body", False)
            if chunk := message.get("body", b""):
                yield chunk
        self._read.set()

    async def gone(self) -> None:
        """Return once the client has gone."""
        await self._read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


async def _unless_gone(inbox: _Inbox, exchange: Coroutine[Any, Any, None]) -> None:
    """Run an exchange; when the client goes first, cancel it, and so the request to the backend."""
    work = asyncio.create_task(exchange)
    gone = asyncio.create_task(inbox.gone())
    try:
        await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
    finally:
        work.cancel()
        gone.cancel()
        await asyncio.gather(work, gone, return_exceptions=True)
