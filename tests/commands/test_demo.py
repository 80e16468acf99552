"""The demo's faults, as far as its arguments go."""

from __future__ import annotations

import pytest

from metrics_api.commands.demo import parse


def test_nodes_are_two_more_than_have_a_fault_unless_said() -> None:
    assert parse([]).nodes == 3
    assert parse(["--fault", "hang=4,tls"]).nodes == 7
    assert parse(["--fault", "hang=2", "--nodes", "2"]).nodes == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fault", "hnag"], "did you mean hang?"),
        (["--fault", "hang=5", "--nodes", "3"], "faults for 5 nodes are wanted: give --nodes"),
        (["--once", "--fault", "no-endpoints"], "--once waits for metrics"),
        (["--no-server", "--fault", "csr-pending"], "--no-server"),
    ],
)
def test_what_cannot_be_is_said(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_help_lists_every_fault(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"])
    said = capsys.readouterr().out
    assert "no-container-data" in said
    assert "apiservice-split" in said
