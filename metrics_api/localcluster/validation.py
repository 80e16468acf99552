"""What may not be stored: bad names, and the rules of the kinds that this project installs.

Texts: apimachinery ``pkg/api/validation``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from metrics_api.localcluster import statuses
from metrics_api.localcluster.aggregation.validation import api_service_faults
from metrics_api.localcluster.resources import (
    API_SERVICES,
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    NAMESPACES,
    PODS,
    ROLE_BINDINGS,
    ROLES,
    SERVICES,
    Resource,
)
from metrics_api.localcluster.stored import JsonObject

Cause = tuple[str, str, str]
"""(reason, message, field)."""

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    f"and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)
_LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    f"with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
_PATH_SEGMENT_KINDS = (ROLES, CLUSTER_ROLES, ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS, API_SERVICES)
_LABEL_KINDS = (NAMESPACES, SERVICES)
_SUBJECT_KINDS = ("Group", "ServiceAccount", "User")


def validate(resource: Resource, obj: JsonObject, old: JsonObject | None = None) -> None:
    """Check an object before it is stored.

    Args:
        resource: What it is.
        obj: The new state.
        old: The state before, ``None`` when it is created.

    Raises:
        StatusError: 422, with every fault that was found.
    """
    causes = [*_name_faults(resource, obj["metadata"].get("name", ""))]
    rule = _RULES.get(resource)
    if rule is not None:
        causes += rule(obj, old)
    if causes:
        raise statuses.invalid(resource.group, resource.kind, obj["metadata"].get("name", ""), *causes)


def invalid_value(field: str, value: object, why: str) -> Cause:
    """Return the cause for a value that is not allowed."""
    shown = f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else value
    return ("FieldValueInvalid", f"Invalid value: {shown}: {why}", field)


def required(field: str, why: str = "") -> Cause:
    """Return the cause for a value that is missing."""
    return ("FieldValueRequired", f"Required value: {why}" if why else "Required value", field)


def _name_faults(resource: Resource, name: str) -> Iterator[Cause]:
    field = "metadata.name"
    if not name:
        yield required(field, "name or generateName is required")
    elif resource in _PATH_SEGMENT_KINDS:
        if name in (".", ".."):
            yield invalid_value(field, name, f"may not be '{name}'")
        for character in "/%":
            if character in name:
                yield invalid_value(field, name, f"may not contain '{character}'")
    else:
        is_label = resource in _LABEL_KINDS
        pattern, rule, limit = (_LABEL, _LABEL_RULE, 63) if is_label else (_SUBDOMAIN, _SUBDOMAIN_RULE, 253)
        if not re.fullmatch(pattern, name):
            yield invalid_value(field, name, rule)
        if len(name) > limit:
            yield invalid_value(field, name, f"must be no more than {limit} characters")


def _pod(obj: JsonObject, _: JsonObject | None) -> Iterator[Cause]:
    containers = obj.get("spec", {}).get("containers")
    if not containers:
        yield required("spec.containers")
        return
    for index, container in enumerate(containers):
        if not container.get("name"):
            yield required(f"spec.containers[{index}].name")


def _binding(obj: JsonObject, old: JsonObject | None) -> Iterator[Cause]:
    in_namespace = bool(obj["metadata"].get("namespace"))
    for index, subject in enumerate(obj.get("subjects", ())):
        path, kind = f"subjects[{index}]", subject.get("kind", "")
        if not subject.get("name"):
            yield required(f"{path}.name")
        if kind not in _SUBJECT_KINDS:
            supported = ", ".join(f'"{each}"' for each in _SUBJECT_KINDS)
            yield (
                "FieldValueNotSupported",
                f'Unsupported value: "{kind}": supported values: {supported}',
                f"{path}.kind",
            )
        if kind == "ServiceAccount" and not subject.get("namespace") and not in_namespace:
            yield required(f"{path}.namespace")
    reference = obj.get("roleRef") or {}
    if not reference.get("name"):
        yield required("roleRef.name")
    if reference.get("kind") not in ("Role", "ClusterRole"):
        message = f'Unsupported value: "{reference.get("kind", "")}": supported values: "ClusterRole", "Role"'
        yield ("FieldValueNotSupported", message, "roleRef.kind")
    if old is not None and old.get("roleRef") != reference:
        yield invalid_value("roleRef", str(reference), "cannot change roleRef")


def _api_service(obj: JsonObject, _: JsonObject | None) -> Iterator[Cause]:
    return api_service_faults(obj)


_RULES: dict[Resource, Callable[[JsonObject, JsonObject | None], Iterator[Cause]]] = {
    PODS: _pod,
    ROLE_BINDINGS: _binding,
    CLUSTER_ROLE_BINDINGS: _binding,
    API_SERVICES: _api_service,
}
