"""From exec to service: when probes answer, when every node is served, and how that goes at a tenth of a core.

The server runs as a process of its own against the stand-in cluster in this one. The tenth of a core is a duty cycle of
signals: 10 ms of running, 90 ms of standing still, which is what a CPU limit of 100m amounts to.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import orjson

from metrics_api.commands.demo_server import DemoServer, server_arguments
from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.users import User

_ON, _OFF = 0.010, 0.090
_GROUP = "/apis/metrics.k8s.io/v1beta1"


async def main() -> None:
    """Measure both and print them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--pods", type=int, default=30, help="pods on each node")
    parser.add_argument("--seconds", type=float, default=20, help="how long probes are watched at a tenth of a core")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    figures = {"nodes": options.nodes, "pods_per_node": options.pods, **await _whole_core(options)}
    figures |= await _tenth_of_a_core(options)
    if options.json:
        print(orjson.dumps(figures).decode())
        return
    for name, value in figures.items():
        print(f"{name:44}{value:10,.3f}" if isinstance(value, float) else f"{name:44}{value:10,}")


async def _whole_core(options: argparse.Namespace) -> dict[str, float]:
    async with _server(options) as (_, client, began, token):
        live = await _first(client, "/livez", began, _is_ok)
        client.headers["authorization"] = f"Bearer {token}"
        served = await _first(client, f"{_GROUP}/nodes", began, lambda a: len(a.json()["items"]) == options.nodes)
    return {"seconds until livez": live, "seconds until every node is served": served}


async def _tenth_of_a_core(options: argparse.Namespace) -> dict[str, float]:
    async with _server(options) as (process, client, began, _):
        throttling = asyncio.create_task(_throttle(process))
        live = await _first(client, "/livez", began, _is_ok)
        slowest, end = 0.0, time.monotonic() + options.seconds
        while time.monotonic() < end:
            asked = time.monotonic()
            await client.get("/livez")
            slowest = max(slowest, time.monotonic() - asked)
            await asyncio.sleep(0.1)
        throttling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await throttling
        process.send_signal(signal.SIGCONT)
    return {"at 0.1 core: seconds until livez": live, "at 0.1 core: slowest livez after that": slowest}


async def _first(client: httpx.AsyncClient, path: str, began: float, wanted: object) -> float:
    while True:
        with contextlib.suppress(httpx.TransportError, ValueError, KeyError):
            answer = await client.get(path)
            if callable(wanted) and wanted(answer):
                return time.monotonic() - began
        await asyncio.sleep(0.01)


def _is_ok(answer: httpx.Response) -> bool:
    return answer.status_code == httpx.codes.OK


async def _throttle(process: Process) -> None:
    while process.returncode is None:
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(_OFF)
        process.send_signal(signal.SIGCONT)
        await asyncio.sleep(_ON)


@contextlib.asynccontextmanager
async def _server(options: argparse.Namespace) -> AsyncIterator[tuple[Process, httpx.AsyncClient, float, str]]:
    with tempfile.TemporaryDirectory() as folder:
        async with LocalCluster(nodes=options.nodes, pods_per_node=options.pods, shared_certificates=True) as cluster:
            server = DemoServer.prepare(cluster, Path(folder))
            token = cluster.api.tokens.issue(User("admin", groups=("system:masters",)))
            began = time.monotonic()
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "metrics_api", "serve", *server_arguments(server)),
                stdin=DEVNULL,
                stdout=DEVNULL,
                stderr=DEVNULL,
            )
            async with httpx.AsyncClient(
                base_url=f"https://127.0.0.1:{server.port}",
                verify=False,  # noqa: S501 - what is measured is time
                trust_env=False,
                timeout=30,
            ) as client:
                yield process, client, began, token
            process.terminate()
            await process.wait()


if __name__ == "__main__":
    asyncio.run(main())
