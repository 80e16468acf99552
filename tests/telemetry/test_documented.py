"""The page on metrics knows every family, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from tests.store.builders import node_info
from tests.telemetry.sources import Exposed

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_every_family_is_on_the_page_and_no_other() -> None:
    exposed = Exposed()
    exposed.reads.answered("list", "pods", [], 0.001)
    exposed.reads.freshness.observe(1.0)
    exposed.requests.scraped(node_info("node-a"), 0.1, ended=0.0)
    families = {line.split()[2] for line in exposed.lines() if line.startswith("# TYPE ")}
    named = set(re.findall(r"`(metrics_(?:api|server)_\w+)`", PAGE.read_text()))

    assert named == families
