"""From a connected socket to TLS with a kubelet that has proved to be the node that is meant.

This is the one place where it is decided that something may be sent. Until then nothing has been, but for what a TLS
handshake sends. When the proof fails, the certificate is fetched once more by a handshake that verifies nothing, shows
no certificate of ours and is closed at once: only so can all that is wrong be told.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable

from metrics_api.clock import Clock
from metrics_api.errors import ScrapeError
from metrics_api.kubelet.certificate import Certificate, read_certificate
from metrics_api.kubelet.dialing import connect, start_tls
from metrics_api.kubelet.distrust import Refusal
from metrics_api.kubelet.identity import Peer, Pins, names_node
from metrics_api.kubelet.options import TlsVerification
from metrics_api.kubelet.routes import Route
from metrics_api.kubelet.tls_errors import UntrustedError

_LOOK_LIMIT = 3.0
"""Seconds for one look at a certificate."""
_REMEMBERED = 600.0
"""Seconds for which a refused certificate is known: a node that goes on failing is not looked at each time."""
_MOST_AT_ONCE = 20
"""Looks that may come together; further ones come two a second. A fleet that is refused costs no second fleet's."""
_LOOKS_PER_SECOND = 2.0


class Verifier:
    """Decides whether who answers is believed.

    Args:
        verify: What must be proved.
        authorities: Says whom we trust; asked for when somebody is refused.
        clock: Time.
    """

    def __init__(self, verify: TlsVerification, authorities: Callable[[], str], clock: Clock) -> None:
        self._verify = verify
        self._authorities = authorities
        self._clock = clock
        self._pins = Pins()
        self._glances = _Glances(clock)

    async def open(self, sock: socket.socket, peer: Peer, context: ssl.SSLContext, at: float) -> ssl.SSLSocket:
        """Return the socket with TLS on it, over which secrets may be sent; when that fails, the socket is closed.

        Args:
            sock: A connected, non-blocking socket, which is taken over.
            peer: Who must answer.
            context: Verifies what OpenSSL can.
            at: The loop's time by which it must be done.

        Raises:
            ScrapeError: ``tls``, ``no_serving_cert``, ``timeout`` or ``reset``.
        """
        try:
            tls = await start_tls(sock, peer.route, context, at)
        except UntrustedError as error:
            certificate = await self._glances.at(peer, error.code, at)
            if certificate is None:
                raise
            raise self._refused(peer, certificate, error.code, error.problem) from error
        try:
            self._check(peer, tls)
        except BaseException:
            tls.close()
            raise
        return tls

    def forget(self, node_uid: str) -> None:
        """Let go of what is known of a node: its key, and its certificate if it was refused."""
        self._pins.forget(node_uid)
        self._glances.forget(node_uid)

    def _check(self, peer: Peer, tls: ssl.SSLSocket) -> None:
        """Verify what OpenSSL does not; raises ``ScrapeError``."""
        if self._verify == "pin":
            self._pins.check(peer, tls.getpeercert(binary_form=True))
        elif self._verify == "node-name" and not names_node(tls.getpeercert() or {}, peer.node_name):
            try:
                certificate = read_certificate(tls.getpeercert(binary_form=True) or b"")
            except ValueError as error:
                raise ScrapeError("tls", f"the kubelet's certificate does not name {peer.node_name}") from error
            raise self._refused(peer, certificate, 0, "")
        self._glances.forget(peer.node_uid)

    def _refused(self, peer: Peer, certificate: Certificate, code: int, problem: str) -> ScrapeError:
        trusted, now = self._authorities(), self._clock.now()
        return ScrapeError("tls", Refusal(peer, self._verify, certificate, code, problem, trusted, now).describe())


class _Glances:
    """Looks at certificates that were refused: bounded in number, time and what is kept."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[float, Route, int, Certificate]] = {}
        self._left, self._filled_at = float(_MOST_AT_ONCE), clock.monotonic()
        self._context: ssl.SSLContext | None = None

    async def at(self, peer: Peer, code: int, at: float) -> Certificate | None:
        """Return the certificate that a kubelet shows, ``None`` when it cannot be had now.

        Args:
            peer: Whom to look at; nothing is believed of what is seen.
            code: OpenSSL's reason; another than the last time means that it may be another certificate.
            at: The loop's time by which it must be done.
        """
        now = self._clock.monotonic()
        until, route, seen_code, certificate = self._seen.get(peer.node_uid, (0.0, None, 0, None))
        if route == peer.route and seen_code == code and now < until:
            return certificate
        if not self._take_turn(now):
            return None
        try:
            found = read_certificate(await self._fetch(peer.route, at))
        except (ScrapeError, ValueError):
            return None
        self._seen[peer.node_uid] = now + _REMEMBERED, peer.route, code, found
        return found

    def forget(self, node_uid: str) -> None:
        """Let go of what was seen of a node."""
        self._seen.pop(node_uid, None)

    def _take_turn(self, now: float) -> bool:
        self._left = min(self._left + (now - self._filled_at) * _LOOKS_PER_SECOND, _MOST_AT_ONCE)
        self._filled_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    async def _fetch(self, route: Route, at: float) -> bytes:
        if self._context is None:
            self._context = _blind_context()
        at = min(at, asyncio.get_running_loop().time() + _LOOK_LIMIT)
        with await start_tls(await connect(route, at), route, self._context, at) as tls:
            return tls.getpeercert(binary_form=True) or b""


def _blind_context() -> ssl.SSLContext:
    """Return a context that verifies nothing and has nothing to show. What is connected by it is never written to."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
