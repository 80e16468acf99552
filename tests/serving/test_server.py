from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from metrics_api.errors import StartupError
from metrics_api.serving.certificates import find_pair
from metrics_api.serving.context import server_context
from metrics_api.serving.listen import open_listener
from metrics_api.serving.server import HttpsServer

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class SlowApplication:
    """Answers when told to."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.release = asyncio.Event()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        self.arrived.set()
        await self.release.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


@contextlib.asynccontextmanager
async def serving(
    directory: Path, application: SlowApplication, address: str = "127.0.0.1"
) -> AsyncIterator[HttpsServer]:
    context = server_context(find_pair("", "", str(directory), address))
    server = HttpsServer(application, open_listener(address, 0), context, drain=5)
    task = asyncio.create_task(server.run())
    try:
        yield server
    finally:
        server.stop()
        await asyncio.wait_for(task, 10)


def client(directory: Path) -> httpx.AsyncClient:
    trust = ssl.create_default_context(cafile=str(directory / "apiserver.crt"))
    return httpx.AsyncClient(verify=trust, trust_env=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_client_that_trusts_the_kept_authority_is_served(tmp_path: Path, host: str) -> None:
    application = SlowApplication()
    application.release.set()

    async with serving(tmp_path, application) as server, client(tmp_path) as http:
        answer = await http.get(f"https://{host}:{server.port}/")

    assert answer.text == "ok"
    assert "server" not in answer.headers


async def test_an_unspecified_address_takes_both_families(tmp_path: Path) -> None:
    if not socket.has_ipv6:
        pytest.skip("needs IPv6")
    listener = open_listener("0.0.0.0", 0)
    port = listener.getsockname()[1]

    for address in ("127.0.0.1", "::1"):
        with socket.create_connection((address, port), timeout=5):
            pass
    listener.close()


async def test_a_request_under_way_is_answered_after_stopping_has_begun(tmp_path: Path) -> None:
    application = SlowApplication()

    async with serving(tmp_path, application) as server, client(tmp_path) as http:
        request = asyncio.create_task(http.get(f"https://127.0.0.1:{server.port}/"))
        await application.arrived.wait()
        server.stop()
        application.release.set()
        assert (await request).text == "ok"


async def test_a_taken_port_is_said_with_the_way_out() -> None:
    taken = open_listener("127.0.0.1", 0)

    with pytest.raises(StartupError, match=r"something else listens there.*--secure-port"):
        open_listener("127.0.0.1", taken.getsockname()[1])
    taken.close()


async def test_a_taken_port_is_said_for_the_unspecified_address_too() -> None:
    taken = open_listener("0.0.0.0", 0)

    with pytest.raises(StartupError, match="something else listens there"):
        open_listener("0.0.0.0", taken.getsockname()[1])
    taken.close()


async def test_an_address_of_another_machine_is_said() -> None:
    with pytest.raises(StartupError, match="--bind-address"):
        open_listener("192.0.2.7", 0)


async def test_a_port_can_be_shared_when_asked() -> None:
    first = open_listener("127.0.0.1", 0, share_port=True)
    second = open_listener("127.0.0.1", first.getsockname()[1], share_port=True)

    first.close()
    second.close()
