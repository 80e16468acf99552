"""The parameter ``resourceVersion``, where changes are numbered."""

from __future__ import annotations

from metrics_api.api.status import bad_request
from metrics_api.errors import StatusError
from metrics_api.gotext import quote

_MOST_DIGITS = 20
_HIGHEST = 2**64 - 1
_LONGEST_SHOWN = 64


def parse_version(text: str, *, of: str = "") -> int | None:
    """Return a version, ``None`` for none and for ``0``, which stands for any.

    Args:
        text: As the client sent it.
        of: What is said before the fault.

    Raises:
        StatusError: 400 when it is none.
    """
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise _fault(of, text, "invalid syntax")
    if len(text) > _MOST_DIGITS or int(text) > _HIGHEST:
        raise _fault(of, text, "value out of range")
    return int(text) or None


def _fault(of: str, text: str, fault: str) -> StatusError:
    shown = quote(text[:_LONGEST_SHOWN])
    return bad_request(f"{of}resourceVersion: Invalid value: {shown}: strconv.ParseUint: parsing {shown}: {fault}")
