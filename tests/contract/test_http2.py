"""HTTP/2 towards an extension server (contract §1.4): connections shared, and what breaks on them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx
import pytest
from h2.errors import ErrorCodes

from tests.contract.cluster import (
    API_SERVICES,
    ENDPOINT_SLICES,
    NODES,
    PATH,
    SERVICES,
    Cluster,
    api_service,
    endpoint_slice,
    service,
)
from tests.localcluster.aggregation.http2_backend import Behaviour, Exchange, Http2Backend, http2_backend

Serve = Callable[[Behaviour], AbstractAsyncContextManager[Http2Backend]]
WATCH = {"watch": "true"}


@pytest.fixture
def serve(cluster: Cluster) -> Serve:
    """Start a backend of a certain behaviour that is Available."""

    @asynccontextmanager
    async def started(behave: Behaviour) -> AsyncIterator[Http2Backend]:
        host = cluster.backend.place.host
        async with http2_backend(behave, host=host) as backend:
            await cluster.create(SERVICES, service())
            await cluster.create(ENDPOINT_SLICES, endpoint_slice(host, backend.port))
            await cluster.create(API_SERVICES, api_service())
            await cluster.condition("True")
            await cluster.proxied(PATH)
            yield backend

    return started


def once(first: Callable[[Exchange], Awaitable[None]]) -> Behaviour:
    """Return a behaviour that differs for the first request."""
    seen: list[Exchange] = []

    async def behave(exchange: Exchange) -> None:
        seen.append(exchange)
        await (first(exchange) if len(seen) == 1 else exchange.answer(b"served"))

    return behave


async def test_http2_is_used_where_a_backend_offers_it(cluster: Cluster, serve: Serve) -> None:
    async with serve(lambda exchange: exchange.answer(b"served")) as backend:
        response = await cluster.admin.get(NODES, params={"b": "2 3", "a": "1"}, headers={"X-Own": "yes"})

    assert response.text == "served"
    (request,) = backend.requests(NODES)
    assert request.values(":method") == ["GET"]
    assert request.values(":scheme") == ["https"]
    assert request.values(":path") == [f"{NODES}?a=1&b=2+3"]
    assert request.values(":authority") == [f"{cluster.backend.place.host}:{backend.port}"]
    assert request.values("x-remote-user") == ["kubernetes-admin"]
    assert request.values("x-remote-group") == ["system:masters", "system:authenticated"]
    assert request.values("x-own") == ["yes"]
    names = {name for name, _ in request.headers}
    assert not names & {"host", "connection", "transfer-encoding", "authorization"}


async def test_probes_name_a_client_of_http2(cluster: Cluster, serve: Serve) -> None:
    async with serve(lambda exchange: exchange.answer()) as backend:
        probes = [each for each in backend.requests(PATH) if each.values("x-remote-user") == ["system:kube-aggregator"]]

    assert {value for probe in probes for value in probe.values("user-agent")} >= {"Go-http-client/2.0"}


async def test_requests_share_a_connection_at_the_same_time(cluster: Cluster, serve: Serve) -> None:
    both = asyncio.Barrier(2)

    async def together(exchange: Exchange) -> None:
        await both.wait()
        await exchange.answer(b"served")

    async with serve(together) as backend:
        await asyncio.gather(cluster.admin.get(NODES), cluster.admin.get(NODES))

    assert len({each.connection.number for each in backend.requests(NODES)}) == 1


async def test_a_body_larger_than_any_window_arrives_whole_both_ways(cluster: Cluster, serve: Serve) -> None:
    large = bytes(range(256)) * 20_000  # 5 MB

    async with serve(lambda exchange: exchange.answer(large)) as backend:
        response = await cluster.admin.post(NODES, content=large[: 2 << 20])

    assert response.content == large
    assert backend.requests(NODES)[0].body == large[: 2 << 20]


async def test_a_request_that_the_backend_refused_to_look_at_is_sent_again(cluster: Cluster, serve: Serve) -> None:
    async def refuse(exchange: Exchange) -> None:
        exchange.reset(ErrorCodes.REFUSED_STREAM)

    async with serve(once(refuse)) as backend:
        response = await cluster.admin.delete(NODES)

    assert response.text == "served"
    assert len(backend.requests(NODES)) == 2


async def test_a_refused_request_with_a_body_is_not_sent_again(cluster: Cluster, serve: Serve) -> None:
    async def refuse(exchange: Exchange) -> None:
        exchange.reset(ErrorCodes.REFUSED_STREAM)

    async with serve(once(refuse)) as backend:
        response = await cluster.admin.post(NODES, content=b"body")

    assert response.status_code == 503
    assert len(backend.requests(NODES)) == 1


async def test_a_reset_before_the_response_is_answered_503(cluster: Cluster, serve: Serve) -> None:
    async def reset(exchange: Exchange) -> None:
        exchange.reset(ErrorCodes.INTERNAL_ERROR)

    async with serve(once(reset)) as backend:
        response = await cluster.admin.get(NODES)
        again = await cluster.admin.get(NODES)

    stream = backend.requests(NODES)[0].stream
    said = f"stream error: stream ID {stream}; INTERNAL_ERROR; received from peer"
    assert (response.status_code, response.text) == (503, f"error trying to reach service: {said}\n")
    assert again.text == "served"
    assert len({each.connection.number for each in backend.requests(NODES)}) == 1


async def test_a_reset_within_the_response_breaks_it_off(cluster: Cluster, serve: Serve) -> None:
    async def half(exchange: Exchange) -> None:
        exchange.head(200, ("content-length", "10"))
        await exchange.data(b"half")
        exchange.reset(ErrorCodes.INTERNAL_ERROR)

    async with serve(half):
        with pytest.raises(httpx.RemoteProtocolError):
            await cluster.admin.get(NODES)


async def test_a_connection_that_dies_before_the_response_is_answered_503(cluster: Cluster, serve: Serve) -> None:
    async def drop(exchange: Exchange) -> None:
        exchange.connection.writer.close()

    async with serve(once(drop)) as backend:
        response = await cluster.admin.get(NODES)
        again = await cluster.admin.get(NODES)

    assert (response.status_code, response.text) == (503, "error trying to reach service: unexpected EOF\n")
    assert again.text == "served"
    assert len(backend.requests(NODES)) == 2


async def test_a_backend_that_shuts_down_answers_what_it_has_begun_and_gets_the_rest_elsewhere(
    cluster: Cluster, serve: Serve
) -> None:
    async def shut_down(exchange: Exchange) -> None:
        exchange.connection.go_away(exchange.stream)
        await exchange.answer(b"the last")

    async with serve(once(shut_down)) as backend:
        last = await cluster.admin.get(NODES)
        after = await cluster.admin.get(NODES)

    assert (last.text, after.text) == ("the last", "served")
    first, second = backend.requests(NODES)
    assert first.connection.number != second.connection.number


async def test_a_request_that_a_shutdown_left_unseen_is_sent_again(cluster: Cluster, serve: Serve) -> None:
    async def unseen(exchange: Exchange) -> None:
        exchange.connection.go_away(exchange.stream - 2)

    async with serve(once(unseen)) as backend:
        response = await cluster.admin.get(NODES)

    assert response.text == "served"
    first, second = backend.requests(NODES)
    assert first.connection.number != second.connection.number


async def test_a_goodbye_for_cause_is_named_in_the_503(cluster: Cluster, serve: Serve) -> None:
    async def give_up(exchange: Exchange) -> None:
        exchange.connection.go_away(exchange.stream, ErrorCodes.ENHANCE_YOUR_CALM)
        exchange.connection.writer.close()

    async with serve(once(give_up)) as backend:
        response = await cluster.admin.get(NODES)

    said = "http2: server sent GOAWAY and closed the connection; LastStreamID={}, ErrCode=ENHANCE_YOUR_CALM"
    assert response.status_code == 503
    assert said.format(backend.requests(NODES)[0].stream) in response.text


async def test_a_watch_that_its_client_has_left_is_cancelled_and_the_connection_lives_on(
    cluster: Cluster, serve: Serve
) -> None:
    async def begin(exchange: Exchange) -> None:
        exchange.head()
        await exchange.data(b'{"type":"ADDED"}\n')

    async with serve(once(begin)) as backend:
        async with cluster.admin.stream("GET", NODES, params=WATCH) as response:
            assert await anext(response.aiter_lines()) == '{"type":"ADDED"}'
        (watch,) = backend.requests(NODES)
        async with asyncio.timeout(10):
            await watch.cancelled.wait()
        again = await cluster.admin.get(NODES)

    assert again.text == "served"
    assert backend.requests(NODES)[1].connection is watch.connection


async def test_a_request_for_another_protocol_goes_over_http1(cluster: Cluster, serve: Serve) -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
    async with serve(lambda exchange: exchange.answer()) as backend:
        response = await cluster.admin.get(NODES, headers=headers)

    assert response.status_code == 404
    assert backend.protocols[-1] in (None, "http/1.1")
    assert not backend.requests(NODES)
