"""uvicorn's HTTP protocol, which also tells who is at the other end, and does not wait for ever.

What the TLS layer has verified goes into the state of every request: the chain of the client's certificate, from the
leaf to the authority we trust. Limits on a request's head are Go's: 1 MiB, and 32 s to send it.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

CHAIN = "peer_chain"
"""Key in ``scope["state"]`` of the verified chain: DER, leaf first, trust anchor last; empty without a certificate."""
LARGEST_HEAD = 1 << 20
"""Bytes of request line and headers."""
HEAD_TIMEOUT = 32.0
"""Seconds from a connection's, or a request's, first byte to the end of its headers."""


class ServingProtocol(HttpToolsProtocol):
    """One connection."""

    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None
    _in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note who is at the other end."""
        super().connection_made(transport)
        self.app_state = {CHAIN: verified_chain(transport.get_extra_info("ssl_object"))}
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the timer."""
        self._head_arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; a head that is too large ends the connection."""
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > LARGEST_HEAD:
                self._refuse(b"431 Request Header Fields Too Large")
                return
        super().data_received(data)
        if self._in_head and self._head_timer is None and self._head_bytes:
            self._await_head()

    def on_message_begin(self) -> None:
        """Begin to count a request's head."""
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Count no more until the next request."""
        self._head_arrived()
        super().on_headers_complete()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT, self.transport.abort)

    def _head_arrived(self) -> None:
        self._in_head = False
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, status: bytes) -> None:
        self.transport.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()


def verified_chain(tls: ssl.SSLObject | None) -> tuple[bytes, ...]:
    """Return the chain that the TLS layer has verified; see ``CHAIN``.

    The method is public from Python 3.13 on and an inner one before; its items are DER there and objects here.
    """
    if tls is None:
        return ()
    inner: Any = tls
    get_chain = getattr(inner, "get_verified_chain", None) or inner._sslobj.get_verified_chain
    chain = get_chain()
    if not chain:
        return ()
    return tuple(each if isinstance(each, bytes) else _der(each) for each in chain)


def _der(certificate: Any) -> bytes:
    der: bytes = ssl.PEM_cert_to_DER_cert(certificate.public_bytes())
    return der
