"""A scrape: which documents are asked for, with which token, and how an answer is read."""

from __future__ import annotations

import asyncio
import gzip
import time
from ipaddress import ip_address

import pytest

from metrics_api.errors import DecodeError, ScrapeError
from metrics_api.kubelet.http1 import Response
from metrics_api.kubelet.options import KubeletOptions
from metrics_api.kubelet.transport import Target
from metrics_api.model import Endpoint
from metrics_api.timetext import parse_rfc3339
from tests.kubelet.documents import NOW, node, read
from tests.kubelet.fakes import (
    ADDRESSES,
    RESOURCE,
    SUMMARY,
    Tokens,
    asked_node,
    by_path,
    failure,
    make,
)


async def test_a_scrape_gives_the_summarys_samples_with_our_times_and_the_servers() -> None:
    client, transport, _ = make(lambda _: Response(200, SUMMARY, date=b"Tue, 01 Sep 2026 12:00:03 GMT"))
    samples = await client.scrape(asked_node(), deadline=10)
    assert samples.endpoint is Endpoint.SUMMARY
    assert [each.name for each in samples.pods] == ["web-0"]
    assert (samples.requested, samples.received) == (NOW, NOW)
    assert samples.server_time == parse_rfc3339("2026-09-01T12:00:03Z")
    assert transport.headers == [b"Authorization: Bearer token-1\r\n"]
    assert transport.deadlines == [10]
    assert (transport.asked[0].route.ip, transport.asked[0].route.port) == (ip_address("10.0.0.7"), 10250)


async def test_an_answer_that_waits_for_its_turn_past_the_deadline_counts() -> None:
    def answer(_: Target) -> Response:
        asyncio.get_running_loop().call_soon(time.sleep, 0.15)  # what keeps us busy: three times, longer than the grace
        return Response(200, SUMMARY)

    client, _, _ = make(answer)
    scrapes = [client.scrape(asked_node(), deadline=0.01) for _ in range(4)]
    assert [each.endpoint for each in await asyncio.gather(*scrapes)] == [Endpoint.SUMMARY] * 4


async def test_how_a_node_was_asked_is_told() -> None:
    client, _, _ = make(by_path(Response(403, b"no")))
    asked = asked_node()
    assert client.way(asked.uid) is None
    await client.scrape(asked, deadline=10)
    assert client.way(asked.uid) == ("10.0.0.7", "10.0.0.7", 10250, Endpoint.RESOURCE)
    client.forget(asked.uid)
    assert client.way(asked.uid) is None


@pytest.mark.parametrize("date", [b"", b"soon", b"\xff", b"Tue, 99 Sep 2026 12:00:03 GMT"])
async def test_a_date_that_is_none_is_unknown(date: bytes) -> None:
    client, _, _ = make(lambda _: Response(200, SUMMARY, date=date))
    assert (await client.scrape(asked_node(), deadline=10)).server_time is None


async def test_what_is_sent_to_a_node_is_made_once() -> None:
    client, transport, _ = make(lambda _: Response(200, SUMMARY))
    for _ in range(3):
        await client.scrape(asked_node(), deadline=10)
    assert transport.asked[0] is transport.asked[1] is transport.asked[2]


@pytest.mark.parametrize("status", [403, 404, 405, 406, 501])
async def test_a_refused_summary_is_replaced_within_the_scrape_and_not_asked_for_again(status: int) -> None:
    client, transport, clock = make(by_path(Response(status, b"no")))
    for _ in range(2):
        samples = await client.scrape(asked_node(), deadline=10)
        assert samples.endpoint is Endpoint.RESOURCE
    assert transport.paths == ["/stats/summary", "/metrics/resource", "/metrics/resource"]
    clock.move_to(clock.monotonic() + 601)
    await client.scrape(asked_node(), deadline=10)
    assert transport.paths[3:] == ["/stats/summary", "/metrics/resource"]


@pytest.mark.parametrize("status", [400, 429, 500, 503, 302])
async def test_other_failures_do_not_lead_to_the_other_document(status: int) -> None:
    client, transport, _ = make(by_path(Response(status, b"no")))
    assert (await failure(client)).status == status
    assert transport.paths == ["/stats/summary"]


async def test_a_timeout_does_not_lead_to_the_other_document() -> None:
    def answer(target: Target) -> Response:
        raise ScrapeError("timeout", "late")

    client, transport, _ = make(answer)
    assert (await failure(client)).reason == "timeout"
    assert transport.paths == ["/stats/summary"]


async def test_where_both_documents_are_forbidden_the_first_refusal_is_told() -> None:
    client, transport, _ = make(by_path(Response(403, b"no"), Response(403, b"neither")))
    for _ in range(2):
        error = await failure(client)
        assert error.reason == "forbidden"
        assert "nodes/stats and nodes/metrics" in str(error)
    assert transport.paths == ["/stats/summary", "/metrics/resource"] * 2, "403 counts only while the other works"


async def test_when_the_other_document_fails_otherwise_that_is_told_and_a_403_is_not_remembered() -> None:
    client, transport, _ = make(by_path(Response(403, b"no"), Response(500, b"broken")))
    for _ in range(2):
        assert (await failure(client)).status == 500
    assert transport.paths == ["/stats/summary", "/metrics/resource"] * 2


async def test_a_fixed_endpoint_is_all_that_is_asked() -> None:
    for endpoint, path in (("summary", "/stats/summary"), ("resource", "/metrics/resource")):
        options = KubeletOptions(address_types=("InternalIP",), endpoint=endpoint)  # type: ignore[arg-type] # from a tuple
        client, transport, _ = make(lambda _: Response(404, b""), options=options)
        assert (await failure(client)).reason == "not_found"
        assert transport.paths == [path]


async def test_an_annotated_path_is_asked_for_the_resource_document() -> None:
    client, transport, _ = make(lambda _: Response(200, read("resource_kwok.txt")))
    kwok = node("kwok-0", addresses=ADDRESSES, resource_metrics_path="/metrics/nodes/kwok-0/metrics/resource")
    samples = await client.scrape(kwok, deadline=10)
    assert (samples.endpoint, samples.unstamped) == (Endpoint.RESOURCE, True)
    assert transport.paths == ["/metrics/nodes/kwok-0/metrics/resource"]


async def test_after_three_nodes_forbid_summary_others_are_not_asked_for_it() -> None:
    client, transport, _ = make(by_path(Response(403, b"no")))
    for number in range(5):
        await client.scrape(asked_node(f"node-{number}"), deadline=10)
    assert transport.paths.count("/stats/summary") == 3


async def test_a_401_is_tried_once_more_with_a_fresh_token() -> None:
    def answer(target: Target) -> Response:
        return Response(200, SUMMARY) if transport.headers[-1].endswith(b"token-2\r\n") else Response(401, b"no")

    tokens = Tokens("token-1", "token-2")
    client, transport, _ = make(answer, tokens=tokens)
    await client.scrape(asked_node(), deadline=10)
    assert tokens.refreshed == 1
    assert len(transport.asked) == 2


async def test_a_second_401_is_the_end_of_it() -> None:
    client, transport, _ = make(lambda _: Response(401, b"Unauthorized"))
    assert (await failure(client)).reason == "unauthorized"
    assert len(transport.asked) == 2


async def test_a_401_without_a_token_is_not_tried_again() -> None:
    client, transport, _ = make(lambda _: Response(401, b"Unauthorized"), tokens=Tokens(None))
    assert (await failure(client)).reason == "unauthorized"
    assert transport.headers == [b""]


async def test_nothing_secret_goes_over_plain_http_or_to_the_read_only_port() -> None:
    plain = KubeletOptions(address_types=("InternalIP",), plain_http=True)
    read_only = KubeletOptions(address_types=("InternalIP",), port=10255)
    for options in (plain, read_only):
        client, transport, _ = make(lambda _: Response(200, SUMMARY), options=options)
        await client.scrape(asked_node(), deadline=10)
        assert transport.headers == [b""]
        assert transport.asked[0].tls is not options.plain_http


@pytest.mark.parametrize(
    ("endpoint", "encoding", "accepted"),
    [
        ("summary", b"", True),
        ("summary", b"Identity", True),
        ("summary", b"gzip", False),
        ("summary", b"br", False),
        ("resource", b"GZIP", True),
        ("resource", b"gzip, gzip", False),
        ("resource", b"zstd", False),
    ],
)
async def test_only_the_encoding_that_was_asked_for_is_read(endpoint: str, encoding: bytes, accepted: bool) -> None:
    body = SUMMARY if endpoint == "summary" else RESOURCE
    if b"gzip" in encoding.lower():
        body = gzip.compress(body)
    options = KubeletOptions(address_types=("InternalIP",), endpoint=endpoint)  # type: ignore[arg-type] # from a table
    client, _, _ = make(lambda _: Response(200, body, content_encoding=encoding), options=options)
    if accepted:
        assert (await client.scrape(asked_node(), deadline=10)).node is not None or endpoint == "summary"
    else:
        with pytest.raises(DecodeError, match="encoding"):
            await client.scrape(asked_node(), deadline=10)


async def test_a_gzip_bomb_is_too_large() -> None:
    options = KubeletOptions(address_types=("InternalIP",), endpoint="resource")
    bomb = Response(200, gzip.compress(bytes(1 << 22)), content_encoding=b"gzip")
    client, _, _ = make(lambda _: bomb, options=options)
    assert (await failure(client)).reason == "too_large"


async def test_a_content_type_is_not_insisted_on() -> None:
    client, _, _ = make(lambda _: Response(200, SUMMARY, b"text/plain; charset=utf-8"))
    assert len((await client.scrape(asked_node(), deadline=10)).pods) == 1


async def test_credentials_that_never_come_end_with_the_deadline() -> None:
    class Stuck(Tokens):
        async def token(self, *, refresh: bool = False) -> str | None:
            await asyncio.get_running_loop().create_future()
            return None

    client, _, _ = make(lambda _: Response(200, SUMMARY), tokens=Stuck())
    with pytest.raises(ScrapeError, match="all the time") as caught:
        await client.scrape(asked_node(), deadline=0.01)
    assert caught.value.reason == "timeout"


async def test_a_401_is_not_tried_again_with_the_same_token() -> None:
    client, transport, _ = make(lambda _: Response(401, b"Unauthorized"), tokens=Tokens("only"))
    assert (await failure(client)).reason == "unauthorized"
    assert len(transport.asked) == 1


async def test_the_bytes_of_bodies_are_counted_by_document() -> None:
    client, _, _ = make(by_path(Response(403, b"no"), Response(200, RESOURCE)))
    await client.scrape(asked_node(), deadline=10)
    assert client.body_bytes == {Endpoint.SUMMARY: 2, Endpoint.RESOURCE: len(RESOURCE)}
