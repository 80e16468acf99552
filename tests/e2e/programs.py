"""Programs that the end-to-end tests start, and where they are found."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from typing import NamedTuple

import pytest

TOOLS = Path(__file__).parents[2] / ".tools"


class Finished(NamedTuple):
    """How a program ended."""

    code: int
    out: str
    err: str


async def run(*command: str | Path, kubeconfig: Path | None = None, seconds: float = 60) -> Finished:
    """Run a program to its end."""
    environment = dict(os.environ)
    if kubeconfig is not None:
        # A home of its own: kubectl keeps discovery there for hours, by host and port.
        environment |= {"KUBECONFIG": str(kubeconfig), "HOME": str(kubeconfig.parent)}
    process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env=environment)
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.communicate()
        raise
    return Finished(process.returncode or 0, out.decode(), err.decode())


async def metrics_api(*arguments: str, kubeconfig: Path | None = None, seconds: float = 60) -> Finished:
    """Run ``metrics-api`` to its end."""
    return await run(sys.executable, "-m", "metrics_api", *arguments, kubeconfig=kubeconfig, seconds=seconds)


KUBECTLS = {
    "path": "needs kubectl on the PATH",
    "debian": "needs Debian's kubernetes-client: run `make tools` on a machine with apt-get",
    "newest": "needs the newest kubectl: run `make tools` on an x86-64 machine with a package index",
}
"""Which kubectls there may be, and what to say when one is not here."""


def kubectls() -> dict[str, str]:
    """Return every kubectl that can be had here: the machine's own, and from ``make tools`` an old and a new one."""
    brought = {name: shutil.which(f"kubectl-{name}", path=str(TOOLS)) for name in ("debian", "newest")}
    found = {"path": shutil.which("kubectl"), **brought}
    return {name: path for name, path in found.items() if path}


def found_kubectl(which: str) -> str:
    """Return the path of one of :data:`KUBECTLS`; skips the test when it is not here."""
    return kubectls().get(which) or pytest.skip(KUBECTLS[which])
