"""The query parameters of get and list: what they select, and which values are refused.

Without watches ``resourceVersion`` is checked and has no effect: a list is the newest there is. Rules: apimachinery
``metav1.ListOptions`` and its validation, in upstream's order, for the first fault is the answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from metrics_api.api.query import Query, first, flag, parse_query, remember
from metrics_api.api.status import FieldFault, bad_request, invalid_list_options
from metrics_api.errors import SelectorError, StatusError
from metrics_api.gotext import quote
from metrics_api.selectors import FieldSelector, LabelSelector, parse_field_selector, parse_label_selector
from metrics_api.timetext import parse_duration

_INT64 = re.compile(r"[+-]?[0-9]+")
_INT64_DIGITS = 19
_NOT_OLDER = "NotOlderThan"


@dataclass(frozen=True, slots=True)
class ListOptions:
    """What a list selects."""

    labels: LabelSelector
    fields: FieldSelector
    watch: bool
    limit: int
    """The longest page; 0 or less for no limit."""
    timeout: int
    """Seconds after which a watch is to end; 0 or less for the server's choice."""
    continue_token: str
    """As the client sent it; empty for a list from its beginning."""
    resource_version: str
    exact: bool
    """Whether the state of just that version is wanted."""

    @property
    def selects_all(self) -> bool:
        """True when every object is wanted."""
        return self.labels.is_empty and self.fields.is_empty


@remember
def parse_list_options(query_string: bytes) -> ListOptions:
    """Return the options of a list.

    Raises:
        StatusError: 400 for a value that cannot be read, 422 for options that exclude each other.
    """
    query = parse_query(query_string)
    timeout = _int64(query, "timeoutSeconds")
    limit = _int64(query, "limit")
    watch = flag(query, "watch")
    try:
        labels = parse_label_selector(first(query, "labelSelector"))
        fields = parse_field_selector(first(query, "fieldSelector"))
        if faults := _watch_faults(query) if watch else _list_faults(query):
            raise invalid_list_options(faults)
        fields.require_supported("metadata.name", "metadata.namespace")
    except SelectorError as error:
        raise bad_request(str(error)) from error
    version, exact = first(query, "resourceVersion"), first(query, "resourceVersionMatch") == "Exact"
    return ListOptions(labels, fields, watch, limit, timeout, first(query, "continue"), version, exact)


@remember
def check_get_options(query_string: bytes) -> None:
    """Check the parameters of a get of one object, none of which has an effect.

    Raises:
        StatusError: 400.
    """
    if flag(parse_query(query_string), "export"):
        raise bad_request("the export parameter, deprecated since v1.14, is no longer supported")


@remember
def check_timeout(query_string: bytes) -> None:
    """Check the one parameter that any request but a watch may have; what it limits is the business of serving.

    Raises:
        StatusError: 400.
    """
    if text := first(parse_query(query_string), "timeout"):
        try:
            parse_duration(text)
        except ValueError as error:
            raise bad_request(f"invalid timeout specified in the request URL - {error}") from error


def _int64(query: Query, name: str) -> int:
    """Return a number, 0 when it is absent."""
    if name not in query:
        return 0
    text = query[name][0]
    if not _INT64.fullmatch(text):
        raise _number_error(text, "invalid syntax")
    digits = text.lstrip("+-").lstrip("0") or "0"
    highest = 2**63 if text.startswith("-") else 2**63 - 1
    if len(digits) > _INT64_DIGITS or int(digits) > highest:
        raise _number_error(text, "value out of range")
    return -int(digits) if text.startswith("-") else int(digits)


def _number_error(text: str, fault: str) -> StatusError:
    return bad_request(f"strconv.ParseInt: parsing {quote(text)}: {fault}")


def _list_faults(query: Query) -> list[FieldFault]:
    """Return what ``ValidateListOptions`` finds in a list that is no watch."""
    faults = []
    version = first(query, "resourceVersion")
    match = first(query, "resourceVersionMatch")
    if match:
        if not version:
            faults.append(_forbidden_match("is forbidden unless resourceVersion is provided"))
        if first(query, "continue"):
            faults.append(_forbidden_match("is forbidden when continue is provided"))
        if match not in ("Exact", _NOT_OLDER):
            message = f'Unsupported value: {quote(match)}: supported values: "Exact", "NotOlderThan", ""'
            faults.append(FieldFault("resourceVersionMatch", "FieldValueNotSupported", message))
        if match == "Exact" and version == "0":
            faults.append(_forbidden_match('"exact" is forbidden for resourceVersion "0"'))
    if "sendInitialEvents" in query:
        faults.append(_forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    return faults


def _watch_faults(query: Query) -> list[FieldFault]:
    """Return what ``validateWatchOptions`` finds."""
    match = first(query, "resourceVersionMatch")
    initial = "sendInitialEvents" in query
    faults = []
    if initial and match != _NOT_OLDER:
        why = f"sendInitialEvents requires setting resourceVersionMatch to {_NOT_OLDER}"
        faults.append(_forbidden("resourceVersionMatch", why))
    if match and not initial:
        faults.append(_forbidden_match("is forbidden for watch unless sendInitialEvents is provided"))
    if match and match != _NOT_OLDER:
        message = f'Unsupported value: {quote(match)}: supported values: "{_NOT_OLDER}"'
        faults.append(FieldFault("resourceVersionMatch", "FieldValueNotSupported", message))
    if match and first(query, "continue"):
        faults.append(_forbidden_match("is forbidden when continue is provided"))
    return faults


def _forbidden_match(why: str) -> FieldFault:
    return _forbidden("resourceVersionMatch", f"resourceVersionMatch {why}")


def _forbidden(field: str, why: str) -> FieldFault:
    """Return the fault of a parameter that must not be there."""
    return FieldFault(field, "FieldValueForbidden", f"Forbidden: {why}")
