"""What a run with faults may be beside a healthy one."""

from __future__ import annotations

import statistics
from typing import Any

_BOUNDS = {"age_p50_s": 1.10, "age_p99_s": 1.30, "cpu_of_one_core": 1.20, "resident_mib": 1.20}
"""What a faulty run may be of a healthy one, at most."""
_NEVER_MISSING = ("node_rows_missing", "pod_rows_missing", "failed_node_rows_missing")


def median_of(runs: list[dict[str, Any]]) -> dict[str, float]:
    """Return the median of each figure; of rows that are missing, all there were."""
    figures = [key for key, value in runs[0].items() if isinstance(value, int | float)]
    return {
        key: sum(run[key] for run in runs) if key in _NEVER_MISSING else statistics.median(run[key] for run in runs)
        for key in figures
    }


def table(healthy: dict[str, float], ill: dict[str, float]) -> str:
    """Return both beside each other, with their ratio and what it may be."""
    lines = [f"{'':26}{'healthy':>12}{'faults':>12}{'ratio':>8}{'at most':>9}"]
    for key, value in healthy.items():
        ratio = f"{ill[key] / value:8.2f}" if value else f"{'':8}"
        bound = f"{_BOUNDS[key]:9.2f}" if key in _BOUNDS else f"{0:9}" if key in _NEVER_MISSING else ""
        lines.append(f"{key:26}{value:>12}{ill[key]:>12}{ratio}{bound}")
    return "\n".join(lines)


def passed_bounds(healthy: dict[str, float], ill: dict[str, float]) -> list[str]:
    """Return the figures that are worse than they may be."""
    return [
        *(key for key, most in _BOUNDS.items() if ill[key] > most * healthy[key]),
        *(key for key in _NEVER_MISSING if ill[key]),
    ]
