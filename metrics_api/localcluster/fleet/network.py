"""Addresses for many servers on one machine: every node its own in 127.0.0.0/8, all on the same port.

Linux answers on the whole of 127.0.0.0/8. Systems that answer on 127.0.0.1 alone get that for all nodes, with a port
for each.
"""

from __future__ import annotations

import errno
import secrets
import socket
from collections.abc import Sequence
from contextlib import ExitStack

from metrics_api.errors import StartupError

_ATTEMPTS = 20
_HOSTS_PER_BLOCK = 254
_BACKLOG = 256


class LoopbackNetwork:
    """Gives out listening sockets.

    Args:
        block: The first three octets of the first address, such as ``127.80.3``; ``None`` chooses at random.
        port: Every node's port; 0 lets the system choose one.
    """

    def __init__(self, *, block: str | None = None, port: int = 0) -> None:
        self._chosen_block = None if block is None else _parse_block(block)
        self._chosen_port = port
        self._block = 0 if self._chosen_block is None else self._chosen_block
        self._port = port
        self._only_localhost = False

    def address(self, index: int) -> str:
        """Return the address of the node of that number."""
        if self._only_localhost:
            return "127.0.0.1"
        block, host = divmod(index, _HOSTS_PER_BLOCK)
        block += self._block
        return f"127.{block >> 8 & 255}.{block & 255}.{host + 1}"

    def listen(self, indexes: Sequence[int]) -> list[socket.socket]:
        """Return a listening socket for each node, none or all.

        Raises:
            StartupError: No port was free on all addresses; the message says what to do.
        """
        failure: OSError | None = None
        for _ in range(_ATTEMPTS):
            if self._chosen_block is None:
                self._block = (16 + secrets.randbelow(200) << 8) + secrets.randbelow(256)
            self._port = self._chosen_port
            try:
                return self._listen_to_all(indexes)
            except OSError as error:
                failure = error
                if error.errno == errno.EADDRNOTAVAIL and self._chosen_block is None:
                    self._only_localhost = True
                elif error.errno != errno.EADDRINUSE:
                    break
                elif self._chosen_port and self._chosen_block is not None:
                    break  # the next attempt would be the same one
        raise StartupError(
            f"cannot listen on {len(indexes)} loopback addresses from {self.address(0)}, port {self._port}: {failure}; "
            "choose another port or address block, or raise the limit of open files (ulimit -n)"
        ) from failure

    def listen_to(self, index: int) -> socket.socket:
        """Return a listening socket for one more node.

        Raises:
            StartupError: Its address and port are taken.
        """
        try:
            return self._bind(index)
        except OSError as error:
            raise StartupError(f"cannot listen on {self.address(index)}:{self._port}: {error}") from error

    def _listen_to_all(self, indexes: Sequence[int]) -> list[socket.socket]:
        with ExitStack() as undo:
            sockets = [undo.enter_context(self._bind(index)) for index in indexes]
            undo.pop_all()
            return sockets

    def _bind(self, index: int) -> socket.socket:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self.address(index), 0 if self._only_localhost else self._port))
            listener.listen(_BACKLOG)
            listener.setblocking(False)
        except OSError:
            listener.close()
            raise
        self._port = self._port or listener.getsockname()[1]
        return listener


def _parse_block(block: str) -> int:
    octets = block.split(".")
    if len(octets) != 3 or octets[0] != "127" or not all(octet.isdecimal() and int(octet) < 256 for octet in octets):
        raise ValueError(f"{block!r} is no block of loopback addresses such as 127.80.3")
    return int(octets[1]) << 8 | int(octets[2])
