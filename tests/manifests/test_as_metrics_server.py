"""metrics-server's own manifest with our program in its container: its arguments, files, probes, port and rights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


def can_have_namespaces() -> bool:
    """Return whether a machine within this one can be made: it takes root, util-linux and iproute2."""
    try:
        command = ["unshare", "--mount", "--net", "ip", "link", "set", "lo", "up"]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.timeout(120)
@pytest.mark.skipif(not can_have_namespaces(), reason="needs root, unshare and ip, for a network and mounts of its own")
def test_our_program_runs_under_metrics_servers_manifest_as_it_stands() -> None:
    command = ["unshare", "--mount", "--net", sys.executable, "-m", "tests.manifests.as_pod"]
    finished = subprocess.run(command, check=False, capture_output=True, text=True, cwd=PROJECT)
    assert finished.returncode == 0, finished.stderr
    seen = json.loads(finished.stdout)

    assert seen["exit code"] == 0, seen["log"]
    assert len(seen["nodes"]) == 1
    assert seen["pods"]
    assert seen["written"] == ["apiserver.crt", "apiserver.key"]
    assert seen["refused"] == []
