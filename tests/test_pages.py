"""What the pages point to is there: tests, files, headings of other pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMED = re.compile(r"`(tests/[\w/.-]*|test_\w+\.py)`")
LINK = re.compile(r"\]\(([^()\s]+)\)")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
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


def links(page: str) -> list[str]:
    """Return what a page links to."""
    return LINK.findall(FENCED.sub("", page))


def anchors(page: str) -> set[str]:
    """Return the names under which a page's headings can be linked to, as GitHub makes them."""
    found: list[str] = []
    for heading in HEADING.findall(FENCED.sub("", page)):
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.append(f"{anchor}-{found.count(anchor)}" if anchor in found else anchor)
    return set(found)


def broken(path: Path) -> list[str]:
    """Return the links of a page that lead to no file, or to no heading of it."""
    wrong = []
    for link in links(path.read_text()):
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        if "://" in link:
            continue
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            wrong.append(link)
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_a_link_to_a_missing_file_or_heading_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# Other\n\n## 2. What it's `for`\n\n```\n# no heading\n```\n")
    page = tmp_path / "page.md"
    page.write_text(
        "# Page\n[1](other.md) [2](other.md#2-what-its-for) [3](#page) [4](https://example.com/none)\n"
        "[5](none.md) [6](other.md#no-heading) [7](#other)\n```\n[8](none.md)\n```\n"
    )

    assert broken(page) == ["none.md", "other.md#no-heading", "#other"]


def test_every_page_is_named_in_the_readme() -> None:
    named = set(links((ROOT / "README.md").read_text()))

    assert [path.name for path in PAGES[1:] if str(path.relative_to(ROOT)) not in named] == []
