"""Query strings as a mapping, remembered, as what else clients send again and again: an HPA does every 15 s."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, wraps
from typing import TypeVar
from urllib.parse import parse_qs

Query = Mapping[str, Sequence[str]]
"""Name -> values in order, never empty. A name without ``=`` has the value ``""``."""

_T = TypeVar("_T")
_REMEMBERED = 1024
_LONGEST_BYTES = 2048


def remember(parse: Callable[[bytes], _T]) -> Callable[[bytes], _T]:
    """Keep the results of ``parse`` for the last thousand texts of reasonable length; errors are not kept."""
    remembered = lru_cache(_REMEMBERED)(parse)

    @wraps(parse)
    def parse_or_recall(text: bytes) -> _T:
        return remembered(text) if len(text) <= _LONGEST_BYTES else parse(text)

    return parse_or_recall


@remember
def parse_query(query_string: bytes) -> Query:
    """Return the parameters; bytes that are no UTF-8 become U+FFFD."""
    return parse_qs(query_string.decode("latin-1"), keep_blank_values=True, errors="replace")


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
