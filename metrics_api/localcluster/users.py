"""Who a request comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

ANONYMOUS_NAME = "system:anonymous"
AUTHENTICATED_GROUP = "system:authenticated"
UNAUTHENTICATED_GROUP = "system:unauthenticated"
MASTERS_GROUP = "system:masters"

_NO_EXTRA: Mapping[str, tuple[str, ...]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class User:
    """An authenticated (or anonymous) user, as authorizers and the front proxy see it."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _NO_EXTRA)

    def authenticated(self) -> User:
        """Return this user with ``system:authenticated`` among its groups."""
        if AUTHENTICATED_GROUP in self.groups or UNAUTHENTICATED_GROUP in self.groups:
            return self
        return replace(self, groups=(*self.groups, AUTHENTICATED_GROUP))


ANONYMOUS = User(ANONYMOUS_NAME, groups=(UNAUTHENTICATED_GROUP,))


def service_account(namespace: str, name: str, uid: str = "") -> User:
    """Return the user that a ServiceAccount's token stands for."""
    return User(
        f"system:serviceaccount:{namespace}:{name}",
        uid,
        ("system:serviceaccounts", f"system:serviceaccounts:{namespace}"),
    ).authenticated()
