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


def compared(healthy: dict[str, float], ill: dict[str, float]) -> list[dict[str, Any]]:
    """Return both beside each other, with their ratio and what it may be, or how many rows may be missing."""
    most = {**_BOUNDS, **dict.fromkeys(_NEVER_MISSING, 0)}
    return [
        {
            "figure": key,
            "healthy": value,
            "faults": ill[key],
            "ratio": ill[key] / value if value else None,
            "at most": most.get(key),
        }
        for key, value in healthy.items()
    ]


def passed_bounds(healthy: dict[str, float], ill: dict[str, float], *, only_missing: bool = False) -> list[str]:
    """Return the figures that are worse than they may be; ``only_missing`` of those that count rows."""
    bounds = {} if only_missing else _BOUNDS
    return [
        *(key for key, most in bounds.items() if ill[key] > most * healthy[key]),
        *(key for key in _NEVER_MISSING if ill[key]),
    ]
