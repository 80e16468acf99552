"""``metrics-api demo --no-server`` says how to point an extension server at it: what it says is done, word by word."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.programs import Finished, kubectls, run
from tests.e2e.test_metrics_server import VARIABLE

pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.timeout(180)]

NODES = 2
_LAST_LINE = "Ctrl-C stops everything."
_PATIENCE = 90
_LOOK_EVERY = 0.5


@contextlib.asynccontextmanager
async def program(*command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run it inside."""
    process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def instructions(demo: asyncio.subprocess.Process) -> list[list[str]]:
    """Return every command that it prints, in order, as its words."""
    assert demo.stderr is not None
    said = ""
    async with asyncio.timeout(_PATIENCE):
        while _LAST_LINE not in said:
            line = await demo.stderr.readline()
            assert line, f"it ended before it said how:\n{said}"
            said += line.decode()
    joined = said.replace("\\\n", "")
    return [shlex.split(line) for line in re.findall(r"^    (.*)$", joined, re.MULTILINE)]


@pytest.mark.parametrize(
    ("which", "own_program"),
    [
        pytest.param(0, "", id="metrics-api"),
        pytest.param(
            1,
            os.environ.get(VARIABLE, ""),
            id="metrics-server",
            marks=pytest.mark.skipif(not os.environ.get(VARIABLE), reason=f"needs {VARIABLE}: a metrics-server"),
        ),
    ],
)
async def test_a_server_that_follows_them_is_available_and_top_works(which: int, own_program: str) -> None:
    if not (found := kubectls()):
        pytest.skip("needs kubectl")
    kubectl = next(iter(found.values()))
    async with program(sys.executable, "-m", "metrics_api", "demo", f"--nodes={NODES}", "--no-server") as demo:
        (_, exported), *commands = await instructions(demo)
        serve, (_, *apply) = commands[2 * which : 2 * which + 2]
        watch = commands[-1]
        if own_program:
            serve[0] = shutil.which(own_program) or own_program
        kubeconfig = Path(exported.removeprefix("KUBECONFIG="))
        async with program(*serve):
            applied = await run(kubectl, *apply, kubeconfig=kubeconfig)
            assert applied.code == 0, applied.err
            await _until_available(kubectl, watch, kubeconfig)
            top = await _top(kubectl, kubeconfig)

    assert sorted(line.split()[0] for line in top.out.splitlines()[1:]) == ["node-00000", "node-00001"]


async def _until_available(kubectl: str, watch: list[str], kubeconfig: Path) -> None:
    """Watch as it is said, until every APIService of the group is Available."""
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "HOME": str(kubeconfig.parent)}
    watching = await asyncio.create_subprocess_exec(kubectl, *watch[1:], stdin=DEVNULL, stdout=PIPE, env=environment)
    assert watching.stdout is not None
    last: dict[str, str] = {}
    try:
        async with asyncio.timeout(_PATIENCE):
            while set(last.values()) != {"True"}:
                name, _, available, *_ = (await watching.stdout.readline()).decode().split()
                if name.endswith(".metrics.k8s.io"):
                    last[name] = available
    finally:
        watching.terminate()
        await watching.wait()


async def _top(kubectl: str, kubeconfig: Path) -> Finished:
    """Return what ``kubectl top nodes`` prints once every node has been measured."""
    async with asyncio.timeout(_PATIENCE):
        while True:
            finished = await run(kubectl, "top", "nodes", kubeconfig=kubeconfig)
            if len(finished.out.splitlines()) == 1 + NODES and "unknown" not in finished.out:
                return finished
            await asyncio.sleep(_LOOK_EVERY)
