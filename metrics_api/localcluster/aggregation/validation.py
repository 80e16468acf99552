"""Which APIService objects are refused, in Kubernetes' words.

Source: kube-aggregator ``pkg/apis/apiregistration/validation``, apimachinery ``pkg/util/validation``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import orjson

from metrics_api.localcluster import statuses
from metrics_api.localcluster.aggregation.apiservice import APIService, parse_api_service
from metrics_api.localcluster.stored import JsonObject

Cause = tuple[str, str, str]
"""(reason, message, field) of a ``Status``."""

_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_LABEL_1035 = r"[a-z]([-a-z0-9]*[a-z0-9])?"
_BAD_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    f"end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)
_BAD_LABEL_1035 = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    f"and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    f"'{_LABEL_1035}')"
)
_GROUP_PRIORITY_MAX = 20000
_VERSION_PRIORITY_MAX = 1000


def api_service_faults(obj: JsonObject) -> Iterator[Cause]:
    """Yield everything about an APIService that kube-apiserver would refuse.

    Raises:
        StatusError: 400, a field has the wrong type.
    """
    try:
        service = parse_api_service(obj)
    except ValueError as error:
        message = f'APIService in version "v1" cannot be handled as a APIService: {error}'
        raise statuses.bad_request(message) from error
    yield from _names(service)
    yield from _priorities(service)
    yield from _backend(service)
    yield from _conditions(obj)


def _names(service: APIService) -> Iterator[Cause]:
    required = f"{service.version}.{service.group}"
    if service.name != required:
        detail = f'must be `spec.version+"."+spec.group`: {_quoted(required)}'
        yield _invalid("metadata.name", _quoted(service.name), detail)
    if not service.group:
        if service.version != "v1":
            detail = "only v1 may have an empty group and it better be legacy kube"
            yield "FieldValueRequired", f"Required value: {detail}", "spec.group"
    else:
        yield from _text("spec.group", service.group, _SUBDOMAIN, 253, _BAD_SUBDOMAIN)
    yield from _text("spec.version", service.version, _LABEL_1035, 63, _BAD_LABEL_1035)


def _text(path: str, value: str, pattern: str, longest: int, detail: str) -> Iterator[Cause]:
    if len(value) > longest:
        yield _invalid(path, _quoted(value), f"must be no more than {longest} characters")
    if re.fullmatch(pattern, value) is None:
        yield _invalid(path, _quoted(value), detail)


def _priorities(service: APIService) -> Iterator[Cause]:
    # Asked of local APIServices too, as kube-apiserver does.
    if not 0 < service.group_priority <= _GROUP_PRIORITY_MAX:
        detail = f"must be positive and less than {_GROUP_PRIORITY_MAX}"
        yield _invalid("spec.groupPriorityMinimum", str(service.group_priority), detail)
    if not 0 < service.version_priority <= _VERSION_PRIORITY_MAX:
        detail = f"must be positive and less than {_VERSION_PRIORITY_MAX}"
        yield _invalid("spec.versionPriority", str(service.version_priority), detail)


def _backend(service: APIService) -> Iterator[Cause]:
    reference = service.service
    if reference is None:
        if service.ca_bundle:
            size = _quoted(f"{len(service.ca_bundle)} bytes")
            yield _invalid("spec.caBundle", size, "local APIServices may not have a caBundle")
        if service.insecure_skip_tls_verify:
            detail = "local APIServices may not have insecureSkipTLSVerify"
            yield _invalid("spec.insecureSkipTLSVerify", "true", detail)
        return
    for field, value in (("namespace", reference.namespace), ("name", reference.name)):
        if not value:
            yield "FieldValueRequired", "Required value", f"spec.service.{field}"
    if not 1 <= reference.port <= 65535:
        detail = "port is not valid: must be between 1 and 65535, inclusive"
        yield _invalid("spec.service.port", str(reference.port), detail)
    if service.insecure_skip_tls_verify and service.ca_bundle:
        yield _invalid("spec.insecureSkipTLSVerify", "true", "may not be true if caBundle is present")


def _conditions(obj: JsonObject) -> Iterator[Cause]:
    for index, condition in enumerate((obj.get("status") or {}).get("conditions") or ()):
        status = condition.get("status", "")
        if status not in ("True", "False", "Unknown"):
            message = f'Unsupported value: {_quoted(status)}: supported values: "False", "True", "Unknown"'
            yield "FieldValueNotSupported", message, f"status.conditions[{index}].status"


def _invalid(path: str, value: str, detail: str) -> Cause:
    return "FieldValueInvalid", f"Invalid value: {value}: {detail}", path


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()
