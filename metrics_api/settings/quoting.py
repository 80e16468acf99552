"""Foreign text in messages: one line, printable, of bounded length."""

from __future__ import annotations

import json

_LONGEST = 200


def cut(text: str, longest: int = _LONGEST) -> str:
    """Return ``text``, or its start and ``...`` when it has more than ``longest`` characters."""
    return text if len(text) <= longest else f"{text[:longest]}..."


def quote(text: str) -> str:
    """Return ``text`` cut and in double quotes, everything but printable ASCII escaped."""
    return json.dumps(cut(text))


def one_line(text: str, longest: int = _LONGEST) -> str:
    """Return a message that may hold foreign text cut, and with everything unprintable escaped."""
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in cut(text, longest))
