"""Finding out who asks: client certificate, bearer token, nobody."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf

from metrics_api.clock import Clock
from metrics_api.localcluster import statuses
from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.resources import Resource
from metrics_api.localcluster.users import ANONYMOUS, User

Headers = Mapping[str, Sequence[str]]
"""Lower-case name -> values, in the order sent."""

API_AUDIENCE = "https://kubernetes.default.svc"
"""Whom a token must be meant for when it is shown to the API server."""

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


@dataclass(frozen=True, slots=True)
class Binding:
    """An object that a token dies with."""

    resource: Resource
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class _Accepted:
    user: User
    audiences: tuple[str, ...] = (API_AUDIENCE,)
    expires: float = inf
    bindings: tuple[Binding, ...] = ()


class Tokens:
    """The bearer tokens that are accepted and whom each stands for.

    Args:
        clock: For their ends.
        objects: Where the objects are that a token is bound to.
    """

    def __init__(self, clock: Clock, objects: ObjectStore) -> None:
        self._clock = clock
        self._objects = objects
        self._accepted: dict[str, _Accepted] = {}

    def issue(self, user: User) -> str:
        """Return a new token of this user, for the API server and without an end."""
        token = _new_token()
        self.put(token, user)
        return token

    def issue_bound(self, user: User, audiences: Sequence[str], expires: float, bindings: Sequence[Binding]) -> str:
        """Return a new token of this user that ends by itself.

        Args:
            user: Whom it stands for.
            audiences: Whom it may be shown to.
            expires: Unix seconds from which on it is refused.
            bindings: The objects that must all be there still, in the same life.
        """
        for old in [token for token, each in self._accepted.items() if each.expires <= self._clock.now()]:
            self.revoke(old)
        token = _new_token()
        self._accepted[token] = _Accepted(_credited(user, token), tuple(audiences), expires, tuple(bindings))
        return token

    def put(self, token: str, user: User) -> None:
        """Accept this very token for the user from now on."""
        self._accepted[token] = _Accepted(_credited(user, token))

    def revoke(self, token: str) -> None:
        """Accept the token no longer; an unknown one is no error."""
        self._accepted.pop(token, None)

    def find(self, token: str) -> User | None:
        """Return whom a token that is shown to the API server stands for, ``None`` when it is not accepted."""
        found = self.review(token, [API_AUDIENCE])
        return None if found is None else found[0]

    def review(self, token: str, audiences: Sequence[str]) -> tuple[User, Sequence[str]] | None:
        """Return whom a token stands for and which of these audiences it is meant for, ``None`` when for none."""
        accepted = self._accepted.get(token)
        if accepted is None or accepted.expires <= self._clock.now():
            return None
        meant = [audience for audience in audiences if audience in accepted.audiences]
        if not meant or not all(map(self._lives, accepted.bindings)):
            return None
        return accepted.user, meant

    def _lives(self, binding: Binding) -> bool:
        found = self._objects.find(binding.resource, binding.namespace, binding.name)
        return found is not None and found.uid == binding.uid


def _new_token() -> str:
    return f"localcluster.{secrets.token_urlsafe(24)}"


def _credited(user: User, token: str) -> User:
    extra = {_CREDENTIAL_ID: (f"JTI={hashlib.sha256(token.encode()).hexdigest()[:32]}",), **user.extra}
    return replace(user.authenticated(), extra=extra)


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
