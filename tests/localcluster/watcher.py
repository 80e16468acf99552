"""Reading a watch's events one by one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

_PATIENCE = 5.0
Event = tuple[str, dict[str, Any]]


class Watcher:
    """An open watch."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def next(self) -> Event:
        """Return the next event."""
        line = await asyncio.wait_for(anext(self._lines), _PATIENCE)
        event = json.loads(line)
        return event["type"], event["object"]

    async def take(self, count: int) -> list[Event]:
        return [await self.next() for _ in range(count)]

    async def until_end(self) -> list[Event]:
        """Return the events until the server ends the watch."""
        events = []
        async for line in self._lines:
            event = json.loads(line)
            events.append((event["type"], event["object"]))
        return events


@asynccontextmanager
async def watch(
    client: httpx.AsyncClient, path: str, *, accept: str = "application/json", **parameters: str
) -> AsyncIterator[Watcher]:
    query = {"watch": "true", **parameters}
    async with client.stream("GET", path, params=query, headers={"Accept": accept}) as response:
        if response.status_code != 200:
            await response.aread()
        yield Watcher(response)


def summary(events: list[Event]) -> list[tuple[str, str]]:
    """Return type and name of each event."""
    return [(kind, obj["metadata"].get("name", "")) for kind, obj in events]
