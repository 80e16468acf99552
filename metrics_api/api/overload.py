"""What clients are told when there is too much to do, too little time, or an end in sight.

Texts: apiserver ``pkg/server/filters`` (``maxinflight.go``, ``timeout.go``, ``with_retry_after.go``).
"""

from __future__ import annotations

from starlette.types import Scope, Send

from metrics_api.api.reply import NOSNIFF, TEXT, Reply
from metrics_api.errors import StatusError, TooManyRequestsError

_SHUTTING_DOWN = TooManyRequestsError("The apiserver is shutting down, please try again later.", retry_after=5)


async def answer_too_many(reply: Reply, error: TooManyRequestsError) -> None:
    """Send 429."""
    retry_after = (b"retry-after", b"%d" % error.retry_after)
    await reply.body(429, TEXT, f"{error}\n".encode(), (NOSNIFF, retry_after))


async def answer_shutting_down(scope: Scope, send: Send) -> None:
    """Send the 429 of a server that is about to end; the client should go to another replica."""
    await answer_too_many(Reply(scope, send), _SHUTTING_DOWN)


async def answer_timeout(scope: Scope, send: Send) -> None:
    """Send 504: the request took longer than it may."""
    message = "Timeout: request did not complete within the allotted timeout"
    await Reply(scope, send).error(StatusError(504, "Timeout", message, has_details=True))
