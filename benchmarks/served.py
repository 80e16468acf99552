"""What a server serves, seen from outside."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx

from benchmarks.programs import Cluster, Facts, Server
from metrics_api.timetext import parse_rfc3339

GROUP = "/apis/metrics.k8s.io/v1beta1"
_LOOK_EVERY = 0.05
_AGES_EVERY = 1.0
_PATIENCE = 600.0
_SCRAPES = "metrics_api_scrapes_total{"


@contextlib.asynccontextmanager
async def reader(facts: Facts, url: str) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client that may read everything."""
    async with httpx.AsyncClient(
        base_url=url,
        headers={"authorization": f"Bearer {facts.token}"},
        verify=False,  # noqa: S501 - a self-signed certificate on loopback
        trust_env=False,
        timeout=120,
    ) as client:
        yield client


async def until_served(cluster: Cluster, server: Server, *, pods: bool = True) -> float:
    """Wait until every node, and every pod, is served.

    Returns:
        The seconds from the server's start until every node was.

    Raises:
        TimeoutError: it takes more than ten minutes.
        RuntimeError: the server has ended.
    """
    facts = cluster.facts
    async with asyncio.timeout(_PATIENCE), reader(facts, server.url) as client:
        while await count(client, "nodes") < facts.nodes:
            await _rest(server, cluster)
        took = time.monotonic() - server.began
        while pods and await count(client, "pods") < facts.pods:
            await _rest(server, cluster)
            await asyncio.sleep(1)  # such a look is expensive
    return took


async def _rest(server: Server, cluster: Cluster) -> None:
    if server.process.returncode is not None:
        log = cluster.directory / f"{server.name}.log"
        raise RuntimeError(f"{server.name} has ended: {log.read_text()[-2000:]}")
    await asyncio.sleep(_LOOK_EVERY)


async def count(client: httpx.AsyncClient, resource_name: str) -> int:
    """Return how many rows a list has, 0 when there is none."""
    try:
        answer = await client.get(f"{GROUP}/{resource_name}")
    except httpx.TransportError:
        return 0
    return answer.content.count(b'"timestamp":') if answer.status_code == httpx.codes.OK else 0


async def items(client: httpx.AsyncClient, resource_name: str) -> list[dict[str, Any]]:
    """Return the items of a list."""
    answer = await client.get(f"{GROUP}/{resource_name}")
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def node_ages(client: httpx.AsyncClient, seconds: float) -> list[float]:
    """Look at all nodes once a second for so long; return the age of every row at every look, in seconds."""
    ages: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        rows, now = await items(client, "nodes"), time.time()
        ages += [now - parse_rfc3339(row["timestamp"]) for row in rows]
        await asyncio.sleep(_AGES_EVERY)
    return ages


async def scrapes(client: httpx.AsyncClient) -> dict[str, float]:
    """Return how many scrapes ended how, by our server's own count; those that went well are ``ok``."""
    lines = [line for line in (await client.get("/metrics")).text.splitlines() if line.startswith(_SCRAPES)]
    return {(line.split('"')[1] or "ok"): float(line.rpartition(" ")[2]) for line in lines}
