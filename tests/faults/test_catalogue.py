"""The table of the fault catalogue in docs/reliability.md names tests that exist, for every row."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs/reliability.md"


def rows() -> dict[int, list[str]]:
    found = re.findall(r"^\| (\d+) \|.*\| (`.*`) \|$", PAGE.read_text(), re.MULTILINE)
    return {int(number): re.findall(r"`([^`]+)`", cell) for number, cell in found}


def test_every_fault_has_a_test() -> None:
    assert sorted(rows()) == list(range(1, 55))


def test_every_test_that_is_named_exists() -> None:
    missing = []
    for name in (each for names in rows().values() for each in names):
        path, _, test = name.partition("::")
        text = (TESTS / path).read_text()
        if not any(form in text for form in (f"def {test}(", f'("{test}",', f'"{test}": (')):
            missing.append(name)
    assert missing == []
