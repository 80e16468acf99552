"""The identity that a front proxy writes into headers. Called only for a connection that has proven to be one.

Rules: apiserver ``pkg/authentication/request/headerrequest/requestheader.go``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

from metrics_api.auth.identity import User
from metrics_api.auth.trust import FrontProxyRules

_BROKEN_ESCAPE = re.compile("%(?![0-9a-f]{2})")

Headers = Iterable[tuple[bytes, bytes]]


def user_from_headers(headers: Headers, rules: FrontProxyRules) -> User | None:
    """Return the user that the headers name, ``None`` when no user name header has a value.

    The first header of ``rules.username_headers`` that has a value names the user; every value of every group header
    that is not empty is a group, in the order of the rules, then of the lines; of extra headers the rest of the name,
    lower-cased and percent-decoded, is the key, or as it stands where it cannot be decoded.

    Args:
        headers: Lower-case names and values, as the server hands them over.
        rules: Which headers mean what.
    """
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.decode("latin-1"), []).append(_text(value))
    user_name = _first(values, rules.username_headers)
    if not user_name:
        return None
    groups = tuple(group for header in rules.group_headers for group in values.get(header, ()) if group)
    return User(user_name, _first(values, rules.uid_headers), groups, _extra(values, rules.extra_prefixes))


def _first(values: dict[str, list[str]], names: Iterable[str]) -> str:
    for name in names:
        # Go reads the first line of a header; an empty one counts as absent, later lines do not help it.
        found = values.get(name, [""])[0]
        if found:
            return found
    return ""


def _extra(values: dict[str, list[str]], prefixes: Iterable[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    extra: dict[str, list[str]] = {}
    for prefix in prefixes:
        for name, lines in values.items():
            if name.startswith(prefix):
                extra.setdefault(_key(name[len(prefix) :].lower()), []).extend(lines)
    return tuple(sorted((key, tuple(lines)) for key, lines in extra.items()))


def _key(escaped: str) -> str:
    return escaped if _BROKEN_ESCAPE.search(escaped) else unquote(escaped, errors="replace")


def _text(value: bytes) -> str:
    # What is no UTF-8 becomes the replacement character, as it does in Go when the review is written as JSON.
    return value.decode("utf-8", "replace")
