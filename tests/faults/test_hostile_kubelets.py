"""A hostile kubelet beside a good one, on real sockets with TLS: what becomes of each, and of our memory.

The numbers are rows of the fault catalogue in docs/reliability.md.
"""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Callable

import pytest

from metrics_api.clock import SystemClock
from metrics_api.errors import ScrapeError
from metrics_api.kubelet.options import EndpointMode
from metrics_api.localcluster.fleet.behaviour import Behaviour, DropConnection, Fail, ForbidStats, Hang
from metrics_api.localcluster.fleet.hostile import Drip, Flaky, Flood, FloodHeaders, GzipBomb, Say, SendRaw, Truncate
from metrics_api.model import Endpoint, NodeInfo, NodeSamples
from tests.faults.harness import BAD, GOOD, Harness, harness

DEADLINE = 0.3
MEMORY = 48 << 20
"""Bytes that one scrape may take at its worst: the largest answer, twice while it grows, and the fleet's own."""
_DEEP = b'{"node":{"nodeName":"node-00000"},"pods":' + b"[" * 100_000
_MISMATCH = b'{"node":{"nodeName":"node-00001","cpu":{}},"pods":[]}'
_NAN = b'{"node":{"nodeName":"node-00000","cpu":{"time":"2026-09-01T12:00:00Z","usageCoreNanoSeconds":NaN}},"pods":[]}'


Made = Callable[[], Behaviour]

FAULTS: list[tuple[str, str, Made, EndpointMode]] = [
    ("1 hang", "timeout", Hang, "summary"),
    ("2 slow drip", "timeout", lambda: Drip(SystemClock(), 0.02), "summary"),
    ("4 reset instead of an answer", "reset", DropConnection, "summary"),
    ("8 401", "unauthorized", lambda: Fail(401, "Unauthorized"), "summary"),
    ("9 403", "forbidden", ForbidStats, "summary"),
    ("10 404", "not_found", lambda: Fail(404, "404: Page Not Found"), "summary"),
    ("10 501", "not_found", lambda: Fail(501, "not implemented"), "summary"),
    ("11 429", "status", lambda: Fail(429, "slow down"), "summary"),
    ("12 500 of a kubelet that just started", "status", Fail, "summary"),
    ("13 500 of authorization", "status", lambda: Fail(500, "Authorization error (user=a, verb=get)"), "summary"),
    ("14 a login page", "decode", lambda: Say(b"<html>log in</html>", content_type="text/html"), "summary"),
    ("14 a login page for the resource document", "decode", lambda: Say(b"<html>log in</html>"), "resource"),
    ("15 a redirect", "redirect", lambda: Say(b"", 302, headers=(("Location", "https://evil/"),)), "summary"),
    ("16 a death in mid-answer", "reset", Truncate, "summary"),
    ("16 a death in mid-answer of the resource document", "reset", Truncate, "resource"),
    ("16 an empty body", "decode", Say, "summary"),
    ("17 1 GiB in chunks", "too_large", Flood, "summary"),
    ("17 1 GiB announced", "too_large", lambda: Flood(announced=True), "summary"),
    ("17 1 GiB of resource document", "too_large", Flood, "resource"),
    ("18 a gzip bomb", "too_large", GzipBomb, "resource"),
    ("18 two layers of gzip", "decode", lambda: GzipBomb(1 << 20, 2), "resource"),
    ("18 an encoding that was not asked for", "decode", lambda: GzipBomb(1 << 20), "summary"),
    ("19 a flood of headers", "too_large", FloodHeaders, "summary"),
    ("19 a flood of interim responses", "protocol", lambda: FloodHeaders(interim=True), "summary"),
    ("7 no HTTP at all", "protocol", lambda: SendRaw(b"SSH-2.0-OpenSSH_9.6\r\n" * 4), "summary"),
    ("20 NaN", "decode", lambda: Say(_NAN), "summary"),
    ("26 deep nesting", "decode", lambda: Say(_DEEP), "summary"),
    ("29 null", "decode", lambda: Say(b"null"), "summary"),
    ("29 a list", "decode", lambda: Say(b"[]"), "summary"),
    ("45 another node's name", "wrong_node", lambda: Say(_MISMATCH), "summary"),
]


@pytest.mark.parametrize(("reason", "made", "endpoint"), [fault[1:] for fault in FAULTS], ids=[f[0] for f in FAULTS])
async def test_a_bad_node_fails_with_its_reason_within_bounds_and_the_good_one_is_scraped(
    reason: str, made: Made, endpoint: EndpointMode
) -> None:
    async with harness(endpoint) as bench:
        bench.fleet.behave(BAD, made())
        slow = reason == "timeout"
        GzipBomb().packed()  # what the fleet itself needs to pack it is not what is measured
        tracemalloc.start()
        try:
            failed, good = await asyncio.gather(
                bench.scrape(BAD, DEADLINE if slow else 5.0), bench.scrape(GOOD), return_exceptions=True
            )
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        bench.fleet.behave(BAD, None)
        healed = await bench.scrape(BAD)

    assert isinstance(failed, ScrapeError), failed
    assert failed.reason == reason, str(failed)
    assert str(failed).isprintable()
    assert len(str(failed)) < 1000
    assert isinstance(good, NodeSamples)
    assert good.node is not None
    assert len(good.pods) == 4
    assert peak < MEMORY
    assert len(healed.pods) == 4


async def test_a_hundred_hung_nodes_cost_a_scrape_of_the_good_one_nothing() -> None:
    async with harness() as bench:
        bench.fleet.behave(BAD, Hang())
        clones = [
            NodeInfo(
                name=f"hung-{number}",
                uid=f"hung-{number}",
                labels={},
                addresses=bench.nodes[BAD].addresses,
                kubelet_port=bench.nodes[BAD].kubelet_port,
            )
            for number in range(100)
        ]
        hanging = [asyncio.create_task(bench.client.scrape(each, deadline=30)) for each in clones]
        await asyncio.sleep(0)
        good = await bench.scrape(GOOD)
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)

    assert len(good.pods) == 4


async def test_forbidden_statistics_lead_to_the_resource_document_on_the_wire() -> None:
    async with harness("auto") as bench:
        bench.fleet.behave(BAD, ForbidStats())
        samples = await bench.scrape(BAD)

    assert samples.endpoint is Endpoint.RESOURCE
    assert len(samples.pods) == 4


async def test_a_wait_that_a_node_asks_for_is_heard() -> None:
    async with harness() as bench:
        bench.fleet.behave(BAD, Say(b"slow down", 429, headers=(("Retry-After", "7"),)))
        with pytest.raises(ScrapeError) as caught:
            await bench.scrape(BAD)

    assert caught.value.retry_after == 7
    assert caught.value.status == 429


async def test_a_flaky_node_answers_its_share_of_requests() -> None:
    async with harness() as bench:
        bench.fleet.behave(BAD, Flaky(0.5))
        results = [await _outcome(bench) for _ in range(40)]

    assert 10 < results.count("status") < 30
    assert results.count("ok") == 40 - results.count("status")


async def _outcome(bench: Harness) -> str:
    try:
        await bench.scrape(BAD)
    except ScrapeError as error:
        return error.reason
    return "ok"
