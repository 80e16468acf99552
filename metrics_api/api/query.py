"""Query strings as a mapping, remembered, as what else clients send again and again: an HPA does every 15 s."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, wraps
from typing import TypeVar
from urllib.parse import unquote_plus

from metrics_api.api.status import bad_request

Query = Mapping[str, Sequence[str]]
"""Name -> values in order, never empty. A name without ``=`` has the value ``""``."""

_T = TypeVar("_T")
_REMEMBERED = 1024
_UNDER_WAY = 4
_UNREADABLE = re.compile(r";|%(?![0-9A-Fa-f]{2})")
_LONGEST_BYTES = 2048
MOST_PARAMETERS = 1000
"""In a query; Go reads 10,000."""


def remember(parse: Callable[[bytes], _T]) -> Callable[[bytes], _T]:
    """Keep the results of ``parse`` for the last thousand texts of reasonable length; errors are not kept."""
    remembered = lru_cache(_REMEMBERED)(parse)

    @wraps(parse)
    def parse_or_recall(text: bytes) -> _T:
        return remembered(text) if len(text) <= _LONGEST_BYTES else parse(text)

    return parse_or_recall


@remember
@lru_cache(_UNDER_WAY)  # long ones too while they are answered, for one request asks several times
def parse_query(query_string: bytes) -> Query:
    """Return the parameters; bytes that are no UTF-8 become U+FFFD.

    As in Go's ``url.ParseQuery``, a parameter with a semicolon or a broken escape is left out. So is what follows the
    first thousand; ``check_query`` refuses the request.
    """
    query: dict[str, list[str]] = {}
    for parameter in query_string.decode(errors="replace").split("&", MOST_PARAMETERS)[:MOST_PARAMETERS]:
        if parameter and not _UNREADABLE.search(parameter):
            name, _, value = parameter.partition("=")
            query.setdefault(unquote_plus(name), []).append(unquote_plus(value))
    return query


def check_query(query_string: bytes) -> None:
    """Check that all parameters are read.

    Raises:
        StatusError: 400 for too many of them.
    """
    if query_string.count(b"&") >= MOST_PARAMETERS:
        raise bad_request(f"the query has more than {MOST_PARAMETERS} parameters")


def first(query: Query, name: str) -> str:
    """Return a parameter's first value, empty when it is absent."""
    values = query.get(name)
    return values[0] if values else ""


def flag(query: Query, name: str) -> bool:
    """Tell whether a boolean parameter is set: present, and neither ``0`` nor ``false``.

    Rule: apimachinery ``Convert_Slice_string_To_bool``.
    """
    values = query.get(name)
    return values is not None and values[0] != "0" and values[0].lower() != "false"
