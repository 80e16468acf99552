"""Times and durations as text: RFC 3339 as Kubernetes writes it, and Go's durations.

Rules: ``metav1.Time`` (whole seconds, UTC, ``Z``) and Go's ``time.Duration`` ``String`` and ``ParseDuration``.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_DURATION_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([^0-9.]*)")
_UNIT_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TWO_DIGITS = [f"{number:02d}" for number in range(60)]  # looked up: formatting a number takes four times as long
_LATEST = 253402300799.0  # 9999-12-31T23:59:59Z
_LONGEST_DURATION = 2**63 / 1e9  # Go counts nanoseconds in 64 bits


@lru_cache(maxsize=4096)
def _format_day(day: int) -> str:
    return (_EPOCH + timedelta(days=day)).isoformat()[:10]


@lru_cache(maxsize=4096)
def _format_whole(second: int) -> str:
    day, second = divmod(second, 86_400)
    minute, second = divmod(second, 60)
    hour, minute = divmod(minute, 60)
    return f"{_format_day(day)}T{_TWO_DIGITS[hour]}:{_TWO_DIGITS[minute]}:{_TWO_DIGITS[second]}Z"


def format_rfc3339(time: float) -> str:
    """Return Unix seconds as ``2026-01-01T00:00:30Z``; the fraction is cut, as Kubernetes cuts it."""
    return _format_whole(int(time // 1))


@lru_cache(maxsize=4096)
def parse_rfc3339(text: str) -> float:
    """Return an RFC 3339 time as Unix seconds.

    Raises:
        ValueError: ``text`` is no such time, or has no offset, or lies outside the years 1970 to 9999.
    """
    if len(text) > 40:
        raise ValueError("a time of more than 40 characters")
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    seconds = moment.timestamp()
    if not 0 <= seconds <= _LATEST:
        raise ValueError(f"{text!r} lies outside the years 1970 to 9999")
    return seconds


def format_duration(seconds: float) -> str:
    """Return seconds as Go prints a Duration of that many milliseconds: ``15s``, ``14.996s``, ``1m0s``, ``0s``."""
    total_ms = round(seconds * 1000)
    if total_ms == 0:
        return "0s"
    if total_ms < 1000:
        return f"{total_ms}ms"
    whole, ms = divmod(total_ms, 1000)
    minutes, rest = divmod(whole, 60)
    fraction = f".{ms:03d}".rstrip("0") if ms else ""
    tail = f"{rest}{fraction}s"
    if not minutes:
        return tail
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{tail}" if hours else f"{minutes}m{tail}"


def parse_duration(text: str) -> float:
    """Return a Go duration such as ``1m30s`` or ``-1.5h`` in seconds.

    Raises:
        ValueError: with Go's words, ``time: invalid duration "abc"``.
    """
    body = text[1:] if text[:1] in ("+", "-") else text
    if body == "0":
        return 0.0
    total, end = 0.0, 0
    while part := _DURATION_PART.match(body, end):
        number, unit = part.groups()
        if not unit:
            raise ValueError(f'time: missing unit in duration "{text}"')
        if unit not in _UNIT_SECONDS:
            raise ValueError(f'time: unknown unit "{unit}" in duration "{text}"')
        total += float(number) * _UNIT_SECONDS[unit]
        end = part.end()
    if not body or end != len(body) or total >= _LONGEST_DURATION:
        raise ValueError(f'time: invalid duration "{text}"')
    return -total if text.startswith("-") else total
