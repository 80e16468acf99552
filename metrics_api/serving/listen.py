"""Listening sockets. They are opened first of all, so that a taken port is said before anything else is begun."""

from __future__ import annotations

import errno
import socket
from ipaddress import ip_address

from metrics_api.errors import StartupError

_BACKLOG = 1024


def open_listener(address: str, port: int, *, share_port: bool = False) -> socket.socket:
    """Return a listening TCP socket.

    An unspecified address (``0.0.0.0`` or ``::``) takes both address families through one IPv6 socket, as Go does; on a
    machine without IPv6 it takes IPv4 alone.

    Args:
        address: An IP address.
        port: 0 lets the system choose.
        share_port: Set SO_REUSEPORT.

    Raises:
        StartupError: the port is taken, privileged, or the address is not this machine's.
    """
    parsed = ip_address(address)
    if parsed.is_unspecified:
        try:
            return _listen(socket.AF_INET6, "::", port, share_port=share_port)
        except OSError as error:
            if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                raise StartupError(_explain(error, address, port)) from error
            address = "0.0.0.0"
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return _listen(family, address, port, share_port=share_port)
    except OSError as error:
        raise StartupError(_explain(error, address, port)) from error


def _listen(family: socket.AddressFamily, address: str, port: int, *, share_port: bool) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address != "::"))
        listener.bind((address, port))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _explain(error: OSError, address: str, port: int) -> str:
    where = f"cannot listen on {address} port {port}"
    if error.errno == errno.EADDRINUSE:
        return f"{where}: something else listens there. Choose another --secure-port, or stop the other program"
    if error.errno == errno.EACCES:
        return f"{where}: ports below 1024 need a privilege. Choose another --secure-port, such as 10250"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{where}: no interface of this machine has that address. Check --bind-address"
    return f"{where}: {error.strerror}"
