"""uvicorn's HTTP protocol, which also tells who is at the other end, and does not wait for ever.

What the TLS layer has verified goes into the state of every request: the chain of the client's certificate, from the
leaf to the authority we trust. With a certificate the limits on a request's head are Go's, 1 MiB and 32 s to send it,
and one more on its lines. Without one they are such that as many guests as there may be hold little together.

Nothing here reads a request's body. A small one is let in and forgotten; one that says to be large, or turns out to
be, ends the connection with the answer. A client that stops reading its answer is cut off.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from metrics_api.serving.corked import Corked
from metrics_api.serving.front import ABORT, Scope
from metrics_api.serving.guests import Guests
from metrics_api.serving.limits import Limits

_CHAIN = "peer_chain"
LARGEST_HEAD = 1 << 20
"""Bytes of request line and headers."""
LONGEST_TARGET = 1 << 15
"""Bytes of a request target. All that reads it, most of it before anybody is authenticated, costs time with its length.

Names in a path have 253 bytes at most; the rest is room for selectors.
"""
MOST_QUEUED = 4
"""Requests that may wait for the answer to the one before; each costs kilobytes, however short it is."""


@dataclass(frozen=True, slots=True)
class _HeadLimits:
    size: int
    """Bytes."""
    lines: int
    """Headers. Each costs some 150 bytes beside its own, so that bytes alone bound nothing."""


OF_PROVEN = _HeadLimits(LARGEST_HEAD, 2000)
"""kube-apiserver sends a line for each of a user's groups."""
OF_GUESTS = _HeadLimits(1 << 16, 128)
"""Theirs need no more than a token; browsers and proxies send some 40 lines."""
_TOO_LARGE = b"431 Request Header Fields Too Large"
_TOO_LONG = b"414 URI Too Long"
_REFUSAL_HEADERS = b"\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
LARGEST_BODY = 1 << 16
"""Bytes of a body that is let in, so that the connection can be used again."""
_FAULTS = logging.getLogger("uvicorn.error.faults")
_FAULTS.setLevel(logging.ERROR)  # what strangers send must not fill the log; what goes wrong here belongs there
_MOST_UNSENT = 1 << 16  # bytes in the TLS layer, above which a sender must wait


class ServingProtocol(HttpToolsProtocol):
    """One connection."""

    guests: Guests | None = None
    """Where a connection without a client certificate is counted."""
    limits = Limits()

    _is_guest = False
    _head_limits = OF_PROVEN
    _head_bytes = 0
    """Received of a head that is not complete."""
    _header_bytes = 0
    """Of the headers read so far."""
    _refusal = b"400 Bad Request"
    """Why the parser has stopped."""
    _body_bytes = 0
    _request_timer: asyncio.TimerHandle | None = None
    _stall_timer: asyncio.TimerHandle | None = None
    _in_head = True
    _is_incomplete = False
    """Whether a request has begun of which something is still to come."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.logger = _FAULTS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note who is at the other end."""
        super().connection_made(transport)
        self.transport = self._corked = Corked(transport)
        tls = transport.get_extra_info("ssl_object")
        chain = verified_chain(tls)
        self.app_state = {_CHAIN: chain, ABORT: transport.abort}
        transport.set_write_buffer_limits(_MOST_UNSENT)
        self._await_request()
        if is_resumed(tls, chain):
            transport.abort()  # OpenSSL then forgets the session too, so the client's next try is a whole handshake
        elif not chain and self.guests is not None:
            self._is_guest = True
            self._head_limits = OF_GUESTS
            self.guests.welcome(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the timers."""
        self._request_arrived()
        self._stop_stall_timer()
        if self._is_guest and self.guests is not None:
            self.guests.forget(self)
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        """Take bytes; a head that is too large ends the connection."""
        if self.transport.is_closing():
            return  # what follows a refusal is of no interest
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._is_incomplete and self._request_timer is None:
            self._await_request()
        if self._in_head:
            self._head_bytes += len(data)  # of a head that began within this piece: at most all of it
            if self._head_bytes > self._head_limits.size:
                self._refuse(_TOO_LARGE)

    def on_message_begin(self) -> None:
        """Begin to count a request's head."""
        if len(self.pipeline) >= MOST_QUEUED:
            self.transport.abort()  # a refusal would be taken for the answer to another request
            raise _RefusedError
        self._header_bytes = 0
        self._in_head = self._is_incomplete = True
        self._body_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take a piece of the target."""
        super().on_url(url)
        if len(self.url) > LONGEST_TARGET:
            self._stop_parsing(_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        super().on_header(name, value)
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > self._head_limits.size or len(self.headers) > self._head_limits.lines:
            self._stop_parsing(_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """Count the head no more, and see what body is announced."""
        self._in_head = False
        self._head_bytes = 0
        super().on_headers_complete()
        if self.expect_100_continue or self.parser.should_upgrade() or _announces_large_body(self.headers):
            # Nobody reads what follows: the client that waits to be asked for it never is, and the one that sends it
            # is cut off.
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Forget a body, as far as it is small."""
        self._body_bytes += len(body)
        if self._body_bytes <= LARGEST_BODY:
            return
        if self.cycle.response_complete:
            self.transport.close()
        else:
            self.cycle.keep_alive = False
            self.flow.pause_reading()

    def on_message_complete(self) -> None:
        """Wait no more until the next request."""
        self._request_arrived()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Note that the connection was in use until now."""
        self._corked.flush()
        super().on_response_complete()
        if self._is_guest and self.guests is not None:
            self.guests.refresh(self)

    def pause_writing(self) -> None:
        """Begin to watch a client that does not take its answer as fast as it comes."""
        super().pause_writing()
        self._stop_stall_timer()
        given_up = self.loop.time() + self.limits.answer
        self._watch_for_stall(self.transport.get_write_buffer_size(), given_up)

    def resume_writing(self) -> None:
        """Watch it no more."""
        self._stop_stall_timer()
        super().resume_writing()

    def _unsupported_upgrade_warning(self) -> None:
        """Ignore the wish for another protocol, as Go does, without a line in the log for it."""

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr] # None at first

    def dismiss(self) -> None:
        """End the connection at once."""
        self.transport.abort()

    def _await_request(self) -> None:
        self._request_timer = self.loop.call_later(self.limits.request, self._give_up_on_request)

    def _give_up_on_request(self) -> None:
        if self.flow.read_paused:  # it may be complete, and it is we who do not look
            self._await_request()
        else:
            self.transport.abort()

    def _request_arrived(self) -> None:
        self._in_head = self._is_incomplete = False
        self._head_bytes = 0
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None

    def _watch_for_stall(self, waiting: int, given_up: float) -> None:
        self._stall_timer = self.loop.call_later(self.limits.stall, self._look_for_stall, waiting, given_up)

    def _look_for_stall(self, waited: int, given_up: float) -> None:
        waiting = self.transport.get_write_buffer_size()
        if waiting >= waited or self.loop.time() >= given_up:
            self.transport.abort()
        else:
            self._watch_for_stall(waiting, given_up)

    def _stop_stall_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, or too much of it."""
        del msg  # it would tell apart what Go does not
        if not self.transport.is_closing():
            self._refuse(self._refusal)

    def _stop_parsing(self, refusal: bytes) -> None:
        """Refuse the request from within the parser: an error in a callback makes it end, as one of its own does."""
        self._refusal = refusal
        raise _RefusedError

    def _refuse(self, status: bytes) -> None:
        """Answer as Go does before any handler is asked (``net/http`` ``server.go``), byte for byte.

        While an earlier request is being answered this would be taken for its answer: that one ends the connection.
        """
        if not self.is_idle:
            self.cycle.keep_alive = False
            return
        self.transport.write(b"HTTP/1.1 %s%s%s" % (status, _REFUSAL_HEADERS, status))
        self.transport.close()


class _RefusedError(Exception):
    """Stops the parser; it comes out as ``httptools.HttpParserCallbackError``."""


def _announces_large_body(headers: list[tuple[bytes, bytes]]) -> bool:
    for name, value in headers:
        if name == b"content-length":  # the parser has seen that it is a number
            return len(value) > len(str(LARGEST_BODY)) or int(value) > LARGEST_BODY
        if name == b"transfer-encoding":
            return True
    return False


def peer_chain(scope: Scope) -> tuple[bytes, ...]:
    """Return the verified chain of a request's connection: DER, leaf first, trust anchor last; empty without one."""
    chain: tuple[bytes, ...] = scope["state"][_CHAIN]
    return chain


def verified_chain(tls: ssl.SSLObject | None) -> tuple[bytes, ...]:
    """Return the chain that the TLS layer has verified; see ``peer_chain``.

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


def is_resumed(tls: ssl.SSLObject | None, chain: tuple[bytes, ...]) -> bool:
    """Tell whether the client proved who it is on an earlier connection only.

    A resumed session knows the certificate, and not the chain that was verified. There are no tickets, but OpenSSL
    keeps the sessions of TLS 1.2 that ended in order, and Python cannot tell it not to.
    """
    return not chain and tls is not None and tls.getpeercert(binary_form=True) is not None


def _der(certificate: Any) -> bytes:
    der: bytes = ssl.PEM_cert_to_DER_cert(certificate.public_bytes())
    return der
