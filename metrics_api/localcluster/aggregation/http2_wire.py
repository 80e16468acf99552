"""What crosses an HTTP/2 connection, around the state that the package h2 keeps of it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import h2.config
import h2.connection
import h2.errors
import h2.exceptions
import h2.settings
import httpcore

from metrics_api.localcluster.aggregation.headers import Headers

_STREAM_WINDOW_BYTES = 4 << 20
"""How much of one response a backend may send ahead of its reader."""
_CONNECTION_WINDOW_BYTES = 1 << 30
_HEADERS_BYTES = 10 << 20
_FRAME_HEAD_BYTES = 9
_FRAME_LIMIT_BYTES = 1 << 14
_GOAWAY = 7
_NOT_IN_HTTP2 = frozenset(
    (b"host", b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade")
)


@dataclass(frozen=True, slots=True)
class GoAway:
    """The backend takes no further requests on this connection."""

    last_stream: int
    """Streams with a higher number were not looked at."""
    code: int
    debug: bytes

    def __str__(self) -> str:
        debug = self.debug[:200].decode(errors="replace")
        return f'LastStreamID={self.last_stream}, ErrCode={name_of(self.code)}, debug="{debug}"'


class Frames:
    """Cuts what is received into frames, and takes the GOAWAYs out.

    h2 takes a GOAWAY for the end of everything, though a backend that shuts down gracefully still answers what it has
    begun.
    """

    def __init__(self) -> None:
        self._rest = bytearray()

    def received(self, data: bytes) -> Iterator[bytes | GoAway]:
        """Yield every frame that is complete.

        Raises:
            FrameTooLargeError: one is too long, or what came is no HTTP/2; h2 would first wait for its end.
        """
        self._rest += data
        while len(self._rest) >= _FRAME_HEAD_BYTES:
            length = int.from_bytes(self._rest[:3], "big")
            end = _FRAME_HEAD_BYTES + length
            if length > _FRAME_LIMIT_BYTES:
                raise h2.exceptions.FrameTooLargeError(f"a frame of {length} bytes")
            if len(self._rest) < end:
                return
            frame = bytes(self._rest[:end])
            del self._rest[:end]
            if frame[3] == _GOAWAY and length >= 8:
                last, code = struct.unpack_from(">II", frame, _FRAME_HEAD_BYTES)
                yield GoAway(last & 0x7FFFFFFF, code, frame[_FRAME_HEAD_BYTES + 8 :])
            else:
                yield frame


def new_state() -> h2.connection.H2Connection:
    """Return the state of a new connection, with the windows and limits of Go's client, its first frames unsent."""
    state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding=None))
    codes = h2.settings.SettingCodes
    state.local_settings = h2.settings.Settings(
        client=True,
        initial_values={
            codes.ENABLE_PUSH: 0,
            codes.INITIAL_WINDOW_SIZE: _STREAM_WINDOW_BYTES,
            codes.MAX_HEADER_LIST_SIZE: _HEADERS_BYTES,
        },
    )
    state.initiate_connection()
    state.increment_flow_control_window(_CONNECTION_WINDOW_BYTES)
    return state


def head_of(request: httpcore.Request) -> Headers:
    """Return a request's header fields, without those that only HTTP/1.1 has."""
    host = next(value for name, value in request.headers if name.lower() == b"host")
    fields = [(name.lower(), value) for name, value in request.headers]
    return [
        (b":method", request.method),
        (b":authority", host),
        (b":scheme", b"https"),
        (b":path", request.url.target),
        *((name, value) for name, value in fields if name not in _NOT_IN_HTTP2),
    ]


def name_of(code: int) -> str:
    """Return an error code as Go writes it."""
    try:
        return h2.errors.ErrorCodes(code).name
    except ValueError:
        return f"unknown error code 0x{code:x}"
