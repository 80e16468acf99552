"""A demo, and a server among strangers, that run while the end-to-end tests look at them."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.guarded import Guarded, guarding
from tests.e2e.programs import KUBECTLS, found_kubectl

DEMO_PATIENCE = 120


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def demo() -> AsyncIterator[Path]:
    """Run ``metrics-api demo --keep`` and yield the kubeconfig that it tells people to use."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "metrics_api", "demo", "--keep"), stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE
    )
    if process.stderr is None:
        raise RuntimeError("the demo has no standard error")
    try:
        async with asyncio.timeout(DEMO_PATIENCE):
            yield await _kubeconfig(process.stderr)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def _kubeconfig(stderr: asyncio.StreamReader) -> Path:
    said = []
    async for line in stderr:
        said.append(line.decode())
        _, found, path = said[-1].strip().partition("export KUBECONFIG=")
        if found:
            return Path(path)
    raise AssertionError("the demo ended before it ran:\n" + "".join(said))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    """Run a server for the tests of who may read; no test takes away what another may rely on."""
    async with guarding(tmp_path_factory.mktemp("guarded")) as running:
        yield running


@pytest.fixture(params=KUBECTLS)
def kubectl(request: pytest.FixtureRequest) -> str:
    """Return one of the kubectls that can be had."""
    return found_kubectl(request.param)
