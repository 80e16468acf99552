"""Who may read from a kubelet."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, NamedTuple, Protocol


class Subject(NamedTuple):
    """Whom a verified client certificate stands for."""

    common_name: str
    """The user."""
    organizations: tuple[str, ...] = ()
    """The user's groups."""


class Forbidden(NamedTuple):
    """Known, but not allowed."""

    user: str
    """The name that the kubelet's message tells."""


Decision = Literal["ok", "unauthorized"] | Forbidden
"""What becomes of a request: answered, 401 or 403."""


class Authorizer(Protocol):
    """Decides about each request, as a kubelet's TokenReview and SubjectAccessReview do."""

    async def allows(self, token: str | None, certificate: Subject | None, node: str, subresource: str) -> Decision:
        """Return the decision.

        Args:
            token: The bearer token, ``None`` when there is none.
            certificate: Of the verified client certificate, ``None`` without one.
            node: The node's name.
            subresource: Of ``nodes``: ``stats``, ``metrics`` or ``proxy``.
        """
        ...


class AcceptedTokens:
    """Allows what a fixed set of callers may read; everybody else is unknown.

    Args:
        tokens: Accepted bearer tokens.
        subjects: Accepted common names of client certificates.
        subresources: What the accepted may read; ``{"metrics"}`` is what metrics-server's own role grants.
        user: Who a token belongs to, for the message of a 403.
    """

    def __init__(
        self,
        tokens: Collection[str],
        *,
        subjects: Collection[str] = (),
        subresources: Collection[str] = ("stats", "metrics"),
        user: str = "system:serviceaccount:kube-system:metrics-server",
    ) -> None:
        self._tokens = frozenset(tokens)
        self._subjects = frozenset(subjects)
        self._subresources = frozenset(subresources)
        self._user = user

    async def allows(self, token: str | None, certificate: Subject | None, node: str, subresource: str) -> Decision:
        """Return ``ok`` for an accepted caller and subresource."""
        if certificate is not None and certificate.common_name in self._subjects:
            user = certificate.common_name  # a kubelet, too, looks at the certificate before the token
        elif token is not None and token in self._tokens:
            user = self._user
        else:
            return "unauthorized"
        return "ok" if subresource in self._subresources else Forbidden(user)
