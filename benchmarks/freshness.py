"""How old what is served is, seen from outside: the time of a look less the served timestamp."""

from __future__ import annotations

import asyncio
import time

import httpx

from benchmarks.programs import GROUP
from metrics_api.timetext import parse_rfc3339

_LOOK_EVERY = 1.0


async def node_ages(client: httpx.AsyncClient, seconds: float) -> list[float]:
    """Look at all nodes once a second for so long; return the age of every row at every look, in seconds."""
    ages: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = (await client.get(f"{GROUP}/nodes")).json()
        now = time.time()
        ages += [now - (parse_rfc3339(item["timestamp"]) or 0.0) for item in answer["items"]]
        await asyncio.sleep(_LOOK_EVERY)
    return ages
