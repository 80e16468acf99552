"""What endpoints show, over real sockets: good ones, and all the kinds of bad ones at once."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from metrics_api.localcluster.ports import free_port
from metrics_api.objects import Endpoint
from metrics_api.pki import Authority
from metrics_api.verifiedtls.dial import dial_all
from metrics_api.verifiedtls.material import believes

NAME = "metrics-server.kube-system.svc"
Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def until_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say nothing and stay."""
    await reader.read()
    writer.close()


async def no_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    writer.close()


@contextlib.asynccontextmanager
async def listening(behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[Endpoint]:
    server = await asyncio.start_server(behaviour, "127.0.0.1", 0, ssl=tls)
    try:
        yield Endpoint("127.0.0.1", server.sockets[0].getsockname()[1])
    finally:
        server.close()


async def test_each_endpoint_is_seen_as_it_is_and_none_holds_up_the_others(tmp_path: Path) -> None:
    authority = Authority.create("ca")
    pair = authority.issue("x", dns_names=[NAME], server=True)
    (tmp_path / "pair.pem").write_bytes(pair.certificate + pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pair.pem")
    async with listening(until_closed, context) as good, listening(no_tls) as plain, listening(until_closed) as silent:
        gone = Endpoint("127.0.0.1", free_port())
        seen = await dial_all([silent, good, plain, gone], NAME, patience=0.5)

    assert [each.endpoint for each in seen] == [silent, good, plain, gone]
    assert [each.certificate is None for each in seen] == [True, False, True, True]
    assert believes(authority.certificate, seen[1].certificate, NAME, time.time())
    assert seen[0].fault == "no handshake in time"
    assert all(seen[place].fault.startswith("no handshake: ") for place in (2, 3))
    assert not seen[1].fault
