"""Connections to backends: kept, reused, tried again, and closed."""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import replace

import httpx
import pytest

from metrics_api.localcluster.aggregation.timing import Timing
from metrics_api.localcluster.resources import API_SERVICES
from metrics_api.localcluster.seams import Receive, Scope, Send
from metrics_api.localcluster.users import User
from tests.localcluster.aggregation.extension_server import ExtensionServer, answer
from tests.localcluster.aggregation.raw_backend import OK, Connection, raw_backend
from tests.localcluster.aggregation.stand_in import NAME, NODES, PATH, running


async def test_connections_are_kept_and_shared_by_users() -> None:
    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        for name in ("alice", "bob", "carol"):
            stand_in.user = User(name)
            await stand_in.client.get(NODES)

    assert len({each.connection for each in extension.received}) == 1
    assert [each.user for each in extension.received] == ["alice", "bob", "carol"]


async def test_connections_that_were_idle_for_too_long_are_not_used_again() -> None:
    async with ExtensionServer() as extension, running(replace(Timing(), keep_idle=-1.0)) as stand_in:
        stand_in.register(extension.port)
        for _ in range(2):
            await stand_in.client.get(NODES)

    assert len({each.connection for each in extension.received}) == 2


@pytest.mark.parametrize(
    ("method", "requests", "status"),
    [pytest.param("GET", 3, 200, id="a-get-is-sent-again"), pytest.param("POST", 2, 503, id="a-post-is-not")],
)
async def test_a_reused_connection_that_dies_before_any_byte(method: str, requests: int, status: int) -> None:
    seen: list[tuple[int, bytes]] = []

    async def behave(connection: Connection) -> None:
        while request := await connection.request():
            seen.append((connection.number, request.partition(b" ")[0]))
            if connection.number == 1 and len(seen) == 2:
                return
            connection.send(OK)

    async with raw_backend(behave) as port, running() as stand_in:
        stand_in.register(port)
        await stand_in.client.get(NODES)
        response = await stand_in.client.request(method, NODES)

    assert response.status_code == status
    assert len(seen) == requests
    assert [number for number, _ in seen] == [1, 1, 2][:requests]


async def test_a_get_is_tried_again_once_only() -> None:
    connections: list[int] = []

    async def behave(connection: Connection) -> None:
        connections.append(connection.number)
        if connection.number == 1:
            await connection.request()
            connection.send(OK)
        await connection.request()

    async with raw_backend(behave) as port, running() as stand_in:
        stand_in.register(port)
        await stand_in.client.get(NODES)
        response = await stand_in.client.get(NODES)

    assert (response.status_code, response.text) == (503, "error trying to reach service: EOF\n")
    assert connections == [1, 2]


async def test_a_new_connection_that_dies_before_any_byte_is_not_tried_again() -> None:
    connections: list[int] = []

    async def behave(connection: Connection) -> None:
        connections.append(connection.number)
        await connection.request()

    async with raw_backend(behave) as port, running() as stand_in:
        stand_in.register(port)
        response = await stand_in.client.get(NODES)

    assert response.status_code == 503
    assert connections == [1]


async def test_a_response_that_is_no_http_is_answered_503() -> None:
    async def behave(connection: Connection) -> None:
        await connection.request()
        connection.send(b"220 mail.example ESMTP\r\n\r\n")
        await connection.request()

    async with raw_backend(behave) as port, running() as stand_in:
        stand_in.register(port)
        response = await stand_in.client.get(NODES)

    assert response.status_code == 503
    assert "malformed HTTP response" in response.text


@pytest.mark.parametrize(
    "body", [pytest.param(b"ok", id="no-gzip"), pytest.param(gzip.compress(b"x" * 99)[:-12], id="cut-short")]
)
async def test_a_compressed_body_that_cannot_be_undone_breaks_off(body: bytes) -> None:
    async def behave(connection: Connection) -> None:
        while await connection.request():
            head = f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {len(body)}\r\n\r\n"
            connection.send(head.encode() + body)

    async with raw_backend(behave) as port, running() as stand_in:
        stand_in.register(port)
        del stand_in.client.headers["accept-encoding"]
        with pytest.raises(httpx.RemoteProtocolError):
            await stand_in.client.get(NODES)


async def test_deleting_the_apiservice_closes_idle_connections_and_lets_a_watch_go_on() -> None:
    goes_on = asyncio.Event()

    async def watch(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first\n", "more_body": True})
        await goes_on.wait()
        await send({"type": "http.response.body", "body": b"last\n"})

    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        extension.routes |= {PATH: answer(200, b"{}"), NODES: watch}
        stand_in.register(extension.port)
        async with stand_in.client.stream("GET", f"{NODES}?watch=true") as response:
            lines = response.aiter_lines()
            assert await anext(lines) == "first"
            stand_in.objects.delete(API_SERVICES, "", NAME)
            goes_on.set()
            assert [line async for line in lines] == ["last"]
        async with asyncio.timeout(5):
            await extension.until_connections(0)
