"""The page on troubleshooting knows every finding."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from metrics_api.doctor.findings import BLIND
from metrics_api.errors import ScrapeReason

ROOT = Path(__file__).parents[2]
MAKERS = ("error", "warning", "info", "Finding")
COMPOSED = {
    BLIND,
    *(f"kubelet-{reason.replace('_', '-')}" for reason in get_args(ScrapeReason)),
    *(f"{resource}-{what}" for resource in ("nodes", "pods") for what in ("expected", "lacking", "stale")),
    *(f"{kind}-without-metrics" for kind in ("pod", "node", "hpa-pods")),
    *(f"{kind}-expected" for kind in ("pod", "node")),
}
"""Ids that are put together from parts, or have a name."""


def ids() -> Iterator[str]:
    for file in (ROOT / "metrics_api" / "doctor").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield first.value


def test_every_finding_is_on_the_page() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    found = {*ids(), *COMPOSED}
    assert len(found) > 90
    assert sorted(each for each in found if f"`{each}`" not in page) == []
