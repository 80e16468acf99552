"""Asking as somebody else: the ``Impersonate-*`` headers, and who may send them.

Rules: apiserver ``pkg/endpoints/filters/impersonation`` of Kubernetes 1.36. First come the constrained modes, which
want two permissions (to act as somebody, and to do this very thing as somebody), then the old verb ``impersonate``. The
mode by which a service account acts as the node that its pod runs on is left out: nothing here acts so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from urllib.parse import unquote

from metrics_api.errors import StatusError
from metrics_api.localcluster import statuses
from metrics_api.localcluster.attributes import Attributes
from metrics_api.localcluster.rbac import forbidden_message
from metrics_api.localcluster.users import ANONYMOUS_NAME, MASTERS_GROUP, UNAUTHENTICATED_GROUP, User, service_account

Headers = Mapping[str, Sequence[str]]
Require = Callable[[User, Attributes], None]
"""Raises 403 when the user may not do what the attributes say."""

_AUTHENTICATION = "authentication.k8s.io"
_EXTRA_PREFIX = "impersonate-extra-"
_LEGACY = "impersonate"
_NODE = re.compile(r"system:node:([a-z0-9]([-a-z0-9.]*[a-z0-9])?)")
_NODES_GROUP = "system:nodes"


def impersonated(headers: Headers, user: User, attributes: Attributes, require: Require) -> User:
    """Return whom the request is made as: the user, or the one that the ``Impersonate-*`` headers name.

    Args:
        headers: The request's headers, names in lower case.
        user: Who asks.
        attributes: What the request wants to do.
        require: Raises when the user may not do what the attributes say.

    Raises:
        StatusError: 403, the first refusal; 400 when there are such headers without ``Impersonate-User``.
    """
    wanted = _wanted(headers)
    if not wanted.name:
        if wanted != User(""):
            raise statuses.bad_request(f"requested {_in_go(wanted)} without impersonating a user name")
        return user
    refusals = []
    for mode in (*_constrained_modes(wanted), _LEGACY):
        try:
            return _check(mode, wanted, user, attributes, require)
        except StatusError as error:
            refusals.append(error)
    raise refusals[0]


def _wanted(headers: Headers) -> User:
    extra = {
        unquote(key.removeprefix(_EXTRA_PREFIX)): tuple(values)
        for key, values in headers.items()
        if key.startswith(_EXTRA_PREFIX)
    }
    groups = tuple(headers.get("impersonate-group", ()))
    return User(_first(headers, "impersonate-user"), _first(headers, "impersonate-uid"), groups, extra)


def _constrained_modes(wanted: User) -> Iterator[str]:
    """Yield the constrained modes by which this user can be impersonated: nodes and service accounts by name alone."""
    only_name = wanted == User(wanted.name)
    if _NODE.fullmatch(wanted.name):
        if only_name:
            yield "arbitrary-node"
    elif _service_account_of(wanted.name):
        if only_name:
            yield "serviceaccount"
    else:
        yield "user-info"


def _check(mode: str, wanted: User, user: User, attributes: Attributes, require: Require) -> User:
    """Return the user that ``wanted`` becomes in a mode.

    Raises:
        StatusError: 403.
    """
    constrained = mode != _LEGACY
    verb = f"{_LEGACY}:{mode}" if constrained else _LEGACY
    if constrained:
        require(user, replace(attributes, verb=f"{_LEGACY}-on:{mode}:{attributes.verb}"))
    for what in _permissions(verb, wanted, constrained=constrained):
        if constrained and what.resource == "groups" and MASTERS_GROUP in wanted.groups:
            raise _masters_refused(user, what)
        require(user, what)
    return _completed(wanted, constrained=constrained)


def _masters_refused(user: User, what: Attributes) -> StatusError:
    what = replace(what, name=MASTERS_GROUP)
    message = f"{forbidden_message(user, what)}: impersonating the system:masters group is not allowed"
    return statuses.forbidden(message, name=what.name, group=what.group, kind=what.resource)


def _permissions(verb: str, wanted: User, *, constrained: bool) -> Iterator[Attributes]:
    """Yield what the asker must be allowed: the name, the uid, every group, every value of every extra."""
    group = _AUTHENTICATION if constrained else ""
    node = _NODE.fullmatch(wanted.name) if constrained else None
    if node:
        yield Attributes(verb, group=group, version="v1", resource="nodes", name=node[1])
    elif account := _service_account_of(wanted.name):
        namespace, name = account
        yield Attributes(verb, group=group, version="v1", resource="serviceaccounts", namespace=namespace, name=name)
    else:
        yield Attributes(verb, group=group, version="v1", resource="users", name=wanted.name)
    if wanted.uid:
        yield Attributes(verb, group=_AUTHENTICATION, version="v1", resource="uids", name=wanted.uid)
    for each in wanted.groups:
        yield Attributes(verb, group=group, version="v1", resource="groups", name=each)
    extras = Attributes(verb, group=_AUTHENTICATION, version="v1", resource="userextras")
    for key, values in wanted.extra.items():
        for value in values:
            yield replace(extras, subresource=key, name=value)


def _completed(wanted: User, *, constrained: bool) -> User:
    """Return the user with the groups that its name implies."""
    if constrained and _NODE.fullmatch(wanted.name):
        wanted = replace(wanted, groups=(_NODES_GROUP,))
    elif (account := _service_account_of(wanted.name)) and not wanted.groups:
        wanted = replace(service_account(*account, wanted.uid), extra=wanted.extra)
    if wanted.name != ANONYMOUS_NAME:
        return wanted.authenticated()
    missing = UNAUTHENTICATED_GROUP not in wanted.groups
    return replace(wanted, groups=(*wanted.groups, UNAUTHENTICATED_GROUP)) if missing else wanted


def _service_account_of(name: str) -> tuple[str, str] | None:
    parts = name.split(":")
    if len(parts) == 4 and parts[:2] == ["system", "serviceaccount"] and all(parts[2:]):
        return parts[2], parts[3]
    return None


def _in_go(user: User) -> str:
    """Return the user as Go prints it in a message."""
    groups = f"[]string{_listed(user.groups)}" if user.groups else "[]string(nil)"
    extra = ", ".join(f'"{key}":[]string{_listed(values)}' for key, values in sorted(user.extra.items()))
    extras = f"map[string][]string{{{extra}}}" if extra else "map[string][]string(nil)"
    return f'&user.DefaultInfo{{Name:"{user.name}", UID:"{user.uid}", Groups:{groups}, Extra:{extras}}}'


def _listed(values: Sequence[str]) -> str:
    return "{" + ", ".join(f'"{value}"' for value in values) + "}"


def _first(headers: Headers, name: str) -> str:
    values = headers.get(name)
    return values[0] if values else ""
