"""One line for each answered request, as component-base's ``httplog`` writes it, at ``--v=3`` and above.

No header but User-Agent and Audit-Id is written, and the values of query parameters that name a token are not: a log
is read by more people than a secret.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

from metrics_api.clock import Clock
from metrics_api.logs import VERBOSE
from metrics_api.serving.asgi import Message, Scope, Send

_log = logging.getLogger(__name__)
_LONGEST_URI = 1000
_LONGEST_AGENT = 200
_TOKEN = re.compile(r"(?<![^&=])([^&=]*(?:token|secret|password)[^&=]*)=[^&]*", re.IGNORECASE)


class AccessLog:
    """Writes the lines.

    Args:
        clock: Time.
        verb: Scope -> what the request wants, in Kubernetes' words, such as ``list``.
    """

    def __init__(self, clock: Clock, verb: Callable[[Scope], str]) -> None:
        self._clock = clock
        self._verb = verb

    def follow(self, scope: Scope, send: Send) -> Send:
        """Return a ``send`` that logs the request when its last piece is handed over.

        What is logged of the request is taken now: later it may have been changed.
        """
        started = self._clock.monotonic()
        fields: dict[str, object] = {
            "verb": self._verb(scope).upper(),
            "URI": _uri(scope),
            "userAgent": _text(_header(scope["headers"], b"user-agent"), _LONGEST_AGENT),
            "srcIP": _address(scope.get("client")),
        }
        answer: dict[str, object] = {}

        async def following(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer["audit-ID"] = _header(message["headers"], b"audit-id").decode("latin-1")
                answer["resp"] = message["status"]
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                milliseconds = (self._clock.monotonic() - started) * 1000
                told = {**fields, "latency": f"{milliseconds:.3f}ms", **answer}
                _log.log(VERBOSE, "HTTP", extra={"fields": told})

        return following


def _uri(scope: Scope) -> str:
    path = scope.get("raw_path") or scope["path"].encode()
    query = _TOKEN.sub(r"\1=<masked>", scope["query_string"][:_LONGEST_URI].decode("latin-1"))
    return _text(path, _LONGEST_URI) + (f"?{query[:_LONGEST_URI]}" if query else "")


def _header(headers: list[tuple[bytes, bytes]], wanted: bytes) -> bytes:
    return next((value for name, value in headers if name == wanted), b"")


def _text(value: bytes, longest: int) -> str:
    return value[:longest].decode("utf-8", "replace")


def _address(client: tuple[str, int] | None) -> str:
    if client is None:
        return ""
    host, port = client[0], client[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
