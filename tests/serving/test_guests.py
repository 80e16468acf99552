"""Who must go when too many come that have shown no certificate."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from metrics_api.serving.certificates import find_pair
from metrics_api.serving.context import server_context
from metrics_api.serving.door import Door
from metrics_api.serving.guests import Guests
from metrics_api.serving.limits import Limits
from metrics_api.serving.listen import open_listener
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


def test_the_idlest_can_be_sent_away_and_one_that_is_answered_cannot() -> None:
    guests, busy, idle = Guests(3), Connection("busy", is_idle=False), Connection("idle")
    guests.welcome(busy)
    guests.welcome(idle)
    assert [guests.dismiss_idlest(), guests.dismiss_idlest()] == [True, False]
    assert (busy.dismissed, idle.dismissed, len(guests)) == (False, True, 1)


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


class Exhausted(socket.socket):
    """A listener that has no descriptors left until there is room."""

    is_exhausted = False
    has_room: Callable[[], bool]

    def accept(self) -> tuple[socket.socket, Any]:
        self.is_exhausted = self.is_exhausted and not self.has_room()
        if self.is_exhausted:
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


@pytest.mark.parametrize("who", ["in handshake", "guest"])
async def test_without_descriptors_those_missed_least_make_room(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, who: str
) -> None:
    let_in: list[asyncio.Protocol] = []
    lost: list[asyncio.Protocol] = []
    guests = Guests(3)

    class Kept(asyncio.Protocol):
        is_idle = True

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.dismiss = transport.abort
            let_in.append(self)
            guests.welcome(self)

        def connection_lost(self, exc: Exception | None) -> None:
            lost.append(self)

    listener = Exhausted(fileno=open_listener("127.0.0.1", 0).detach())
    context = server_context(find_pair("", "", str(tmp_path), "127.0.0.1"))
    door = Door(listener, context, Kept, make_room=guests.dismiss_idlest)
    listener.has_room = lambda: door.in_handshake == 0 and len(guests) == 0
    door.open()
    port = listener.getsockname()[1]
    async with contextlib.AsyncExitStack() as stack:
        if who == "guest":
            await stack.enter_async_context(connected(port))
            await until(lambda: len(let_in) == 1)
        else:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
            await until(lambda: door.in_handshake == 1)
        listener.is_exhausted = True
        await stack.enter_async_context(connected(port))
        assert not listener.is_exhausted
        assert len(lost) == (who == "guest")
        door.close()
        await door.wait_closed()
    await until(lambda: len(lost) == len(let_in))
    listener.close()
    assert len(caplog.records) == 1


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 - the door tells nobody
            await asyncio.sleep(0)


def test_half_of_the_descriptors_are_kept_for_those_who_are_known() -> None:
    few, many = Limits.within(1024, answer=7), Limits.within(65_536, answer=7)
    assert (few.guests, few.in_handshake, few.answer) == (256, 256, 7)
    assert (many.guests, many.in_handshake) == (512, 512)


@pytest.mark.parametrize(("soft", "hard", "got"), [(64, 128, 100), (64, 80, 80), (64, 64, 64), (110, 128, 110)])
def test_as_many_descriptors_as_allowed_are_taken(soft: int, hard: int, got: int) -> None:
    code = f"""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
from metrics_api.serving.limits import raise_descriptor_limit
print(raise_descriptor_limit(100), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(got), str(got)]


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
