"""How long a selector may be. Reading one costs CPU, most of it before anybody is authenticated."""

from __future__ import annotations

from metrics_api.errors import SelectorError

LONGEST = 1 << 14
"""Characters of a selector."""
MOST_TERMS = 500
"""In a selector, the values of a set among them: each costs microseconds, and is compared with each object."""


def check_bounds(text: str) -> None:
    """Refuse what is long before it is read.

    Raises:
        SelectorError: for more characters or terms than there may be; the generic API server does not mind.
    """
    if len(text) > LONGEST:
        raise SelectorError(f"the selector has more than {LONGEST} characters")
    if text.count(",") >= MOST_TERMS:
        raise SelectorError(f"the selector has more than {MOST_TERMS} terms")
