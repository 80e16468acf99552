"""What the pages say of tests is there to be looked up."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMED = re.compile(r"`(tests/[\w/.-]*|test_\w+\.py)`")
FILES = {path.name for path in (ROOT / "tests").rglob("test_*.py")}


@pytest.mark.parametrize("page", ["security.md", "localcluster.md", "reliability.md"])
def test_every_test_that_a_page_names_exists(page: str) -> None:
    named = NAMED.findall((ROOT / "docs" / page).read_text())

    assert named
    assert [name for name in named if name not in FILES and not (ROOT / name).exists()] == []


def test_every_threat_has_an_answer_and_a_test_or_says_that_it_has_none() -> None:
    page = (ROOT / "docs/security.md").read_text().partition("## Refused")[0]
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    threats = [row for row in rows if row != ["threat", "answer", "test"]]

    assert len(threats) > 20
    for threat in threats:
        assert len(threat) == 3, threat
        assert NAMED.search(threat[2]) or threat[2] == "not tested", threat
