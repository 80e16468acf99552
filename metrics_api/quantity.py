"""Kubernetes quantities as metrics-server writes them, and as anybody may write them.

Rules: apimachinery ``pkg/api/resource`` (``Quantity.String`` in canonical form), read at v0.36.3.
"""

from __future__ import annotations

import re
from decimal import Decimal

_CPU_SUFFIXES = ((1_000_000_000, ""), (1_000_000, "m"), (1_000, "u"))
_BINARY_SUFFIXES = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_MULTIPLIERS = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal("1e3"),
    "M": Decimal("1e6"),
    "G": Decimal("1e9"),
    "T": Decimal("1e12"),
    "P": Decimal("1e15"),
    "E": Decimal("1e18"),
    **{suffix: Decimal(1024**power) for power, suffix in enumerate(_BINARY_SUFFIXES) if suffix},
}

_QUANTITY = re.compile(
    r"(?P<number>[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,2})?)(?P<suffix>[numkMGTPE]|[KMGTPE]i)?"
)


def format_cpu(nanocores: int) -> str:
    """Return nanocores as a canonical DecimalSI quantity.

    The largest of the units 1, m, u, n that divides exactly: ``50_000_000`` is ``50m``, ``1_234_567`` is ``1234567n``.
    Whole multiples of a thousand cores climb on to ``k`` and above, as in Kubernetes.
    """
    if nanocores == 0:
        return "0"
    for unit, suffix in _CPU_SUFFIXES:
        if nanocores % unit == 0:
            return _climb(nanocores // unit) if suffix == "" else f"{nanocores // unit}{suffix}"
    return f"{nanocores}n"


def _climb(cores: int) -> str:
    for suffix in ("", "k", "M", "G"):
        if cores % 1000:
            return f"{cores}{suffix}"
        cores //= 1000
    return f"{cores}T"


def format_memory(size: int) -> str:
    """Return bytes as a canonical BinarySI quantity: the largest binary suffix that divides exactly, else a number."""
    if size == 0:
        return "0"
    power = 0
    while size % 1024 == 0 and power < len(_BINARY_SUFFIXES) - 1:
        size //= 1024
        power += 1
    return f"{size}{_BINARY_SUFFIXES[power]}"


def parse_quantity(text: str) -> Decimal:
    """Return the value of a quantity in its base unit (cores, bytes): ``250m`` is 0.25, ``1Ki`` is 1024.

    Raises:
        ValueError: ``text`` is no quantity.
    """
    parts = _QUANTITY.fullmatch(text)
    if parts is None:
        raise ValueError(f"{text[:80]!r} is not a Kubernetes quantity such as 250m or 64Mi")
    return Decimal(parts["number"]) * _MULTIPLIERS[parts["suffix"] or ""]
