"""How the demo ends, and what it leaves behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(180)
_LOOK = 0.1


def children_of(pid: int) -> list[int]:
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]


def is_running(pid: int) -> bool:
    """Whether a process is there and has not ended; one that nobody waits for is a zombie then."""
    try:
        return (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split())[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").exists(), reason="needs Linux's /proc")
async def test_the_server_does_not_outlive_a_demo_that_was_killed() -> None:
    arguments = ("demo", "--nodes=1", "--pods=1", "--keep")
    demo = await asyncio.create_subprocess_exec(sys.executable, "-m", "metrics_api", *arguments, stderr=PIPE)
    assert demo.stderr is not None
    async with asyncio.timeout(120):
        while "export KUBECONFIG=" not in (await demo.stderr.readline()).decode():
            assert demo.returncode is None
        (server,) = children_of(demo.pid)
        demo.send_signal(signal.SIGKILL)
        await demo.wait()
        while is_running(server):  # noqa: ASYNC110 - the end of somebody else's child can only be looked for
            await asyncio.sleep(_LOOK)
