"""What every benchmark says of itself: the machine, the commit, and figures as a table and as JSON."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Figures = Mapping[str, Any]


def circumstances() -> dict[str, Any]:
    """Return where and when figures were taken."""
    return {
        "commit": _output("git", "rev-parse", "--short", "HEAD"),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }


def table(rows: Sequence[Figures]) -> str:
    """Return rows as an aligned table; the columns are the first row's keys."""
    columns = list(rows[0])
    cells = [columns, *([_show(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(columns))]
    is_text = [isinstance(rows[0][column], str) for column in columns]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if text else cell.rjust(width)
            for cell, width, text in zip(line, widths, is_text, strict=True)
        ).rstrip()
        for line in cells
    )


def print_report(
    title: str, rows: Sequence[Figures] | Mapping[str, Sequence[Figures]], *, as_json: bool, **facts: object
) -> None:
    """Print the figures of a benchmark: one table, or several by name."""
    tables = rows if isinstance(rows, Mapping) else {"rows": rows}
    around = {**circumstances(), **facts}
    if as_json:
        print(json.dumps({"benchmark": title, **around, **{name: list(each) for name, each in tables.items()}}))
        return
    print(f"{title}: " + ", ".join(f"{name} {value}" for name, value in around.items()))
    for name, each in tables.items():
        print(f"\n{name}\n{table(each)}" if len(tables) > 1 else table(each))


def by_figure(columns: Mapping[str, Figures]) -> list[Figures]:
    """Return one row for each figure, with what is compared as columns."""
    first = next(iter(columns.values()))
    return [{"figure": figure, **{name: each[figure] for name, each in columns.items()}} for figure in first]


def quantile(values: Sequence[float], part: float) -> float:
    """Return the value that this part of all values does not exceed."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)]


def _show(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.3f}" if abs(value) < 10 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
