"""Finding out who asks: client certificate, bearer token, nobody."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from metrics_api.localcluster import statuses
from metrics_api.localcluster.users import ANONYMOUS, User

Headers = Mapping[str, Sequence[str]]
"""Lower-case name -> values, in the order sent."""

_CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """What matters of a client certificate that the cluster's CA has signed."""

    common_name: str
    organizations: tuple[str, ...]
    fingerprint: str
    """SHA-256 of the DER, hexadecimal."""

    @classmethod
    def of(cls, subject: Sequence[Sequence[tuple[str, str]]], der: bytes) -> PeerCertificate:
        """Return it from the ``subject`` of :meth:`ssl.SSLSocket.getpeercert` and the certificate's DER."""
        values = [pair for name in subject for pair in name]
        common_names = [value for key, value in values if key == "commonName"]
        organizations = tuple(value for key, value in values if key == "organizationName")
        return cls(common_names[-1] if common_names else "", organizations, hashlib.sha256(der).hexdigest())


class Tokens:
    """The bearer tokens that are accepted and whom each stands for."""

    def __init__(self) -> None:
        self._users: dict[str, User] = {}

    def issue(self, user: User) -> str:
        """Return a new token of this user."""
        token = f"localcluster.{secrets.token_urlsafe(24)}"
        self.put(token, user)
        return token

    def put(self, token: str, user: User) -> None:
        """Accept this very token for the user from now on."""
        extra = {_CREDENTIAL_ID: (f"JTI={hashlib.sha256(token.encode()).hexdigest()[:32]}",), **user.extra}
        self._users[token] = replace(user.authenticated(), extra=extra)

    def revoke(self, token: str) -> None:
        """Accept the token no longer; an unknown one is no error."""
        self._users.pop(token, None)

    def find(self, token: str) -> User | None:
        """Return whom the token stands for, ``None`` when it is not accepted."""
        return self._users.get(token)


def authenticate(headers: Headers, certificate: PeerCertificate | None, tokens: Tokens) -> User:
    """Return who sent a request: by certificate, else by token, else anonymous.

    Raises:
        StatusError: 401, a bearer token was sent and is not accepted.
    """
    if certificate is not None and certificate.common_name:
        extra = {_CREDENTIAL_ID: (f"X509SHA256={certificate.fingerprint}",)}
        return User(certificate.common_name, "", certificate.organizations, extra).authenticated()
    token = _bearer(headers)
    if not token:
        return ANONYMOUS
    user = tokens.find(token)
    if user is None:
        raise statuses.unauthorized()
    return user


def _bearer(headers: Headers) -> str:
    scheme, _, token = _first(headers, "authorization").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _first(headers: Headers, name: str) -> str:
    values = headers.get(name)
    return values[0] if values else ""
