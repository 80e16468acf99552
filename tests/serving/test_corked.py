"""What leaves together."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from metrics_api.serving.corked import Corked

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"
STREAM = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class Written(asyncio.Transport):
    """Keeps what is written, piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.is_closed = False

    def write(self, data: Any) -> None:
        assert not self.is_closed
        self.pieces.append(bytes(data))

    def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize("body", [b"ok", b"", memoryview(b"ok"), bytearray(b"ok")])
def test_a_head_leaves_with_its_body(body: bytes | memoryview | bytearray) -> None:
    written = Written()
    corked = Corked(written)
    corked.write(HEAD)
    assert written.pieces == []
    corked.write(body)
    corked.write(HEAD)
    corked.write(body)

    assert written.pieces == [HEAD + body] * 2


def test_what_follows_leaves_at_once() -> None:
    written = Written()
    corked = Corked(written)
    corked.write(HEAD)
    for piece in (b"o", memoryview(b"k"), b""):
        corked.write(piece)

    assert written.pieces == [HEAD + b"o", b"k", b""]


@pytest.mark.parametrize("data", [STREAM, b"HTTP/1.1 100 Continue\r\n\r\n", b"5\r\nHTTP/\r\n", HEAD[3:]])
def test_what_nothing_need_follow_leaves_at_once(data: bytes) -> None:
    written = Written()
    Corked(written).write(data)

    assert written.pieces == [data]


def test_a_head_without_a_body_leaves_when_the_answer_is_complete_or_the_connection_closes() -> None:
    written = Written()
    corked = Corked(written)
    corked.write(HEAD)
    corked.flush()
    corked.flush()
    assert written.pieces == [HEAD]
    corked.write(HEAD)
    corked.close()

    assert written.pieces == [HEAD, HEAD]
    assert written.is_closed
