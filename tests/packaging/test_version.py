"""The version stands in several places, and is one."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import metrics_api

PROJECT = Path(__file__).parents[2]
VERSION = metrics_api.__version__


def test_the_package_and_its_metadata_agree() -> None:
    assert tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"] == VERSION


def test_the_chart_is_of_that_version() -> None:
    chart = yaml.safe_load((PROJECT / "manifests/charts/metrics-api/Chart.yaml").read_text())

    assert (chart["version"], chart["appVersion"]) == (VERSION, VERSION)


@pytest.mark.parametrize(
    "name",
    [
        "Dockerfile",
        "docs/install.md",
        "manifests/base/deployment.yaml",
        "manifests/components.yaml",
        "manifests/high-availability.yaml",
    ],
)
def test_whoever_names_the_image_names_that_version(name: str) -> None:
    named = re.findall(r"metrics-api:v(\d[\w.-]*)", (PROJECT / name).read_text())

    assert named
    assert set(named) == {VERSION}
