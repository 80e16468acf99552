"""``/version``: what is running, in the fields of Kubernetes' ``version.Info``. An unknown value is empty."""

from __future__ import annotations

import platform
import sys

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def version_info(version: str) -> dict[str, str]:
    """Return the document for a version of ours such as ``0.1.0``."""
    major, _, rest = version.partition(".")
    machine = platform.machine().lower()
    return {
        "major": major,
        "minor": rest.partition(".")[0],
        "gitVersion": f"v{version}",
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "",
        "goVersion": "",
        "compiler": platform.python_implementation().lower(),
        "platform": f"{sys.platform}/{_ARCHITECTURES.get(machine, machine)}",
    }
