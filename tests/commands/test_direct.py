"""A metrics server asked directly, whatever it answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from metrics_api.commands.direct import DirectReader
from metrics_api.errors import KubeUnreachableError


class _Dripping(httpx.AsyncByteStream):
    """A body that goes on without end, each piece in time."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0)
            yield b" "


async def test_an_answer_that_never_ends_is_given_up() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, stream=_Dripping()))
    async with httpx.AsyncClient(base_url="https://server", transport=transport) as client:
        with pytest.raises(KubeUnreachableError, match=r"https://server: no whole answer to /x in 0\.01 s"):
            await DirectReader(client, timeout=0.01).get("/x")
