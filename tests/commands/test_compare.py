"""What ``compare`` takes, and what it says at its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from metrics_api.commands.compare import conclude, parse
from metrics_api.commands.comparison import Comparison


def test_a_plain_address_is_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse([f"--kubeconfig={tmp_path / 'kubeconfig'}", "--against=http://127.0.0.1:1"])

    assert ended.value.code == 2
    assert "only https:// URLs are asked, not 'http://127.0.0.1:1'" in capsys.readouterr().err


def test_a_comparison_without_values_says_what_kept_ours_from_scraping(capsys: pytest.CaptureFixture[str]) -> None:
    nothing = [Comparison("nodes", 15.0), Comparison("pods", 15.0)]

    assert conclude(nothing, ["3 nodes: forbidden, such as n1: status 403"]) == 1

    said = capsys.readouterr().out.splitlines()
    assert said[-3:] == [
        "DIFFERS: no value of nodes could be compared",
        "DIFFERS: no value of pods could be compared",
        "ours could not scrape 3 nodes: forbidden, such as n1: status 403",
    ]
