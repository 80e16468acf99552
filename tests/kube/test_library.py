"""The Kubernetes client is brought in for whatever user this runs as."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_AS_NOBODY_IN_PARTICULAR = ("unshare", "--user", "--map-user=12345")


def can_be_nobody() -> bool:
    try:
        return subprocess.run([*_AS_NOBODY_IN_PARTICULAR, "true"], check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not can_be_nobody(), reason="needs unshare, and the right to user namespaces")
@pytest.mark.parametrize("home", [None, "/nowhere"])
def test_a_user_without_a_home_gets_the_client(home: str | None) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "HOME"}
    script = (
        "import os\n"
        "from metrics_api.kube.library import import_client\n"
        "print(import_client().ApiClient.__name__, os.environ['HOME'])"
    )
    finished = subprocess.run(
        [*_AS_NOBODY_IN_PARTICULAR, sys.executable, "-c", script],
        check=False,
        capture_output=True,
        text=True,
        env=environment if home is None else {**environment, "HOME": home},
    )

    assert finished.stdout == f"ApiClient {home or '/'}\n", finished.stderr
