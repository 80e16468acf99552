"""How long the proxy waits, and what it says when that was not enough."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import httpx
import pytest

from metrics_api.localcluster.aggregation.timing import Timing
from metrics_api.localcluster.seams import Receive, Scope, Send
from tests.localcluster.aggregation.extension_server import ExtensionServer, answer, hang
from tests.localcluster.aggregation.stand_in import NODES, PATH, running

BRIEF = replace(Timing(), request_timeout=0.05)
BRIEF_BUT_ENOUGH_TO_ARRIVE = replace(Timing(), request_timeout=0.5)
BRIEF_DISCOVERY = replace(Timing(), discovery_request_timeout=0.05)
NO_TIME = replace(Timing(), request_timeout=0.0)
NO_TIME_FOR_DISCOVERY = replace(Timing(), discovery_request_timeout=0.0)


def test_kube_apiservers_limits_are_the_defaults() -> None:
    timing = Timing()
    assert (timing.request_timeout, timing.discovery_request_timeout) == (60, 5)
    assert (timing.dial_timeout, timing.handshake_timeout, timing.keep_idle) == (30, 10, 90)
    assert (timing.http2_quiet, timing.http2_ping_timeout) == (30, 15)
    assert (timing.probe_timeout, timing.resync) == (5, 30)
    assert (timing.discovery_timeout, timing.discovery_poll) == (5, 60)
    assert (timing.openapi_timeout, timing.openapi_poll) == (60, 60)


async def test_a_backend_that_hangs_is_answered_504_with_a_status_that_is_called_plain_text() -> None:
    async with ExtensionServer() as extension, running(BRIEF) as stand_in:
        stand_in.register(extension.port)
        extension.routes[NODES] = hang
        response = await stand_in.client.get(NODES)

    assert response.status_code == 504
    assert response.headers["content-type"].startswith("text/plain")
    assert json.loads(response.text) == {
        "metadata": {},
        "status": "Failure",
        "message": "Timeout: request did not complete within the allotted timeout",
        "reason": "Timeout",
        "details": {},
        "code": 504,
    }


async def test_the_request_to_a_backend_that_hangs_is_given_up() -> None:
    given_up = asyncio.Event()

    async def note(scope: Scope, receive: Receive, send: Send) -> None:
        await hang(scope, receive, send)
        given_up.set()

    async with ExtensionServer() as extension, running(BRIEF_BUT_ENOUGH_TO_ARRIVE) as stand_in:
        stand_in.register(extension.port)
        extension.routes[NODES] = note
        await stand_in.client.get(NODES)
        async with asyncio.timeout(5):
            await given_up.wait()


async def test_discovery_of_a_version_has_a_shorter_limit_that_ends_as_an_unreachable_service() -> None:
    async with ExtensionServer() as extension, running(BRIEF_DISCOVERY) as stand_in:
        stand_in.register(extension.port)
        extension.routes[PATH] = hang
        response = await stand_in.client.get(PATH)

    assert response.status_code == 503
    assert response.text == "error trying to reach service: context deadline exceeded\n"


async def test_other_requests_do_not_have_the_limit_of_discovery() -> None:
    async with ExtensionServer() as extension, running(NO_TIME_FOR_DISCOVERY) as stand_in:
        stand_in.register(extension.port)
        extension.routes[NODES] = extension.routes[PATH] = answer(200, b"served")
        version = await stand_in.client.get(PATH)
        nodes = await stand_in.client.get(NODES)

    assert (version.status_code, nodes.status_code) == (503, 200)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        pytest.param(NODES, 504, id="list"),
        pytest.param(f"{NODES}?watch=false", 504, id="no-watch"),
        pytest.param(f"{NODES}?watch=true", 200, id="watch"),
        pytest.param(f"{NODES}?watch=1", 200, id="watch-is-1"),
        pytest.param(f"{NODES}/n/log", 200, id="log"),
        pytest.param(f"{NODES}/n/proxy", 200, id="proxy"),
    ],
)
async def test_only_a_long_running_request_has_no_limit(target: str, status: int) -> None:
    async with ExtensionServer() as extension, running(NO_TIME) as stand_in:
        stand_in.register(extension.port)
        extension.routes[target.partition("?")[0]] = answer(200, b"served")
        response = await stand_in.client.get(target)

    assert response.status_code == status


async def test_a_response_that_takes_too_long_to_finish_is_cut_off() -> None:
    async def dribble(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await hang(scope, receive, send)

    async with ExtensionServer() as extension, running(BRIEF_BUT_ENOUGH_TO_ARRIVE) as stand_in:
        stand_in.register(extension.port)
        extension.routes[NODES] = dribble
        with pytest.raises(httpx.RemoteProtocolError):
            await stand_in.client.get(NODES)


@pytest.mark.parametrize(
    ("timing", "status", "text"),
    [
        pytest.param(BRIEF, 504, "allotted timeout", id="the-requests-limit"),
        pytest.param(
            replace(Timing(), handshake_timeout=0.05),
            503,
            "error trying to reach service: net/http: TLS handshake timeout\n",
            id="the-handshakes-limit",
        ),
    ],
)
async def test_a_backend_that_never_shakes_hands_is_given_up_and_its_connection_closed(
    timing: Timing, status: int, text: str
) -> None:
    closed = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1024):
            pass
        writer.close()
        closed.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server, running(timing) as stand_in:
        stand_in.register(server.sockets[0].getsockname()[1])
        response = await stand_in.client.get(NODES)
        async with asyncio.timeout(5):
            await closed.wait()

    assert response.status_code == status
    assert text in response.text
