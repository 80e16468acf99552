"""The chart, rendered by helm where there is one, else by the small renderer that ``make tools`` builds."""

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


def values() -> dict[str, Any]:
    """Return the chart's defaults."""
    found: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
    return found


def template(
    directory: Path, user: dict[str, Any] | None = None, *, release: str = "metrics-server", namespace: str = "monitor"
) -> list[Object]:
    """Return the objects that a release with these values has; skip the test when nothing can render a chart.

    Raises:
        RefusedValuesError: with what was said.
    """
    file = directory / "user-values.yaml"
    file.write_text(yaml.safe_dump(user or {}))
    if helm := shutil.which("helm"):
        command = [helm, "template", release, str(CHART), "--namespace", namespace, "--values", str(file)]
    elif renderer := shutil.which("chart-render", path=str(TOOLS)):
        command = [renderer, str(CHART), release, namespace, str(file)]
    else:
        pytest.skip("needs helm, or the renderer that `make tools` builds on a machine with apt-get and pip")
    finished = subprocess.run(command, check=False, capture_output=True, text=True)
    if finished.returncode:
        raise RefusedValuesError(finished.stderr)
    return [obj for obj in yaml.safe_load_all(finished.stdout) if obj]
