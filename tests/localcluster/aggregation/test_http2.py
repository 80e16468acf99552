"""HTTP/2 towards backends where a hand inside the stand-in is needed; the rest is in the contract suite."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import replace

import httpx
import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from metrics_api.localcluster.aggregation.timing import Timing
from tests.localcluster.aggregation.http2_backend import Exchange, http2_backend
from tests.localcluster.aggregation.stand_in import NODES, StandIn, running

QUIET = replace(Timing(), http2_quiet=0.05, http2_ping_timeout=0.05)


async def ask_together(stand_in: StandIn, count: int) -> list[httpx.Response]:
    return await asyncio.gather(*(stand_in.client.get(NODES) for _ in range(count)))


async def test_requests_that_dialled_at_the_same_time_end_on_one_connection() -> None:
    async with http2_backend(lambda exchange: exchange.answer()) as backend, running() as stand_in:
        stand_in.register(backend.port)
        responses = await ask_together(stand_in, 5)
        await backend.until(lambda: backend.open == 1)
        await stand_in.client.get(NODES)

    assert {each.status_code for each in responses} == {200}
    assert backend.received[-1].connection.number in {each.connection.number for each in backend.received[:5]}


async def test_a_connection_that_was_idle_for_too_long_is_not_used_again() -> None:
    timing = replace(Timing(), keep_idle=-1.0)
    async with http2_backend() as backend, running(timing) as stand_in:
        stand_in.register(backend.port)
        for _ in range(2):
            await stand_in.client.get(NODES)

    assert len({each.connection.number for each in backend.received}) == 2


async def test_more_requests_than_a_backend_takes_at_once_get_connections_of_their_own() -> None:
    all_here = asyncio.Barrier(3)

    async def together(exchange: Exchange) -> None:
        if len(backend.received) > 1:
            await all_here.wait()
        await exchange.answer()

    settings = {SettingCodes.MAX_CONCURRENT_STREAMS: 2}
    async with http2_backend(together, settings=settings) as backend, running() as stand_in:
        stand_in.register(backend.port)
        await stand_in.client.get(NODES)  # the backend's settings have come with its answer
        await ask_together(stand_in, 3)

    assert len({each.connection.number for each in backend.received}) == 2


async def test_a_backend_that_gives_no_sign_of_life_is_given_up() -> None:
    async def freeze(exchange: Exchange) -> None:
        exchange.connection.reading.clear()

    async with http2_backend(freeze) as backend, running(QUIET) as stand_in:
        stand_in.register(backend.port)
        response = await stand_in.client.get(NODES)

    assert (response.status_code, response.text) == (
        503,
        "error trying to reach service: http2: client connection lost\n",
    )


async def test_a_backend_that_is_only_slow_answers_the_ping_and_is_waited_for() -> None:
    pinged = asyncio.Event()

    async def dawdle(exchange: Exchange) -> None:
        await exchange.connection.pinged.wait()
        pinged.set()
        await exchange.answer(b"late")

    async with http2_backend(dawdle) as backend, running(replace(QUIET, http2_ping_timeout=5.0)) as stand_in:
        stand_in.register(backend.port)
        response = await stand_in.client.get(NODES)

    assert response.text == "late"
    assert pinged.is_set()


async def test_what_is_no_http2_ends_the_connection() -> None:
    async def garble(exchange: Exchange) -> None:
        exchange.connection.writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with http2_backend(garble) as backend, running() as stand_in:
        stand_in.register(backend.port)
        response = await stand_in.client.get(NODES)

    assert response.status_code == 503
    assert response.text.startswith("error trying to reach service: connection error: ")


async def test_what_is_refused_again_and_again_is_sent_with_growing_pauses_and_then_given_up() -> None:
    async def refuse(exchange: Exchange) -> None:
        exchange.reset(ErrorCodes.REFUSED_STREAM)

    async with http2_backend(refuse) as backend, running() as stand_in:
        stand_in.register(backend.port)
        asking = asyncio.create_task(stand_in.client.get(NODES))
        while not asking.done():
            await stand_in.clock.advance(1)
            await asyncio.sleep(0)
        response = await asking

    assert response.status_code == 503
    assert "REFUSED_STREAM" in response.text
    assert len(backend.received) == 7
    assert stand_in.clock.sleeps == [1, 2, 4, 8, 16]


async def test_what_a_client_left_unread_does_not_use_up_the_window_of_others() -> None:
    async def flood(exchange: Exchange) -> None:
        exchange.head()
        await exchange.data(bytes(8 << 20), end=True)

    async with http2_backend(flood) as backend, running() as stand_in:
        stand_in.register(backend.port)
        for _ in range(3):
            async with stand_in.client.stream("GET", NODES) as response:
                assert await anext(response.aiter_bytes())
        whole = await stand_in.client.get(NODES)

    assert len(whole.content) == 8 << 20
    assert len({each.connection.number for each in backend.received}) == 1


@pytest.mark.parametrize("module", ["h2", "metrics_api.localcluster"])
def test_the_server_does_not_import_what_only_the_stand_in_needs(module: str) -> None:
    program = (
        "import sys, metrics_api.commands.serve, metrics_api.app.program, metrics_api.app.collection; "
        f"sys.exit({module!r} in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
