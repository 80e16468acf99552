"""What a request to a kubelet says: its path and headers, and who we are where that may be said."""

from __future__ import annotations

import asyncio
import math
import re
from typing import Protocol

from metrics_api import __version__
from metrics_api.clock import Clock
from metrics_api.errors import MetricsApiError, ScrapeError
from metrics_api.kubelet.address import READ_ONLY_PORT, SUMMARY_PATH, authority, resource_path
from metrics_api.kubelet.routes import Route
from metrics_api.kubelet.transport import Target
from metrics_api.model import Endpoint, NodeInfo

RENEWAL_PERIOD = 5.0
"""Seconds within which credentials are read again no second time, however many kubelets refuse them."""
_MIB = 1024 * 1024
_MOST_SUMMARY = 16 * _MIB
_MOST_RESOURCE = 4 * _MIB
_TOKEN = re.compile(r"[\x21-\x7e]+").fullmatch


class Credentials(Protocol):
    """Who we are to kubelets."""

    async def token(self, *, refresh: bool = False) -> str | None:
        """Return the bearer token, or ``None`` when there is none.

        Args:
            refresh: Whether the one known before was refused.
        """
        ...


def build_target(node: NodeInfo, route: Route, endpoint: Endpoint, *, tls: bool) -> Target:
    """Return what to send to a node for one of its documents.

    Summary is never compressed by a kubelet, and nothing else may do so. The resource document shrinks to a seventh.

    Raises:
        ScrapeError: ``denied_address``, the node's annotation is no path that is asked for.
    """
    if endpoint is Endpoint.SUMMARY:
        path, accept, encoding, most = SUMMARY_PATH, "application/json", "identity", _MOST_SUMMARY
    else:
        path, accept, encoding, most = (
            resource_path(node.resource_metrics_path),
            "text/plain;version=0.0.4",
            "gzip",
            _MOST_RESOURCE,
        )
    head = (
        f"GET {path} HTTP/1.1\r\n"
        f"Host: {authority(route.host, route.port)}\r\n"
        f"User-Agent: metrics-api/{__version__}\r\n"
        f"Accept: {accept}\r\n"
        f"Accept-Encoding: {encoding}\r\n"
    )
    return Target(node.uid, route, head.encode("ascii"), most, tls, node.name)


class Authorization:
    """Makes the Authorization header, and keeps it until the token changes.

    Args:
        credentials: Who we are.
        clock: Time.
        tls: Whether TLS is spoken; nothing secret is sent without.
    """

    def __init__(self, credentials: Credentials, clock: Clock, *, tls: bool) -> None:
        self._credentials = credentials
        self._clock = clock
        self._tls = tls
        self._token = ""
        self._header = b""
        self._renewing = asyncio.Lock()
        self._renewed_at = -math.inf

    async def header(self, route: Route) -> bytes:
        """Return the header line, empty when we have no token or none may be sent there.

        Args:
            route: Where it goes.

        Raises:
            ScrapeError: ``unauthorized``, the token cannot be had or cannot be sent.
        """
        if not self._tls or route.port == READ_ONLY_PORT:
            return b""
        return await self._current(refresh=False)

    async def renew(self, refused: bytes) -> bool:
        """Read the credentials again after a header was refused; tell whether there is another one now.

        When all kubelets refuse at once, the first to ask reads for all of them, and no more than once in five seconds.

        Raises:
            ScrapeError: ``unauthorized``, the token cannot be had or cannot be sent.
        """
        async with self._renewing:
            if self._header == refused and self._clock.monotonic() >= self._renewed_at + RENEWAL_PERIOD:
                self._renewed_at = self._clock.monotonic()
                await self._current(refresh=True)
        return self._header != refused

    async def _current(self, *, refresh: bool) -> bytes:
        try:
            token = await self._credentials.token(refresh=refresh)
        except ScrapeError:
            raise
        except MetricsApiError as error:
            raise ScrapeError("unauthorized", f"no token to show to kubelets: {error}") from error
        if not token:
            return b""
        if token != self._token:
            if _TOKEN(token) is None:
                raise ScrapeError("unauthorized", "the token holds characters that none has; see its file")
            self._token, self._header = token, f"Authorization: Bearer {token}\r\n".encode("ascii")
        return self._header
