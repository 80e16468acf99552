"""Finding out who asks: client certificate, bearer token, nobody; and asking as somebody else."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote

from metrics_api.errors import StatusError
from metrics_api.localcluster import statuses
from metrics_api.localcluster.attributes import Attributes
from metrics_api.localcluster.users import ANONYMOUS, ANONYMOUS_NAME, User, service_account

Headers = Mapping[str, Sequence[str]]
"""Lower-case name -> values, in the order sent."""

_CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"
_AUTHENTICATION = "authentication.k8s.io"
_EXTRA_PREFIX = "impersonate-extra-"


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


def impersonated(headers: Headers, user: User, require: Callable[[User, Attributes], None]) -> User:
    """Return whom the request is made as: the user, or the one that the ``Impersonate-*`` headers name.

    Args:
        headers: The request's headers.
        user: Who asks.
        require: Raises when the user may not do what the attributes say.

    Raises:
        StatusError: 403 from ``require``; 500 when there are such headers without ``Impersonate-User``.
    """
    name = _first(headers, "impersonate-user")
    groups = tuple(headers.get("impersonate-group", ()))
    uid = _first(headers, "impersonate-uid")
    extra = {
        unquote(key.removeprefix(_EXTRA_PREFIX)): tuple(values)
        for key, values in headers.items()
        if key.startswith(_EXTRA_PREFIX)
    }
    if not name:
        if groups or uid or extra:
            message = "Internal error occurred: requested impersonation of a group, uid or extra without a user"
            raise StatusError(500, "InternalError", message)
        return user
    for wanted in _impersonations(name, groups, uid, extra):
        require(user, wanted)
    if account := _service_account_of(name):
        return (
            replace(service_account(*account, uid), groups=groups, extra=extra).authenticated()
            if groups
            else (replace(service_account(*account, uid), extra=extra))
        )
    target = User(name, uid, groups, extra)
    return target if name == ANONYMOUS_NAME else target.authenticated()


def _impersonations(
    name: str, groups: Sequence[str], uid: str, extra: Mapping[str, Sequence[str]]
) -> Iterator[Attributes]:
    if account := _service_account_of(name):
        namespace, account_name = account
        yield Attributes(
            "impersonate", version="v1", resource="serviceaccounts", namespace=namespace, name=account_name
        )
    else:
        yield Attributes("impersonate", version="v1", resource="users", name=name)
    for group in groups:
        yield Attributes("impersonate", version="v1", resource="groups", name=group)
    if uid:
        yield Attributes("impersonate", group=_AUTHENTICATION, version="v1", resource="uids", name=uid)
    for key, values in extra.items():
        for value in values:
            yield Attributes(
                "impersonate",
                group=_AUTHENTICATION,
                version="v1",
                resource="userextras",
                subresource=key,
                name=value,
            )


def _service_account_of(name: str) -> tuple[str, str] | None:
    parts = name.split(":")
    if len(parts) == 4 and parts[:2] == ["system", "serviceaccount"]:
        return parts[2], parts[3]
    return None


def _first(headers: Headers, name: str) -> str:
    values = headers.get(name)
    return values[0] if values else ""
