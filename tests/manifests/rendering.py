"""What ``kubectl kustomize`` makes of ``manifests/``."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

Object = dict[str, Any]
Key = tuple[str, str, str]
"""(kind, namespace, name)."""

MANIFESTS = Path(__file__).parents[2] / "manifests"
RELEASE, HIGH_AVAILABILITY, INSECURE = "release", "high-availability", "insecure-kubelets"
VERIFIED_TLS = "verified-tls"
OVERLAYS = (RELEASE, HIGH_AVAILABILITY, INSECURE, VERIFIED_TLS)
COMPONENTS = ("apiservice-v1", "autoscale", "network-policy")


def kubectl() -> str:
    """Return the kubectl of this machine; skip the test when there is none."""
    return shutil.which("kubectl") or pytest.skip("needs kubectl on the PATH")


def load(path: Path) -> list[Object]:
    """Return the objects in a file."""
    return [obj for obj in yaml.safe_load_all(path.read_text()) if obj]


@cache
def render(overlay: str, components: Sequence[str] = ()) -> tuple[Object, ...]:
    """Return the objects of an overlay, with components on top of it."""
    with tempfile.TemporaryDirectory() as directory:
        folder = customize(Path(directory), overlay, components)
        command = [kubectl(), "kustomize", str(folder)]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return tuple(obj for obj in yaml.safe_load_all(text) if obj)


def customize(directory: Path, overlay: str, components: Sequence[str]) -> Path:
    """Write a kustomization of one's own, as a user would to take components, and return its folder."""
    above = os.path.relpath(MANIFESTS, directory.resolve())
    document = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"{above}/overlays/{overlay}"],
        "components": [f"{above}/components/{component}" for component in components],
    }
    (directory / "kustomization.yaml").write_text(yaml.safe_dump(document))
    return directory


def key(obj: Object) -> Key:
    """Return what names an object in a cluster."""
    return obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def keyed(objects: Iterable[Object]) -> dict[Key, Object]:
    """Return the objects by what names them."""
    return {key(obj): obj for obj in objects}


def deployment(objects: Iterable[Object]) -> Object:
    """Return the Deployment's spec."""
    (spec,) = [obj["spec"] for obj in objects if obj["kind"] == "Deployment"]
    found: Object = spec
    return found


def pod(objects: Iterable[Object]) -> Object:
    """Return the spec of the Deployment's pods."""
    found: Object = deployment(objects)["template"]["spec"]
    return found


def server(objects: Iterable[Object]) -> Object:
    """Return the server's container."""
    (container,) = [each for each in pod(objects)["containers"] if each["name"] == "metrics-server"]
    found: Object = container
    return found
