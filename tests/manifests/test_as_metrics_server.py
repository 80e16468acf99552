"""Our program as in a pod: its arguments, files, environment, probes, port and rights.

With metrics-server's own manifest, and where somebody runs a command in a pod of ours.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2]


def can_have_namespaces() -> bool:
    """Return whether a machine within this one can be made: it takes root, util-linux and iproute2."""
    try:
        command = ["unshare", "--mount", "--net", "ip", "link", "set", "lo", "up"]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(
        not can_have_namespaces(), reason="needs root, unshare and ip, for a network and mounts of its own"
    ),
]


def as_pod(what: str) -> dict[str, Any]:
    command = ["unshare", "--mount", "--net", sys.executable, "-m", "tests.manifests.as_pod", what]
    finished = subprocess.run(command, check=False, capture_output=True, text=True, cwd=PROJECT)
    assert finished.returncode == 0, finished.stderr
    seen: dict[str, Any] = json.loads(finished.stdout)
    return seen


def test_our_program_runs_under_metrics_servers_manifest_as_it_stands() -> None:
    seen = as_pod("serve")

    assert seen["exit code"] == 0, seen["log"]
    assert len(seen["nodes"]) == 1
    assert seen["pods"]
    assert seen["written"] == ["apiserver.crt", "apiserver.key"]
    assert seen["refused"] == []


def test_verified_tls_is_undone_from_within_a_pod_by_the_rights_of_the_server_alone() -> None:
    seen = as_pod("undo")

    assert seen["exit code"] == 0, seen["log"]
    assert "v1beta1.metrics.k8s.io: is verified no more" in seen["said"]
    assert seen["spec"]["insecureSkipTLSVerify"] is True
    assert "caBundle" not in seen["spec"]
    assert seen["annotations"]["metrics-api/verified-tls"] == "off"
    assert "metrics-api/ca-bundle" not in seen["annotations"]
    assert seen["refused"] == []
