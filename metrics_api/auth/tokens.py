"""Bearer tokens, reviewed by kube-apiserver.

A token is a password. It is sent to kube-apiserver and nowhere else, never logged, and remembered only as a keyed hash
whose key lives as long as the process.
"""

from __future__ import annotations

import hashlib
import secrets

import msgspec

from metrics_api.auth.identity import User
from metrics_api.auth.review_cache import ReviewCache
from metrics_api.auth.reviews import Reviewer
from metrics_api.clock import Clock

_PATH = "/apis/authentication.k8s.io/v1/tokenreviews"
_CACHE_SIZE = 4096


class _UserInfo(msgspec.Struct):
    username: str = ""
    uid: str = ""
    groups: list[str] | None = None
    extra: dict[str, list[str]] | None = None


class _Status(msgspec.Struct):
    authenticated: bool = False
    user: _UserInfo | None = None
    error: str = ""


class _TokenReview(msgspec.Struct):
    status: _Status = msgspec.field(default_factory=_Status)


class Verdict(msgspec.Struct, frozen=True):
    """What a review said."""

    user: User | None
    """The authenticated user; ``None`` when the token is not accepted."""


class TokenAuthenticator:
    """Finds the user behind a token.

    Args:
        reviewer: Asks kube-apiserver.
        clock: Time.
        lifetime: Seconds that a verdict is used again, good or bad (``--authentication-token-webhook-cache-ttl``).
    """

    def __init__(self, reviewer: Reviewer, clock: Clock, *, lifetime: float) -> None:
        self._reviewer = reviewer
        self._key = secrets.token_bytes(32)
        self.cache: ReviewCache[bytes, Verdict] = ReviewCache(
            clock, size=_CACHE_SIZE, lifetime=lambda _verdict: lifetime
        )
        """What is remembered; for counting it."""

    def remembered(self, token: str) -> Verdict | None:
        """Return the verdict when it is known, without asking."""
        return self.cache.peek(self._hash(token))

    async def authenticate(self, token: str) -> Verdict:
        """Return the verdict on a token.

        No audiences are named, as in the generic API server's delegated mode.

        Raises:
            KubeError: kube-apiserver could not be asked; the request must then be refused.
        """
        return await self.cache.get(self._hash(token), lambda: self._review(token))

    async def _review(self, token: str) -> Verdict:
        body = msgspec.json.encode(
            {"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {}, "spec": {"token": token}}
        )
        status = (await self._reviewer.review(_PATH, body, _TokenReview)).status
        if not status.authenticated or status.user is None or not status.user.username:
            return Verdict(None)
        info = status.user
        extra = tuple(sorted((key, tuple(values)) for key, values in (info.extra or {}).items()))
        return Verdict(User(info.username, info.uid, tuple(info.groups or ()), extra).authenticated())

    def _hash(self, token: str) -> bytes:
        return hashlib.blake2b(token.encode(), key=self._key, digest_size=32).digest()
