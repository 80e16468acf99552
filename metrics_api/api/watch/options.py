"""Where a watch begins. Rules: apimachinery's ``validateWatchOptions``, and ``storage/cacher`` for their meaning."""

from __future__ import annotations

from dataclasses import dataclass

from metrics_api.api.listoptions import forbidden
from metrics_api.api.query import Query, first, flag, parse_query, remember
from metrics_api.api.status import FieldFault, bad_request, invalid_list_options
from metrics_api.gotext import quote

_NOT_OLDER = "NotOlderThan"
_MOST_DIGITS = 20
_HIGHEST = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Beginning:
    """What comes before the changes."""

    since: int | None
    """Changes after this one are wanted; ``None`` for those from now on."""
    initial: bool
    """Whether all that exists is sent first, as ADDED."""
    marks_end: bool
    """Whether a bookmark tells when that is done."""
    bookmarks: bool
    """Whether bookmarks are wanted at all."""


@remember
def parse_beginning(query_string: bytes) -> Beginning:
    """Return what a watch's parameters say.

    Raises:
        StatusError: 422 for parameters that exclude each other, 400 for a version that is none.
    """
    query = parse_query(query_string)
    if faults := _faults(query):
        raise invalid_list_options(faults)
    version = _version(first(query, "resourceVersion"))
    bookmarks = flag(query, "allowWatchBookmarks")
    if "sendInitialEvents" not in query:
        return Beginning(version, initial=version is None, marks_end=False, bookmarks=bookmarks)
    initial = flag(query, "sendInitialEvents")
    # All that exists is no older than anything: the version asked for says nothing then.
    return Beginning(None if initial else version, initial, marks_end=initial and bookmarks, bookmarks=bookmarks)


def _version(text: str) -> int | None:
    """Return a resourceVersion, ``None`` for none and for ``0``, which stands for any."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise _version_error(text, "invalid syntax")
    if len(text) > _MOST_DIGITS or int(text) > _HIGHEST:
        raise _version_error(text, "value out of range")
    return int(text) or None


def _version_error(text: str, fault: str) -> Exception:
    shown = quote(text[:64])
    return bad_request(f"resourceVersion: Invalid value: {shown}: strconv.ParseUint: parsing {shown}: {fault}")


def _faults(query: Query) -> list[FieldFault]:
    match = first(query, "resourceVersionMatch")
    initial = "sendInitialEvents" in query
    faults = []
    if initial and match != _NOT_OLDER:
        why = f"sendInitialEvents requires setting resourceVersionMatch to {_NOT_OLDER}"
        faults.append(forbidden("resourceVersionMatch", why))
    if match and not initial:
        why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        faults.append(forbidden("resourceVersionMatch", why))
    if match and match != _NOT_OLDER:
        message = f'Unsupported value: {quote(match)}: supported values: "{_NOT_OLDER}"'
        faults.append(FieldFault("resourceVersionMatch", "FieldValueNotSupported", message))
    if match and first(query, "continue"):
        faults.append(forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided"))
    return faults
