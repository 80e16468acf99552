"""Who must go when too many come that have shown no certificate."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from metrics_api.serving.guests import Guests
from metrics_api.serving.limits import Limits
from tests.serving.wire import GET, Replies, client_pair, connected, serving


class Connection:
    def __init__(self, name: str, *, is_idle: bool = True) -> None:
        self.name, self.is_idle, self.dismissed = name, is_idle, False

    def dismiss(self) -> None:
        self.dismissed = True


def test_the_one_idle_longest_goes(caplog: pytest.LogCaptureFixture) -> None:
    guests = Guests(3)
    busy, used, unused = Connection("busy", is_idle=False), Connection("used"), Connection("unused")
    for each in (busy, used, unused):
        guests.welcome(each)
    guests.refresh(used)

    guests.welcome(Connection("new"))
    assert [each.name for each in (busy, used, unused) if each.dismissed] == ["unused"]
    guests.welcome(Connection("newer"))
    assert [each.name for each in (busy, used, unused) if each.dismissed] == ["used", "unused"]
    assert len(guests) == 3
    assert len(caplog.records) == 1


def test_the_new_one_goes_when_all_others_are_being_answered() -> None:
    guests = Guests(1)
    busy, new = Connection("busy", is_idle=False), Connection("new")
    guests.welcome(busy)
    guests.welcome(new)
    guests.refresh(new)
    assert (busy.dismissed, new.dismissed, len(guests)) == (False, True, 1)
    guests.forget(new)
    guests.forget(busy)
    assert len(guests) == 0


async def test_strangers_displace_each_other_and_never_those_with_a_certificate(tmp_path: Path) -> None:
    pair = client_pair(tmp_path)
    async with serving(tmp_path, Replies(), Limits(guests=2)) as server, contextlib.AsyncExitStack() as stack:

        async def connect(*, known: bool) -> bytes:
            client = await stack.enter_async_context(connected(server.port, pair if known else None))
            clients.append(client)
            return (await client.ask())[2]

        clients: list[object] = []
        proven = await stack.enter_async_context(connected(server.port, pair))
        strangers = [await stack.enter_async_context(connected(server.port)) for _ in range(2)]
        for client in (proven, *strangers):
            assert (await client.ask())[0] == 200
        for _ in range(5):
            assert await connect(known=True) == b"ok"
        assert await connect(known=False) == b"ok"

        assert await strangers[0].ended()
        assert (await strangers[1].ask())[0] == 200
        assert (await proven.ask())[0] == 200


async def test_those_who_only_knock_make_room_for_a_real_handshake(tmp_path: Path) -> None:
    async with serving(tmp_path, Replies(), Limits(in_handshake=3)) as server:
        silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(8)]
        async with connected(server.port) as client:
            assert (await client.ask(GET))[0] == 200
        async with asyncio.timeout(10):
            for reader, _ in silent[:5]:
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""
        for _, writer in silent:
            writer.close()


async def test_a_handshake_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    async with serving(tmp_path, Replies(), Limits(handshake=0.05)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()


async def test_what_is_no_tls_at_all_is_sent_away_silently(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(tmp_path, Replies()) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(GET)
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), 10)
        writer.close()
    assert not caplog.records
