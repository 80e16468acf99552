"""A connection whose answers leave in one piece: the head of an answer waits for its body.

uvicorn writes one after the other. Over TLS that is two records, two system calls, and a client that is woken twice, of
which the first helps nobody.
"""

from __future__ import annotations

import asyncio
from typing import Any

_HEAD = b"HTTP/1.1 "
_LENGTH = b"\r\ncontent-length: "


class Corked(asyncio.Transport):
    """Stands before a transport, for one who writes HTTP/1.1 answers to it.

    Only a head that announces the length of its body waits: that body is at hand. A stream's head leaves at once, for
    its first piece may take long to come.

    Args:
        transport: Where everything goes.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._write = transport.write
        self._close = transport.close
        self._head: bytes | None = None
        # Not defined as methods, so that what is asked for with every request costs no call more.
        self.is_closing = transport.is_closing  # type: ignore[method-assign]
        self.abort = transport.abort  # type: ignore[method-assign]
        self.get_extra_info = transport.get_extra_info  # type: ignore[method-assign]
        self.get_write_buffer_size = transport.get_write_buffer_size  # type: ignore[method-assign]

    def write(self, data: Any) -> None:
        """Write bytes, or keep them for the next call when they are a head."""
        head = self._head
        if head is not None:
            self._head = None
            self._write(head + data)
        elif type(data) is bytes and data.startswith(_HEAD) and _LENGTH in data:
            self._head = data
        else:
            self._write(data)

    def flush(self) -> None:
        """Write a head that waits; an answer to HEAD has nothing else."""
        if self._head is not None:
            self._write(self._head)
            self._head = None

    def close(self) -> None:
        """Write what waits, and close when it has left."""
        self.flush()
        self._close()
