"""Where a watch begins. Rules: apiserver ``storage/cacher``."""

from __future__ import annotations

from dataclasses import dataclass

from metrics_api.api.query import first, flag, parse_query, remember
from metrics_api.api.resourceversion import parse_version


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
    """Return what a watch's parameters say; ``parse_list_options`` has seen that they do not exclude each other.

    Raises:
        StatusError: 400 for a version that is none.
    """
    query = parse_query(query_string)
    version = parse_version(first(query, "resourceVersion"))
    bookmarks = flag(query, "allowWatchBookmarks")
    if "sendInitialEvents" not in query:
        return Beginning(version, initial=version is None, marks_end=False, bookmarks=bookmarks)
    initial = flag(query, "sendInitialEvents")
    # All that exists is no older than anything: the version asked for says nothing then.
    return Beginning(None if initial else version, initial, marks_end=initial and bookmarks, bookmarks=bookmarks)
