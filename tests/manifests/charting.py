"""The chart, rendered by helm."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.programs import TOOLS
from tests.manifests.rendering import MANIFESTS, Object

CHART = MANIFESTS / "charts" / "metrics-api"


class RefusedValuesError(Exception):
    """The chart does not render with these values."""


def helm() -> str:
    """Return where helm is; skip the test when there is none."""
    found = shutil.which("helm") or shutil.which("helm", path=str(TOOLS))
    return found or pytest.skip("needs helm: run `make tools` on an x86-64 machine with pip")


def values() -> dict[str, Any]:
    """Return the chart's defaults."""
    found: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
    return found


def template(
    directory: Path,
    user: dict[str, Any] | None = None,
    *,
    release: str = "metrics-server",
    namespace: str = "monitor",
    chart: Path = CHART,
) -> list[Object]:
    """Return the objects that a release with these values has; skip the test when there is no helm.

    Raises:
        RefusedValuesError: with what was said.
    """
    file = directory / "user-values.yaml"
    file.write_text(yaml.safe_dump(user or {}))
    command = [helm(), "template", release, str(chart), "--namespace", namespace, "--values", str(file)]
    finished = subprocess.run(command, check=False, capture_output=True, text=True)
    if finished.returncode:
        raise RefusedValuesError(finished.stderr)
    return [obj for obj in yaml.safe_load_all(finished.stdout) if obj]
