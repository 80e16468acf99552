"""Text in columns, as ``kubectl top`` prints it: numbers rounded as there, cells three apart."""

from __future__ import annotations

from collections.abc import Sequence

from metrics_api.doctor.rendering import plain

_PADDING = 3
UNKNOWN = "<unknown>"


def columns(header: Sequence[str] | None, rows: Sequence[Sequence[str]]) -> str:
    """Return a table, one line a row; ``header`` is left out when ``None``.

    What is in a cell cannot steer a terminal: a server may name its objects as it likes.
    """
    table = [[plain(cell) for cell in row] for row in (*([header] if header is not None else []), *rows)]
    if not table:
        return ""
    widths = [max(len(row[i]) for row in table) + _PADDING for i in range(len(table[0]))]
    return "\n".join(
        "".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
    )


def millicores(nanocores: int) -> str:
    """Return CPU in whole millicores, rounded up, as ``resource.Quantity.MilliValue`` does."""
    return f"{-(-nanocores // 1_000_000)}m"


def mebibytes(size: int) -> str:
    """Return bytes in whole MiB, cut."""
    return f"{size // 2**20}Mi"


def percent(part: int, whole: int | None) -> str:
    """Return a whole percentage, cut; ``<unknown>`` when there is no whole to compare with."""
    return f"{part * 100 // whole}%" if whole else UNKNOWN
