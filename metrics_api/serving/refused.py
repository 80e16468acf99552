"""Whose client certificates are refused. OpenSSL ends such a handshake before anything of ours sees the certificate.

So the first refusal makes the client's address suspect, and its next handshake is watched: a context of its own hands
over the messages of that one handshake, and with them the certificate. Nobody else pays for it.
"""

from __future__ import annotations

import logging
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from metrics_api.clock import Clock

_log = logging.getLogger(__name__)
_PERIOD = 60.0  # seconds for which an address stays suspect, and between two lines that say the same
_SHORTEST_GAP = 1.0  # seconds from one examination to the next: each makes a TLS context
_MOST_REMEMBERED = 64
_MOST_NAMED = 10
_LONGEST_NAME = 200
_CERTIFICATE_MESSAGE = 11
_HANDSHAKE_HEADER = 4

MessageCallback = Callable[[Any, str, Any, Any, Any, bytes], None]
"""(connection, ``read`` or ``write``, TLS version, content type, type of message, the message)."""


class Contexts(Protocol):
    """Makes the contexts of examinations."""

    @property
    def authorities(self) -> bytes:
        """The PEM bundle against which client certificates are verified."""
        ...

    def watched(self, callback: MessageCallback) -> ssl.SSLContext:
        """Return a context as strict as all others that hands over the messages of a handshake."""
        ...


class Examination:
    """One watched handshake."""

    def __init__(self, contexts: Contexts) -> None:
        self.leaf = b""
        """The client's certificate, DER; empty as long as it has shown none."""
        self.context = contexts.watched(self._take)

    def _take(self, _: object, direction: str, version: Any, __: object, kind: Any, data: bytes) -> None:
        if direction == "read" and kind == _CERTIFICATE_MESSAGE and not self.leaf:
            self.leaf = first_certificate(data, is_tls13=version == ssl.TLSVersion.TLSv1_3)


class RefusedCertificates:
    """Says in the log whose certificates are refused, and whose would not be.

    Args:
        contexts: Makes contexts.
        clock: Time.
    """

    def __init__(self, contexts: Contexts, clock: Clock) -> None:
        self._contexts = contexts
        self._clock = clock
        self._suspects: dict[str, float] = {}
        self._said: dict[str, float] = {}
        self._next = 0.0
        self._latest: deque[tuple[bytes, str]] = deque(maxlen=_MOST_NAMED)

    @property
    def latest(self) -> Sequence[str]:
        """The latest refusals of which the certificate was seen, in words.

        Those from before the authorities changed say nothing of now: the first clients are often there before the
        cluster's authorities are known.
        """
        authorities = self._contexts.authorities
        return [said for trusted, said in self._latest if trusted == authorities]

    def examine(self, host: str) -> Examination | None:
        """Return how to watch the next handshake with a client, ``None`` when it need not be watched."""
        if host not in self._suspects:
            return None
        now = self._clock.monotonic()
        if self._suspects[host] <= now:
            del self._suspects[host]
            return None
        if now < self._next:
            return None
        self._next = now + _SHORTEST_GAP
        return Examination(self._contexts)

    def note(self, host: str, reason: str, examination: Examination | None) -> None:
        """Take note of a refusal.

        Args:
            host: The client's address.
            reason: OpenSSL's.
            examination: Of this handshake, if it was watched.
        """
        _remember(self._suspects, host, self._clock.monotonic() + _PERIOD)
        if examination is None or not examination.leaf:
            if self._is_news(f"host {host}"):
                _log.warning(
                    "A client certificate was refused; if the client tries again, its issuer will be named",
                    extra={"fields": {"client": host, "reason": reason}},
                )
            return
        subject, issuer = _names(examination.leaf)
        authorities = self._contexts.authorities
        if self._is_news(f"issuer {issuer} {hash(authorities)}"):
            trusted = _trusted(authorities)
            self._latest.append((authorities, f"{host} showed {subject}, issued by {issuer}; trusted are {trusted}"))
            _log.warning(
                "A client certificate was refused",
                extra={
                    "fields": {
                        "client": host,
                        "reason": reason,
                        "subject": subject,
                        "issuer": issuer,
                        "trusted": trusted,
                    }
                },
            )

    def _is_news(self, what: str) -> bool:
        now = self._clock.monotonic()
        if self._said.get(what, 0.0) > now:
            return False
        _remember(self._said, what, now + _PERIOD)
        return True


def _remember(times: dict[str, float], key: str, until: float) -> None:
    times.pop(key, None)
    times[key] = until
    if len(times) > _MOST_REMEMBERED:
        del times[next(iter(times))]


def first_certificate(message: bytes, *, is_tls13: bool) -> bytes:
    """Return the first certificate (DER) of a TLS Certificate message, empty when there is none.

    Form: RFC 5246 section 7.4.2, RFC 8446 section 4.4.2 (which puts a context before the list).
    """
    start = _HANDSHAKE_HEADER
    if is_tls13:
        start += 1 + (message[start] if len(message) > start else 0)
    start += 3  # the length of the list
    length = int.from_bytes(message[start : start + 3], "big")
    found = message[start + 3 : start + 3 + length]
    return found if len(found) == length else b""


def _names(leaf: bytes) -> tuple[str, str]:
    """Return who is named as subject and as issuer."""
    from metrics_api.pki import load_der  # not at the top: listening comes before heavy imports

    try:
        certificate = load_der(leaf)
        return certificate.subject.rfc4514_string()[:_LONGEST_NAME], certificate.issuer.rfc4514_string()[:_LONGEST_NAME]
    except ValueError:
        return "unreadable", "unreadable"


def _trusted(bundle: bytes) -> str:
    from metrics_api.pki import load_bundle

    if not bundle:
        return "none yet"
    names = [each.subject.rfc4514_string() for each in load_bundle(bundle)]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return "; ".join(names[:_MOST_NAMED]) + more
