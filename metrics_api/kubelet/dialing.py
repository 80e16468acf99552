"""From an IP to a connected socket with TLS on it."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl

from metrics_api.errors import ScrapeError
from metrics_api.kubelet.routes import Route
from metrics_api.kubelet.tls_errors import tls_error


class ConnectError(ScrapeError):
    """No connection came about, so nothing was sent: another address may be tried."""


async def connect(route: Route, at: float) -> socket.socket:
    """Return a connected, non-blocking socket.

    Args:
        route: Where to.
        at: The loop's time by which it must be there.

    Raises:
        ConnectError: it did not come about.
        ScrapeError: ``unreachable``, we have no sockets left.
    """
    try:
        sock = socket.socket(socket.AF_INET if route.ip.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    except OSError as error:
        raise ScrapeError("unreachable", f"no socket could be made ({error}): see the limit of open files") from error
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with asyncio.timeout_at(at):
            await asyncio.get_running_loop().sock_connect(sock, (str(route.ip), route.port))
    except OSError as error:  # TimeoutError is one
        sock.close()
        raise _connect_error(error, route) from error
    except BaseException:
        sock.close()
        raise
    return sock


async def start_tls(sock: socket.socket, route: Route, context: ssl.SSLContext, at: float) -> ssl.SSLSocket:
    """Return the socket with TLS on it, after the handshake; when that fails, the socket is closed.

    Args:
        sock: A connected, non-blocking socket, which is taken over.
        route: What it is connected to; the certificate must name ``route.host``.
        context: What to verify.
        at: The loop's time by which the handshake must be done.

    Raises:
        ScrapeError: ``tls``, ``no_serving_cert``, ``timeout`` or ``reset``.
    """
    try:
        tls = context.wrap_socket(sock, server_hostname=route.host, do_handshake_on_connect=False)
    except OSError as error:
        sock.close()
        raise ScrapeError("reset", f"the connection ended before the TLS handshake: {error}") from error
    try:
        async with asyncio.timeout_at(at):
            await _handshake(tls)
    except BaseException as error:
        tls.close()
        if isinstance(error, TimeoutError):
            raise ScrapeError("timeout", "connected, but the TLS handshake did not come to its end in time") from error
        if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            raise ScrapeError("reset", "the connection ended during the TLS handshake") from error
        if isinstance(error, ssl.SSLError):
            raise tls_error(error, route.host) from error
        if isinstance(error, OSError):
            raise ScrapeError("reset", f"the connection ended during the TLS handshake: {error}") from error
        raise
    return tls


async def _handshake(tls: ssl.SSLSocket) -> None:
    loop = asyncio.get_running_loop()
    while True:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            add, remove = loop.add_reader, loop.remove_reader
        except ssl.SSLWantWriteError:
            add, remove = loop.add_writer, loop.remove_writer
        else:
            return
        ready = loop.create_future()
        add(tls, _wake, ready)
        try:
            await ready
        finally:
            remove(tls)


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _connect_error(error: OSError, route: Route) -> ConnectError:
    where = f"{route.ip} port {route.port}"
    if isinstance(error, ConnectionRefusedError):
        return ConnectError("refused", f"{where} refused the connection: no kubelet listens there, or not yet")
    if isinstance(error, TimeoutError):
        return ConnectError(
            "timeout",
            f"no connection to {where} in time: a firewall or network policy may drop it, or the node is down",
        )
    if error.errno == errno.ECONNRESET:
        return ConnectError("reset", f"{where} reset the connection while it was made")
    return ConnectError("unreachable", f"{where} cannot be reached: {error.strerror or error}")
