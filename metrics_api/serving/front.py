"""What every request passes before the application.

That is its deadline, its place among those in flight, the access log, and, when the server is about to end, the word
that sends the client to another replica.

Once stopping has begun every response closes its connection: kube-apiserver keeps idle ones for 90 s and would stay
with us until the last moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from metrics_api.serving.access_log import AccessLog
from metrics_api.serving.asgi import ABORT, Application, Message, Receive, Scope, Send
from metrics_api.serving.deadlines import Deadlines
from metrics_api.serving.inflight import InFlight

Answer = Callable[[Scope, Send], Awaitable[None]]

_CLOSE = (b"connection", b"close")
_ALWAYS_ANSWERED = ("/readyz", "/livez", "/healthz", "/metrics")
"""Beginnings of paths that the last moments do not refuse (apiserver ``pkg/server/filters/with_retry_after.go``)."""
_LAST_LOOP_TURNS = 5
_SLICE = 1 << 18  # bytes


@dataclass(frozen=True, slots=True)
class Answers:
    """How the application words what the front has to say."""

    timeout: Answer
    """504: the request took too long."""
    shutting_down: Answer
    """429: ask another replica."""


class Front:
    """An ASGI application around another.

    Args:
        application: Answers requests; it and what it asks may call ``in_flight.enter``.
        answers: Answers of the front's own.
        deadlines: How long requests may take.
        in_flight: Whose count a request leaves when it has been answered.
        access_log: ``None`` for none.
    """

    def __init__(
        self,
        application: Application,
        answers: Answers,
        *,
        deadlines: Deadlines,
        in_flight: InFlight,
        access_log: AccessLog | None = None,
    ) -> None:
        self._application = application
        self._answers = answers
        self._deadlines = deadlines
        self._in_flight = in_flight
        self._access_log = access_log
        self._is_leaving = False
        self._refuses = False

    def leave(self) -> None:
        """Close each connection with its next response."""
        self._is_leaving = True

    def refuse(self) -> None:
        """Answer new requests with 429, but probes and those that kube-apiserver sends for others."""
        self._refuses = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if self._access_log is not None:
            send = self._access_log.follow(scope, send)
        if self._is_leaving:
            send = _closing(send)
            if self._refuses and not _is_exempt(scope):
                await self._answers.shutting_down(scope, send)
                return
        has_begun = False

        def noting(message: Message) -> Awaitable[None]:
            nonlocal has_begun
            has_begun = True
            if len(message.get("body", b"")) > _SLICE:
                return _in_slices(send, message)
            return send(message)

        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a request is answered in a task")
        self._deadlines.begin(task, scope["query_string"])
        try:
            await self._application(scope, receive, noting)
        except asyncio.CancelledError:
            if not self._deadlines.was_overdue(task):
                raise
            if has_begun:
                await _abort(scope)
            else:
                await self._answers.timeout(scope, send)
        finally:
            self._deadlines.end(task)
            self._in_flight.leave(scope)


def _closing(send: Send) -> Send:
    def closing(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], _CLOSE]}
        return send(message)

    return closing


async def _in_slices(send: Send, message: Message) -> None:
    """Send a large piece as fast as the client takes it.

    TLS in asyncio takes a piece of any size at once, and holds it in memory; only before the next one it makes the
    sender wait. Waiting also keeps the request under way, so that its deadline binds whoever reads slowly.
    """
    whole = memoryview(message["body"])
    for start in range(0, len(whole), _SLICE):
        await send({"type": "http.response.body", "body": whole[start : start + _SLICE], "more_body": True})
    if not message.get("more_body"):
        await send({"type": "http.response.body", "body": b""})


async def _abort(scope: Scope) -> None:
    """End a response that cannot be completed, so that the client sees that it is not complete."""
    abort: Callable[[], None] | None = scope["state"].get(ABORT)
    if abort is not None:
        abort()
        for _ in range(_LAST_LOOP_TURNS):  # until the server knows it too, or it would report an incomplete answer
            await asyncio.sleep(0)


def _is_exempt(scope: Scope) -> bool:
    if scope["path"].startswith(_ALWAYS_ANSWERED):
        return True
    return any(name == b"user-agent" and value.startswith(b"kube-apiserver/") for name, value in scope["headers"])
