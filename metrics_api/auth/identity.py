"""Who asks, as Kubernetes describes a user."""

from __future__ import annotations

import msgspec

ANONYMOUS_NAME = "system:anonymous"
ALL_AUTHENTICATED = "system:authenticated"
ALL_UNAUTHENTICATED = "system:unauthenticated"
MASTERS = "system:masters"


class User(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """An authenticated or anonymous user. Hashable: it is part of the key of a remembered decision."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """(key, values), sorted by key."""

    def authenticated(self) -> User:
        """Return this user with the group that every authenticated user has, unless a group says already which it is.

        Rule: apiserver ``pkg/authentication/group/authenticated_group_adder.go``; the anonymous user is left alone.
        """
        if self.name == ANONYMOUS_NAME or ALL_AUTHENTICATED in self.groups or ALL_UNAUTHENTICATED in self.groups:
            return self
        return msgspec.structs.replace(self, groups=(*self.groups, ALL_AUTHENTICATED))


ANONYMOUS = User(ANONYMOUS_NAME, groups=(ALL_UNAUTHENTICATED,))
