"""Who asks: front proxy, client certificate, bearer token, anonymous, in the generic API server's order.

Rules: apiserver ``pkg/authentication/authenticatorfactory/delegating.go``. An authenticator without an opinion passes
the question on; one that finds something wrong is remembered, and if no later one recognizes the user, the request
is refused. Wrong credentials never become anonymous.
"""

from __future__ import annotations

import logging
from typing import Protocol

from metrics_api.auth.front_proxy import user_from_headers
from metrics_api.auth.identity import ANONYMOUS, User
from metrics_api.auth.peers import PeerJudge
from metrics_api.auth.tokens import Verdict
from metrics_api.clock import Clock
from metrics_api.errors import KubeError, StatusError

_log = logging.getLogger(__name__)
_MOST_REMEMBERED = 1024


class Tokens(Protocol):
    """Finds the user behind a bearer token."""

    def remembered(self, token: str) -> Verdict | None:
        """Return the verdict if it is known without asking."""
        ...

    async def authenticate(self, token: str) -> Verdict:
        """Return the verdict, or raise ``KubeError``."""
        ...


class Credentials:
    """What one request shows, sorted out of its headers in one pass."""

    __slots__ = ("authorization", "identity", "impersonates")

    def __init__(self) -> None:
        self.authorization: bytes | None = None
        """The first ``Authorization`` header."""
        self.identity: tuple[tuple[bytes, bytes], ...] = ()
        """Headers that a front proxy may write."""
        self.impersonates = False


class Authenticator:
    """Finds the user of a request.

    Args:
        judge: What certificates prove.
        tokens: Reviews tokens; ``None`` when no kube-apiserver can be asked.
        clock: Wall time, for the validity of certificates.
    """

    def __init__(self, judge: PeerJudge, tokens: Tokens | None, clock: Clock) -> None:
        self._judge = judge
        self._tokens = tokens
        self._clock = clock
        self._users: dict[tuple[tuple[bytes, bytes], ...], User | None] = {}
        self._users_rules = judge.trust.rules

    async def authenticate(self, chain: tuple[bytes, ...], credentials: Credentials) -> User:
        """Return who asks, the anonymous user when nothing is shown.

        Args:
            chain: The connection's verified certificates, DER, leaf first; empty without a client certificate.
            credentials: From the request's headers.

        Raises:
            StatusError: 401: something is shown and does not hold.
        """
        fault = ""
        if chain:
            user, fault = self._from_certificate(chain, credentials)
            if user is not None:
                return user
        token = _bearer_token(credentials.authorization)
        if token:
            user, token_fault = await self._from_token(token)
            if user is not None:
                return user
            fault = fault or token_fault
        if fault:
            _log.debug("Unauthorized", extra={"fields": {"why": fault}})
            raise StatusError(401, "Unauthorized", "Unauthorized")
        return ANONYMOUS

    def _from_certificate(self, chain: tuple[bytes, ...], credentials: Credentials) -> tuple[User | None, str]:
        peer = self._judge.judge(chain)
        if not peer.not_before <= self._clock.now() <= peer.not_after:
            return None, "x509: the certificate has expired or is not yet valid"
        if peer.front_proxy:
            user = self._from_headers(credentials.identity)
            if user is not None:
                return user, ""
        if peer.user is not None:
            return peer.user, ""
        return None, peer.fault or "the front proxy named no user"

    def _from_headers(self, headers: tuple[tuple[bytes, bytes], ...]) -> User | None:
        """Return the user whom the front proxy names; the same few name themselves again and again."""
        rules = self._judge.trust.rules
        if rules is not self._users_rules:
            self._users.clear()
            self._users_rules = rules
        try:
            return self._users[headers]
        except KeyError:
            pass
        user = user_from_headers(headers, rules)
        if len(self._users) >= _MOST_REMEMBERED:
            self._users.clear()
        self._users[headers] = found = None if user is None else user.authenticated()
        return found

    async def _from_token(self, token: str) -> tuple[User | None, str]:
        if self._tokens is None:
            return None, "no kube-apiserver to review tokens"
        verdict = self._tokens.remembered(token)
        if verdict is None:
            try:
                verdict = await self._tokens.authenticate(token)
            except KubeError as error:
                _log.warning("A token cannot be reviewed", extra={"fields": {"error": str(error)}})
                return None, "the token cannot be reviewed"
        if verdict.user is None:
            return None, "invalid bearer token"
        return verdict.user, ""


def _bearer_token(authorization: bytes | None) -> str:
    """Return the token of an ``Authorization`` header, empty when it holds none.

    Rule: apiserver ``pkg/authentication/request/bearertoken``: one space before it, what follows another is ignored.
    """
    if authorization is None:
        return ""
    parts = authorization.decode("utf-8", "replace").strip().split(" ", 2)
    return parts[1] if len(parts) >= 2 and parts[0].lower() == "bearer" else ""
