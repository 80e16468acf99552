from __future__ import annotations

import json

import httpx
import pytest

from metrics_api.localcluster.fleet.behaviour import Delay, DropConnection, Fail, ForbidStats, Hang
from metrics_api.localcluster.fleet.exchange import Exchange
from metrics_api.timetext import parse_rfc3339
from tests.fakes import FakeClock, settle
from tests.localcluster.fleet.nodes import EPOCH
from tests.localcluster.fleet.wire import RESOURCE, SUMMARY, RawConnection, ask, make_fleet, until


async def test_a_hanging_kubelet_takes_the_request_and_says_nothing() -> None:
    async with make_fleet() as fleet:
        fleet.behave("node-00000", Hang())
        counts = fleet.counts["node-00000"]
        connection = await RawConnection.to(fleet)
        connection.request()
        await until(lambda: counts.received["/stats/summary"] == 1)
        fleet.behave("node-00000", None)
        healthy = await ask(fleet)  # on a connection of its own, after the other one

        assert healthy.status_code == 200
        assert counts.answered == {("/stats/summary", 200): 1}
        await connection.close()


async def test_one_node_s_behaviour_is_not_another_s() -> None:
    async with make_fleet(2, 1) as fleet:
        fleet.behave("node-00000", Fail())

        assert (await ask(fleet, node="node-00000")).status_code == 500
        assert (await ask(fleet, node="node-00001")).status_code == 200


async def test_a_failing_kubelet_says_why() -> None:
    async with make_fleet() as fleet:
        fleet.behave("node-00000", Fail(503, "not now"))
        answer = await ask(fleet)
        fleet.behave("node-00000", None)
        healed = await ask(fleet)

    assert (answer.status_code, answer.text) == (503, "not now")
    assert healed.status_code == 200


async def test_forbidden_stats_leave_the_metrics() -> None:
    async with make_fleet() as fleet:
        fleet.behave("node-00000", ForbidStats())

        assert (await ask(fleet, SUMMARY)).status_code == 403
        assert (await ask(fleet, RESOURCE)).status_code == 200


async def test_a_dropped_connection_ends_without_an_answer() -> None:
    async with make_fleet() as fleet:
        fleet.behave("node-00000", DropConnection())
        with pytest.raises(httpx.TransportError):
            await ask(fleet)

        assert fleet.counts["node-00000"].received["/stats/summary"] == 1
        assert not fleet.counts["node-00000"].answered


async def test_a_late_answer_is_of_the_time_it_is_sent() -> None:
    clock = FakeClock(EPOCH)
    async with make_fleet(clock=clock, sampling="on_demand") as fleet:
        fleet.behave("node-00000", Delay(clock, 7.0))
        connection = await RawConnection.to(fleet)
        connection.request()
        await until(lambda: 7.0 in clock.sleeps)
        await clock.advance(6.9)
        assert not fleet.counts["node-00000"].answered
        await clock.advance(0.1)
        await connection.head()
        document = json.loads(await connection.chunk())
        await connection.close()

    assert parse_rfc3339(document["node"]["cpu"]["time"]) == EPOCH + 7


class Drip:
    """A behaviour of a test's own, which writes what is no whole answer."""

    def __init__(self) -> None:
        self.cancelled = False

    async def serve(self, exchange: Exchange) -> None:
        await exchange.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n")
        try:
            await Hang().serve(exchange)
        finally:
            self.cancelled = True


async def test_a_behaviour_may_write_what_it_likes_and_ends_with_the_client() -> None:
    drip = Drip()
    async with make_fleet() as fleet:
        fleet.behave("node-00000", drip)
        connection = await RawConnection.to(fleet)
        connection.request()
        await connection.head()
        assert await connection.chunk() == b"{"
        await connection.close()
        await until(lambda: drip.cancelled)


async def test_stopping_the_fleet_ends_requests_that_hang() -> None:
    drip = Drip()
    async with make_fleet() as fleet:
        fleet.behave("node-00000", drip)
        connection = await RawConnection.to(fleet)
        connection.request()
        await connection.head()
    await settle()
    await connection.close()

    assert drip.cancelled
