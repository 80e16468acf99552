"""Role-based access control over the Role and binding objects in the store.

Rules: plugin ``rbac`` of kube-apiserver; the reasons it gives are read by people and passed on by extension servers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metrics_api.localcluster.attributes import Attributes
from metrics_api.localcluster.history import Change
from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
)
from metrics_api.localcluster.stored import JsonObject
from metrics_api.localcluster.users import MASTERS_GROUP, User

_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one question."""

    allowed: bool
    reason: str = ""
    """Which binding allowed it; empty for system:masters and for a refusal."""
    evaluation_error: str = ""
    """A binding of this user that names a role that does not exist."""


@dataclass(slots=True)
class _Grant:
    """One binding of one user: its rules, where they hold, and the words to say so."""

    namespace: str
    """Empty for a ClusterRoleBinding: everywhere."""
    rules: Sequence[Mapping[str, Any]]
    reason: str
    missing: str = ""
    """What to say when the role does not exist."""


class Authorizer:
    """Decides by the roles and bindings in the store.

    A user's grants are gathered once and forgotten with the next change of any role or binding.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._grants: dict[tuple[str, tuple[str, ...]], list[_Grant]] = {}
        for resource in (ROLES, ROLE_BINDINGS, CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS):
            objects.subscribe(resource, self._forget)

    def authorize(self, user: User, wanted: Attributes) -> Decision:
        """Tell whether the user may do that."""
        if MASTERS_GROUP in user.groups:
            return Decision(True)
        missing = []
        for grant in self._grants_of(user):
            if grant.namespace and (not wanted.is_resource or grant.namespace != wanted.namespace):
                continue
            if grant.missing:
                missing.append(grant.missing)
            if any(_covers(rule, wanted) for rule in grant.rules):
                return Decision(True, grant.reason)
        return Decision(False, evaluation_error=", ".join(missing))

    def _forget(self, _: Change) -> None:
        self._grants.clear()

    def _grants_of(self, user: User) -> list[_Grant]:
        key = (user.name, user.groups)
        grants = self._grants.get(key)
        if grants is None:
            if len(self._grants) >= _REMEMBERED:
                self._grants.clear()
            grants = self._grants[key] = list(self._gather(user))
        return grants

    def _gather(self, user: User) -> Iterator[_Grant]:
        for resource in (CLUSTER_ROLE_BINDINGS, ROLE_BINDINGS):
            for binding in self._objects.list(resource):
                namespace = binding["metadata"].get("namespace", "")
                subject = _subject_of(user, binding.get("subjects") or (), namespace)
                if subject is not None:
                    yield self._grant(binding, namespace, subject)

    def _grant(self, binding: JsonObject, namespace: str, subject: str) -> _Grant:
        reference = binding["roleRef"]
        kind, name = reference["kind"], reference["name"]
        resource = ROLES if kind == "Role" else CLUSTER_ROLES
        role = self._objects.get(resource, namespace if kind == "Role" else "", name)
        full_name = f"{binding['metadata']['name']}/{namespace}" if namespace else binding["metadata"]["name"]
        reason = f'RBAC: allowed by {binding["kind"]} "{full_name}" of {kind} "{name}" to {subject}'
        if role is None:
            return _Grant(namespace, (), reason, f'{resource.qualified} "{name}" not found')
        return _Grant(namespace, list(self._rules(role)), reason)

    def _rules(self, role: JsonObject) -> Iterator[Mapping[str, Any]]:
        aggregation = role.get("aggregationRule")
        if not aggregation:
            yield from role.get("rules") or ()
            return
        for selector in aggregation.get("clusterRoleSelectors") or ():
            labels = selector.get("matchLabels") or {}
            for stored in self._objects.stored(CLUSTER_ROLES):
                if stored.name != role["metadata"]["name"] and labels.items() <= stored.labels.items():
                    yield from self._rules(stored.object())


def _subject_of(user: User, subjects: Iterable[Mapping[str, Any]], namespace: str) -> str | None:
    for subject in subjects:
        kind, name = subject["kind"], subject["name"]
        if kind == "User" and name == user.name:
            return f'User "{name}"'
        if kind == "Group" and name in user.groups:
            return f'Group "{name}"'
        if kind == "ServiceAccount":
            home = subject.get("namespace") or namespace
            if user.name == f"system:serviceaccount:{home}:{name}":
                return f'ServiceAccount "{name}/{home}"'
    return None


def _covers(rule: Mapping[str, Any], wanted: Attributes) -> bool:
    if not _has(rule, "verbs", wanted.verb):
        return False
    if not wanted.is_resource:
        return any(_path_matches(pattern, wanted.path) for pattern in rule.get("nonResourceURLs") or ())
    names = rule.get("resourceNames")
    return (
        _has(rule, "apiGroups", wanted.group)
        and _resource_matches(rule.get("resources") or (), wanted)
        and (not names or wanted.name in names)
    )


def _has(rule: Mapping[str, Any], key: str, value: str) -> bool:
    values = rule.get(key) or ()
    return "*" in values or value in values


def _resource_matches(patterns: Sequence[str], wanted: Attributes) -> bool:
    if "*" in patterns:
        return True
    if not wanted.subresource:
        return wanted.resource in patterns
    return f"{wanted.resource}/{wanted.subresource}" in patterns or f"*/{wanted.subresource}" in patterns


def _path_matches(pattern: str, path: str) -> bool:
    return pattern == path or (pattern.endswith("*") and path.startswith(pattern[:-1]))


def forbidden_message(user: User, wanted: Attributes) -> str:
    """Return what a refused request is answered: `pods is forbidden: User "x" cannot list resource "pods" in …`."""
    if not wanted.is_resource:
        return f'forbidden: User "{user.name}" cannot {wanted.verb} path "{wanted.path}"'
    qualified = f"{wanted.resource}.{wanted.group}" if wanted.group else wanted.resource
    what = f'{qualified} "{wanted.name}"' if wanted.name else qualified
    resource = f"{wanted.resource}/{wanted.subresource}" if wanted.subresource else wanted.resource
    where = f'in the namespace "{wanted.namespace}"' if wanted.namespace else "at the cluster scope"
    cannot = f'User "{user.name}" cannot {wanted.verb} resource "{resource}" in API group "{wanted.group}" {where}'
    return f"{what} is forbidden: {cannot}"
