"""Thousands of requests that no honest client sends, to a whole server, over TLS."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from metrics_api.localcluster.authorities import FRONT_PROXY_NAME
from metrics_api.localcluster.cluster import LocalCluster
from tests.e2e.guarded import client_context
from tests.e2e.hostile import requests
from tests.e2e.serving import serving

pytestmark = [pytest.mark.xdist_group("hostile"), pytest.mark.timeout(600)]

STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")
AT_ONCE = 8
MOST_GROWTH_KIB = 40_000


async def ask(port: int, context: ssl.SSLContext, request: bytes) -> list[int]:
    """Return the statuses of all answers that the server gives to these bytes."""
    answers = b""
    with contextlib.suppress(OSError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(request + b"\r\n\r\nGET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):  # some leave the server waiting for a body
                answers = await reader.read()
        writer.transport.abort()
    return [int(code) for code in STATUS.findall(answers)]


async def ask_all(port: int, context: ssl.SSLContext, wanted: Iterator[bytes]) -> dict[int, bytes]:
    """Return each status that was seen, with a request that led to it."""
    seen: dict[int, bytes] = {}

    async def work() -> None:
        for request in wanted:
            for code in await ask(port, context, request):
                seen.setdefault(code, request)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())
    return seen


def resident_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


@pytest.mark.parametrize("number", [500, pytest.param(10_000, marks=pytest.mark.long)])
async def test_nothing_that_is_sent_breaks_the_server(tmp_path: Path, number: int) -> None:
    context = client_context(tmp_path)
    async with LocalCluster(nodes=1, pods_per_node=2) as cluster, serving(cluster, tmp_path, "--v=4") as server:
        await server.until(lambda: server.client.get("/readyz"), lambda answer: answer.status_code == 200)
        proxy = client_context(tmp_path, cluster.authorities.front_proxy.issue(FRONT_PROXY_NAME, client=True))

        seen = await ask_all(server.port, context, requests(number // 10, seed=1))
        before = resident_kib(server.process.pid)
        seen |= await ask_all(server.port, context, requests(number // 2, seed=2))
        seen |= await ask_all(server.port, proxy, requests(number // 2, seed=3))
        growth = resident_kib(server.process.pid) - before
        answer = await server.client.get("/readyz")

    log = (tmp_path / "log").read_text()
    assert {200, 400, 401, 403, 404} <= seen.keys()
    assert {code: request for code, request in seen.items() if code >= 500 and code != 504} == {}  # timeout=1ns
    assert "Traceback" not in log
    assert "fault in" not in log
    assert 'HTTP verb="' in log
    assert all(line.isprintable() for line in log.splitlines())
    assert growth < MOST_GROWTH_KIB
    assert answer.status_code == 200
