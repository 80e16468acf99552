"""The ``Accept`` header: what a client can read, in the order of its wishes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import isnan
from typing import NamedTuple

_LONGEST = 4096
"""Characters; the rest of a longer header is not read."""


class MediaRange(NamedTuple):
    """One clause: a media type, perhaps with wildcards, and its parameters but for ``q``."""

    media_type: str
    """In lower case."""
    parameters: Mapping[str, str]

    def includes(self, media_type: str) -> bool:
        """Tell whether ``media_type`` (in lower case) is meant; ``*/*`` and ``application/*`` include many."""
        if self.media_type == "*/*":
            return True
        kind, _, subtype = self.media_type.partition("/")
        return self.media_type == media_type or (subtype == "*" and media_type.startswith(f"{kind}/"))


ANYTHING = MediaRange("*/*", {})


def parse_accept(header: str) -> tuple[MediaRange, ...]:
    """Return the clauses of an ``Accept`` header by falling ``q``, those of equal ``q`` as they stand.

    A missing or blank header accepts anything. A clause with ``q=0`` or without a type is left out; a ``q`` below 0 or
    above 1 is taken at its word. What only the right answer needs is understood: no quoted strings, for no Kubernetes
    client sends any.
    """
    return _parse_accept(header[:_LONGEST])


@lru_cache(256)
def _parse_accept(header: str) -> tuple[MediaRange, ...]:
    if not header.strip():
        return (ANYTHING,)
    weighed = []
    for clause in header.split(","):
        media_type, *rest = (part.strip() for part in clause.split(";"))
        parameters = dict(_parameter(part) for part in rest if part)
        quality = _quality(parameters.pop("q", "1"))
        if media_type and quality != 0:
            weighed.append((quality, MediaRange(media_type.lower(), parameters)))
    weighed.sort(key=lambda pair: pair[0], reverse=True)
    return tuple(media_range for _, media_range in weighed)


def _parameter(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return name.strip().lower(), value.strip()


def _quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 1.0
    return 1.0 if isnan(quality) else quality
