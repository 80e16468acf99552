"""Requests that the aggregator makes itself, through the same proxy as its clients' and read whole."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from metrics_api.localcluster.aggregation.headers import Headers, first
from metrics_api.localcluster.aggregation.proxy import BrokenOffError
from metrics_api.localcluster.aggregation.seams import Handler
from metrics_api.localcluster.seams import Message, Scope
from metrics_api.localcluster.users import User

_BODY_LIMIT_BYTES = 32 << 20


@dataclass(slots=True)
class Answer:
    """A response as it came."""

    status: int = 0
    headers: Headers = field(default_factory=list)
    body: bytes = b""

    def header(self, name: bytes) -> str:
        """Return the first value of a header, named in lower case; empty when it is absent."""
        return (first(self.headers, name) or b"").decode("latin-1")

    def __str__(self) -> str:
        return f"{self.status}, {self.body[:200]!r}"


async def fetch(
    handler: Handler, path: str, headers: Sequence[tuple[bytes, bytes]], user: User, time_limit: float
) -> Answer:
    """GET a path as a user.

    Args:
        handler: Serves it.
        path: Needs no encoding.
        headers: All that are sent.
        user: Who asks.
        time_limit: Seconds for the whole answer.

    Returns:
        The answer; a 503 of our own when it takes too long, breaks off, or has more than 32 MiB.
    """
    answer = Answer()
    parts: list[bytes] = []
    size = 0

    async def receive() -> Message:
        await asyncio.get_running_loop().create_future()
        raise AssertionError("nobody resolves that future")

    async def send(message: Message) -> None:
        nonlocal size
        if message["type"] == "http.response.start":
            answer.status, answer.headers = message["status"], list(message["headers"])
            return
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > _BODY_LIMIT_BYTES:
            raise BrokenOffError("the document is larger than 32 MiB")
        parts.append(chunk)

    try:
        async with asyncio.timeout(time_limit):
            await handler(_scope(path, headers), receive, send, user)
    except TimeoutError:
        return Answer(503, [], b"request timed out")
    except BrokenOffError as error:
        return Answer(503, [], str(error).encode())
    answer.body = b"".join(parts)
    return answer


def _scope(path: str, headers: Sequence[tuple[bytes, bytes]]) -> Scope:
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": list(headers),
    }
