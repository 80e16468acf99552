"""One HTTP answer and how it is sent."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import orjson
import yaml

from metrics_api.errors import StatusError
from metrics_api.localcluster.seams import Send
from metrics_api.localcluster.statuses import encode_status

JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"
TIMED_OUT = (
    b'{"metadata":{},"status":"Failure","message":"Timeout: request did not complete within the allotted timeout",'
    b'"reason":"Timeout","details":{},"code":504}\n'
)
"""The body of a 504: a ``Status`` without ``kind`` and ``apiVersion``, which its header calls plain text."""
_GZIP_THRESHOLD = 128 * 1024
_GZIP_WBITS = 31


@dataclass(slots=True)
class Response:
    """An answer; its body may come in pieces."""

    status: int
    chunks: Iterable[bytes] | AsyncGenerator[bytes, None]
    content_type: str = JSON
    headers: Sequence[tuple[str, str]] = field(default=())


def json_response(document: Any, status: int = 200) -> Response:
    """Answer with a document, compact and with a newline as Kubernetes does."""
    return Response(status, [orjson.dumps(document) + b"\n"])


def bytes_response(body: bytes, *, as_yaml: bool, status: int = 200) -> Response:
    """Answer with JSON that is already encoded, or with the same as YAML."""
    if as_yaml:
        return Response(status, [yaml.safe_dump(orjson.loads(body), sort_keys=False).encode()], "application/yaml")
    return Response(status, [body + b"\n"])


def text_response(text: str, status: int = 200) -> Response:
    """Answer with plain text."""
    return Response(status, [text.encode()], _TEXT, [("X-Content-Type-Options", "nosniff")])


def page_not_found() -> Response:
    """Answer for a path that nothing here has: Go's words, no ``Status``."""
    return text_response("404 page not found\n", 404)


def timed_out() -> Response:
    """Answer that the request's time is over."""
    return Response(504, [TIMED_OUT], _TEXT)


def error_response(error: StatusError) -> Response:
    """Answer with a ``Status``."""
    headers = [("X-Content-Type-Options", "nosniff")] if error.code == 403 else []
    if error.retry_after is not None:
        headers.append(("Retry-After", str(error.retry_after)))
    return Response(error.code, [encode_status(error)], JSON, headers)


async def send_response(send: Send, response: Response, *, accept_encoding: str) -> None:
    """Send an answer; a body above 128 KiB is compressed when the client takes gzip."""
    typed = [("Content-Type", response.content_type)] if response.content_type else []
    headers = [*typed, *response.headers]
    if isinstance(response.chunks, AsyncGenerator):
        await _start(send, response.status, headers)
        async with aclosing(response.chunks) as stream:
            async for chunk in stream:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    chunks = list(response.chunks)
    length = sum(map(len, chunks))
    compressed = length > _GZIP_THRESHOLD and "gzip" in accept_encoding
    if compressed:
        headers += [("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")]
    else:
        headers.append(("Content-Length", str(length)))
    await _start(send, response.status, headers)
    for chunk in _compress(chunks) if compressed else chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _start(send: Send, status: int, headers: Sequence[tuple[str, str]]) -> None:
    encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": encoded})


def _compress(chunks: Iterable[bytes]) -> Iterable[bytes]:
    compressor = zlib.compressobj(1, wbits=_GZIP_WBITS)
    for chunk in chunks:
        if compressed := compressor.compress(chunk):
            yield compressed
    yield compressor.flush()
