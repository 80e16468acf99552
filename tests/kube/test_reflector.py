from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from metrics_api.kube.reflector import Reflector
from metrics_api.kube.watched import all_nodes, running_pods
from metrics_api.model import NodeInfo, PodInfo, PodKey
from tests.fakes import FakeClock
from tests.kube.api_server import ApiServer, HurriedClock, Step, Stream, answer, client_of, cut, serving, status

_EXPIRED_EVENT = (
    Path(__file__).parent.parent / "data" / "kube-apiserver" / "watch-from-a-compacted-resource-version.ndjson"
).read_bytes()
Change = tuple[str, object]


class Recorder:
    """Takes changes; a test waits for the next one."""

    def __init__(self) -> None:
        self.changes: asyncio.Queue[Change] = asyncio.Queue()

    def upsert(self, item: NodeInfo | PodInfo) -> None:
        self.changes.put_nowait(("upsert", item.name))

    def remove(self, key: str | PodKey) -> None:
        self.changes.put_nowait(("remove", key))

    async def take(self, count: int) -> list[Change]:
        async with asyncio.timeout(10):
            return [await self.changes.get() for _ in range(count)]

    @property
    def nothing_more(self) -> bool:
        return self.changes.empty()


def _node(name: str, version: int = 1, uid: str = "", **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": uid or f"uid-{name}", "resourceVersion": str(version), "labels": labels}}


def _list(*items: dict[str, Any], version: int = 10, token: str = "") -> Step:
    return answer(200, {"metadata": {"resourceVersion": str(version), "continue": token}, "items": items})


def _bookmark(version: int) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": str(version)}}


def _nodes(client: Any, recorder: Recorder, clock: FakeClock | None = None, **options: Any) -> Reflector[NodeInfo, str]:
    return Reflector(client, all_nodes(), recorder, clock=clock or HurriedClock(), rng=random.Random(1), **options)


@asynccontextmanager
async def _reflecting(
    *steps: Step, clock: FakeClock | None = None, **options: Any
) -> AsyncIterator[tuple[ApiServer, Reflector[NodeInfo, str], Recorder]]:
    """Run a reflector of nodes against a server with these steps."""
    async with serving(*steps) as server, client_of(server) as client:
        recorder = Recorder()
        reflector = _nodes(client, recorder, clock, **options)
        async with _running(reflector):
            yield server, reflector, recorder


@asynccontextmanager
async def _running(reflector: Reflector[Any, Any]) -> AsyncIterator[None]:
    task = asyncio.create_task(reflector.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _asked(stream: Stream) -> dict[str, str]:
    async with asyncio.timeout(10):
        return (await stream.request).query


async def test_it_lists_in_pages_and_watches_from_the_lists_version() -> None:
    stream = Stream()
    pages = (_list(_node("a"), _node("b"), token="next/+="), _list(_node("c")))
    async with _reflecting(*pages, stream) as (server, reflector, recorder):
        assert not reflector.has_synced
        query = await _asked(stream)

        assert await recorder.take(3) == [("upsert", "a"), ("upsert", "b"), ("upsert", "c")]
        assert reflector.has_synced
        assert [each.path for each in server.requests] == ["/api/v1/nodes"] * 3
        assert [each.query for each in server.requests[:2]] == [
            {"limit": "500"},
            {"limit": "500", "continue": "next/+="},
        ]
        assert 300 <= int(query.pop("timeoutSeconds")) <= 600
        assert query == {"watch": "true", "resourceVersion": "10", "allowWatchBookmarks": "true"}
        assert (reflector.relists, reflector.restarts) == (0, 0)


async def test_pods_are_asked_for_in_all_namespaces_and_running_only() -> None:
    stream = Stream()
    pod = {"metadata": {"namespace": "shop", "name": "web", "uid": "u"}}
    async with serving(_list(pod), stream) as server, client_of(server) as client:
        recorder = Recorder()
        reflector: Reflector[PodInfo, PodKey] = Reflector(
            client, running_pods(), recorder, clock=HurriedClock(), rng=random.Random(1)
        )
        async with _running(reflector):
            query = await _asked(stream)
            stream.send_event("DELETED", {"metadata": {**pod["metadata"], "resourceVersion": "11"}})

            assert await recorder.take(2) == [("upsert", "web"), ("remove", PodKey("shop", "web"))]
            assert server.requests[0].path == "/api/v1/pods"
            assert server.requests[0].query == {"fieldSelector": "status.phase=Running", "limit": "500"}
            assert query["fieldSelector"] == "status.phase=Running"


async def test_events_are_applied_however_the_connection_cuts_them() -> None:
    stream = Stream()
    async with _reflecting(_list(_node("a")), stream) as (_, reflector, recorder):
        events = b"".join(
            json.dumps({"type": kind, "object": document}).encode() + b"\n"
            for kind, document in (
                ("ADDED", _node("b", 11)),
                ("MODIFIED", _node("a", 12, pool="x")),
                ("BOOKMARK", _bookmark(13)),
                ("DELETED", _node("b", 14)),
            )
        )
        for start in range(0, len(events), 37):
            stream.send(events[start : start + 37])

        assert await recorder.take(4) == [("upsert", "a"), ("upsert", "b"), ("upsert", "a"), ("remove", "b")]
        assert {name: node.labels for name, node in reflector.known.items()} == {"a": {"pool": "x"}}


async def test_an_event_that_changes_nothing_we_keep_is_not_passed_on() -> None:
    stream = Stream()
    async with _reflecting(_list(_node("a")), stream) as (_, _, recorder):
        stream.send_event("MODIFIED", _node("a", 11))
        stream.send_event("ADDED", _node("b", 12))

        assert await recorder.take(2) == [("upsert", "a"), ("upsert", "b")]


@pytest.mark.parametrize("ending", ["drop", "end"])
async def test_a_watch_that_ends_is_resumed_from_the_last_version_without_a_list(ending: str) -> None:
    first, second = Stream(), Stream()
    async with _reflecting(_list(_node("a")), first, second) as (_, reflector, recorder):
        first.send_event("ADDED", _node("b", 11))
        first.send_event("BOOKMARK", _bookmark(25))
        getattr(first, ending)()

        assert (await _asked(second))["resourceVersion"] == "25"
        assert await recorder.take(2) == [("upsert", "a"), ("upsert", "b")]
        assert (reflector.restarts, reflector.relists) == (1, 0)


async def test_a_silent_watch_is_taken_for_dead_and_resumed() -> None:
    first, second = Stream(), Stream()
    async with _reflecting(_list(_node("a")), first, second, silence=0.05):
        assert (await _asked(second))["resourceVersion"] == "10"


@pytest.mark.parametrize("kind", ["status", "event"])
async def test_an_expired_version_makes_a_new_list_which_removes_what_is_gone(kind: str) -> None:
    expired: Step
    if kind == "status":
        expired = status(410, "Expired", "too old resource version: 10 (99)")
    else:
        expired = Stream()
        expired.send(_EXPIRED_EVENT)
        expired.end()
    last = Stream()
    relist = _list(_node("a"), _node("b", uid="another-life"), _node("d"), version=99)
    steps = (_list(_node("a"), _node("b"), _node("c")), expired, relist, last)
    async with _reflecting(*steps) as (_, reflector, recorder):
        assert (await _asked(last))["resourceVersion"] == "99"
        await recorder.take(3)

        changes = await recorder.take(4)
        assert changes == [("remove", "b"), ("upsert", "b"), ("upsert", "d"), ("remove", "c")]
        assert recorder.nothing_more
        assert sorted(reflector.known) == ["a", "b", "d"]
        assert reflector.known["b"].uid == "another-life"
        assert reflector.relists == 1


async def test_a_deletion_of_a_former_life_leaves_the_present_one() -> None:
    stream = Stream()
    async with _reflecting(_list(_node("a", uid="new")), stream) as (_, reflector, recorder):
        stream.send_event("DELETED", _node("a", 11, uid="old"))
        stream.send_event("ADDED", _node("b", 12))

        assert await recorder.take(2) == [("upsert", "a"), ("upsert", "b")]
        assert "a" in reflector.known


async def test_a_list_whose_snapshot_expires_is_made_again_in_one_piece() -> None:
    stream = Stream()
    expired = status(410, "Expired", "The provided continue parameter is too old")
    steps = (_list(_node("a"), token="t"), expired, _list(_node("a"), _node("b"), version=20), stream)
    async with _reflecting(*steps) as (server, _, recorder):
        assert (await _asked(stream))["resourceVersion"] == "20"
        assert [each.query for each in server.requests[:3]] == [{"limit": "500"}, {"limit": "500", "continue": "t"}, {}]
        assert await recorder.take(2) == [("upsert", "a"), ("upsert", "b")]


async def test_a_list_that_fails_midway_removes_nothing_and_later_lists_are_paged() -> None:
    stream = Stream()
    expired = status(410, "Expired", "too old")
    steps = (
        _list(_node("a"), _node("b")),
        expired,
        *(_list(_node("a"), token="t"), expired),  # in pages: expires
        cut,  # in one piece: breaks off, and aiohttp asks once more
        cut,
        *(_list(_node("a"), token="t"), _list(version=30)),  # in pages again
        stream,
    )
    async with _reflecting(*steps) as (server, _, recorder):
        await _asked(stream)

        assert await recorder.take(3) == [("upsert", "a"), ("upsert", "b"), ("remove", "b")]
        assert ["limit" in each.query for each in server.requests[2:8]] == [True, True, False, False, True, True]


async def test_while_the_server_is_away_what_is_known_stays_and_the_log_says_it_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    clock = HurriedClock()
    first, back = Stream(), Stream()
    async with _reflecting(_list(_node("a")), first, clock=clock) as (server, reflector, recorder):
        await _asked(first)
        contact = reflector.last_contact
        clock.sleeps.clear()
        await server.stop()
        await clock.slept(30)

        assert list(reflector.known) == ["a"]
        assert reflector.last_contact == contact
        assert 15 < max(clock.sleeps) <= 30
        assert clock.sleeps[0] <= 0.8

        server.steps = [back]
        await server.start()
        assert (await _asked(back))["resourceVersion"] == "10"
        back.send_event("ADDED", _node("b", 11))
        assert await recorder.take(2) == [("upsert", "a"), ("upsert", "b")]
        assert contact is not None
        assert (reflector.last_contact or 0) > contact

    lost = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(lost) == 1
    assert "1 known stay" in lost[0].getMessage()
    assert sum("answers again" in message for message in caplog.messages) == 1


async def test_a_server_that_is_away_at_the_start_is_waited_for() -> None:
    clock = HurriedClock()
    stream = Stream()
    async with serving() as server:
        await server.stop()
        async with client_of(server) as client:
            reflector = _nodes(client, Recorder(), clock)
            async with _running(reflector):
                await clock.slept(5)
                assert not reflector.has_synced
                assert reflector.last_contact is None
                server.steps = [_list(_node("a")), stream]
                await server.start()
                async with asyncio.timeout(10):
                    await reflector.wait_synced()

                assert list(reflector.known) == ["a"]


async def test_a_forbidden_list_is_explained_with_the_missing_rule(caplog: pytest.LogCaptureFixture) -> None:
    refused = status(403, "Forbidden", 'nodes is forbidden: User "x" cannot list resource "nodes"')
    async with _reflecting(refused, refused) as (server, reflector, _):
        async with asyncio.timeout(10):
            await server.silent.wait()
        fault = reflector.fault

    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    for said in (fault, warnings[0]):
        assert "cannot list resource" in said
        assert "grant get, list and watch on nodes" in said


async def test_a_version_the_server_keeps_refusing_is_given_up() -> None:
    stream = Stream()
    refused = status(504, "Timeout", "Too large resource version: 10, current: 3")
    steps = (_list(_node("a")), refused, refused, refused, _list(_node("a"), version=3), stream)
    async with _reflecting(*steps):
        assert (await _asked(stream))["resourceVersion"] == "3"


async def test_refusals_with_an_event_between_them_do_not_add_up() -> None:
    good, last = Stream(), Stream()
    refused = status(500, "InternalError", "etcdserver: leader changed")
    good.send_event("BOOKMARK", _bookmark(11))
    good.end()
    async with _reflecting(_list(_node("a")), refused, refused, good, refused, refused, last):
        assert (await _asked(last))["resourceVersion"] == "11"


async def test_an_overloaded_server_is_not_asked_for_a_new_list() -> None:
    stream = Stream()
    refused = status(429, "TooManyRequests", "please try again later")
    async with _reflecting(_list(_node("a")), *[refused] * 5, stream):
        assert (await _asked(stream))["resourceVersion"] == "10"


async def test_a_line_that_is_no_event_makes_the_watch_begin_again_and_in_the_end_a_list() -> None:
    streams = [Stream() for _ in range(4)]
    for stream in streams[:3]:
        stream.send(b"<html>\n")
    async with _reflecting(_list(_node("a")), *streams[:3], _list(_node("a"), version=20), streams[3]):
        assert (await _asked(streams[2]))["resourceVersion"] == "10"
        assert (await _asked(streams[3]))["resourceVersion"] == "20"


async def test_a_bad_object_in_the_watch_leaves_what_was_known_of_it() -> None:
    stream = Stream()
    async with _reflecting(_list(_node("a")), stream) as (_, reflector, recorder):
        bad = _node("a", 11)
        bad["metadata"]["labels"] = 7
        stream.send_event("MODIFIED", bad)
        stream.send_event("ADDED", _node("b", 12))

        assert await recorder.take(2) == [("upsert", "a"), ("upsert", "b")]
        assert "a" in reflector.known
        assert reflector.skipped == 1


async def test_a_good_watch_resets_the_back_off() -> None:
    clock = HurriedClock()
    good, last = Stream(), Stream()
    async with _reflecting(_list(_node("a")), *[cut] * 16, good, last, clock=clock):
        await _asked(good)
        clock.move_to(clock.monotonic() + 61)
        clock.sleeps.clear()
        good.end()
        await _asked(last)

        assert len(clock.sleeps) == 1
        assert clock.sleeps[0] <= 0.8


async def test_watches_that_are_cut_again_and_again_are_each_resumed_within_a_second() -> None:
    clock = HurriedClock()
    streams = [Stream() for _ in range(12)]
    async with _reflecting(_list(_node("a")), *streams, clock=clock):
        for number, stream in enumerate(streams[:-1]):
            await _asked(stream)
            stream.send_event("BOOKMARK", _bookmark(20 + number))
            stream.drop()
        await _asked(streams[-1])

        pauses = [seconds for seconds in clock.sleeps if seconds]
        assert len(pauses) == 11
        assert max(pauses) <= 1


async def test_an_expired_version_is_listed_anew_without_another_wait() -> None:
    clock = HurriedClock()
    first, last = Stream(), Stream()
    expired = status(410, "Expired", "too old resource version: 10 (99)")
    steps = (_list(_node("a")), first, expired, _list(_node("b"), version=99), last)
    async with _reflecting(*steps, clock=clock) as (_, reflector, _):
        first.send_event("BOOKMARK", _bookmark(10))
        first.drop()
        await _asked(last)

        assert len([seconds for seconds in clock.sleeps if seconds]) == 1  # before the watch was resumed
        assert list(reflector.known) == ["b"]


async def test_versions_that_expire_again_and_again_are_not_listed_without_pause() -> None:
    clock = HurriedClock()
    expired, last = status(410, "Expired", "too old resource version: 10 (99)"), Stream()
    steps = [step for _ in range(8) for step in (_list(_node("a")), expired)]
    async with _reflecting(*steps, _list(_node("a")), last, clock=clock):
        await _asked(last)

        assert len([seconds for seconds in clock.sleeps if seconds]) == 7


async def test_a_watch_that_always_ends_at_once_is_not_restarted_without_pause() -> None:
    clock = HurriedClock()
    streams = [Stream() for _ in range(9)]
    for stream in streams[:8]:
        stream.end()
    async with _reflecting(_list(_node("a")), *streams, clock=clock):
        await _asked(streams[8])

        assert sum(clock.sleeps) > 10


async def test_a_long_page_and_a_long_burst_leave_room_for_others() -> None:
    clock = HurriedClock()
    stream = Stream()
    async with _reflecting(_list(*[_node(f"n{number}") for number in range(500)]), stream, clock=clock) as (
        _,
        _,
        recorder,
    ):
        await _asked(stream)
        assert clock.sleeps == [0] * 5

        events = [json.dumps({"type": "DELETED", "object": _node(f"n{number}", 11 + number)}) for number in range(250)]
        stream.send("".join(f"{event}\n" for event in events).encode())
        await recorder.take(750)
        assert clock.sleeps == [0] * 7


async def test_an_error_of_the_handler_is_not_swallowed() -> None:
    class Broken(Recorder):
        def upsert(self, item: NodeInfo | PodInfo) -> None:
            raise ZeroDivisionError

    async with serving(_list(_node("a"))) as server, client_of(server) as client:
        with pytest.raises(ZeroDivisionError):
            await _nodes(client, Broken()).run()
