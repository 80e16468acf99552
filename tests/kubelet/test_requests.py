"""What is sent, and to whom the token is not."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

import pytest

from metrics_api import __version__
from metrics_api.errors import KubeConfigError, ScrapeError
from metrics_api.kubelet.requests import Authorization, build_target
from metrics_api.kubelet.routes import Route
from metrics_api.model import Endpoint
from tests.fakes import FakeClock
from tests.kubelet.documents import node
from tests.kubelet.fakes import Tokens

ROUTE = Route("10.0.0.7", ip_address("10.0.0.7"), 10250)


def test_a_summary_is_asked_for_to_the_letter() -> None:
    target = build_target(node(), ROUTE, Endpoint.SUMMARY, tls=True)
    assert target.head == (
        b"GET /stats/summary?only_cpu_and_memory=true HTTP/1.1\r\n"
        b"Host: 10.0.0.7:10250\r\n"
        b"User-Agent: metrics-api/" + __version__.encode() + b"\r\n"
        b"Accept: application/json\r\n"
        b"Accept-Encoding: identity\r\n"
    )
    assert (target.node_uid, target.route, target.max_body, target.tls) == ("uid-node-a", ROUTE, 16 << 20, True)


def test_a_resource_document_is_asked_for_as_text_and_packed() -> None:
    route = Route("fd00::7", ip_address("fd00::7"), 10247)
    target = build_target(node(resource_metrics_path="/metrics/kwok"), route, Endpoint.RESOURCE, tls=False)
    lines = target.head.decode().split("\r\n")
    assert lines[:2] == ["GET /metrics/kwok HTTP/1.1", "Host: [fd00::7]:10247"]
    assert "Accept: text/plain;version=0.0.4" in lines
    assert "Accept-Encoding: gzip" in lines
    assert (target.max_body, target.tls) == (4 << 20, False)


def test_a_path_that_is_not_asked_makes_no_request() -> None:
    with pytest.raises(ScrapeError):
        build_target(node(resource_metrics_path="/exec/a"), ROUTE, Endpoint.RESOURCE, tls=True)


async def test_the_token_is_sent_over_tls() -> None:
    authorization = Authorization(Tokens("abc.def-g_h"), FakeClock(), tls=True)
    assert await authorization.header(ROUTE) == b"Authorization: Bearer abc.def-g_h\r\n"


async def test_a_refused_token_is_read_anew() -> None:
    tokens = Tokens("old", "new")
    authorization = Authorization(tokens, FakeClock(), tls=True)
    refused = await authorization.header(ROUTE)
    assert refused == b"Authorization: Bearer old\r\n"
    assert await authorization.renew(refused)
    assert await authorization.header(ROUTE) == b"Authorization: Bearer new\r\n"
    assert tokens.refreshed == 1


async def test_a_whole_fleet_that_refuses_the_token_has_it_read_once() -> None:
    tokens = Tokens("old", "new", "newer")
    authorization = Authorization(tokens, FakeClock(), tls=True)
    refused = await authorization.header(ROUTE)
    renewed = await asyncio.gather(*(authorization.renew(refused) for _ in range(500)))
    assert all(renewed)
    assert tokens.refreshed == 1


async def test_a_token_that_stays_the_same_is_read_once_in_five_seconds_and_not_worth_another_try() -> None:
    tokens, clock = Tokens("only"), FakeClock()
    authorization = Authorization(tokens, clock, tls=True)
    refused = await authorization.header(ROUTE)
    assert not any([await authorization.renew(refused) for _ in range(100)])
    assert tokens.refreshed == 1
    await clock.advance(5)
    await authorization.renew(refused)
    assert tokens.refreshed == 2


@pytest.mark.parametrize(
    ("route", "tls"),
    [(ROUTE, False), (ROUTE._replace(port=10255), True), (ROUTE._replace(port=10255), False)],
    ids=["plain HTTP", "read-only port", "both"],
)
async def test_the_token_is_not_even_read_where_it_may_not_be_sent(route: Route, tls: bool) -> None:
    tokens = Tokens("abc")
    authorization = Authorization(tokens, FakeClock(), tls=tls)
    assert await authorization.header(route) == b""
    assert tokens.read == 0
    assert tokens.refreshed == 0


@pytest.mark.parametrize("token", [None, ""])
async def test_without_a_token_there_is_no_header(token: str | None) -> None:
    authorization = Authorization(Tokens(token), FakeClock(), tls=True)
    assert await authorization.header(ROUTE) == b""


@pytest.mark.parametrize("token", ["a b", "a\r\nX: y", "a\n", "é", "\x00"])
async def test_a_token_that_would_break_the_request_is_not_sent_and_not_shown(token: str) -> None:
    with pytest.raises(ScrapeError) as caught:
        await Authorization(Tokens(token), FakeClock(), tls=True).header(ROUTE)
    assert caught.value.reason == "unauthorized"
    assert token not in str(caught.value)


async def test_credentials_that_fail_are_a_failure_of_the_scrape() -> None:
    class Broken:
        async def token(self, *, refresh: bool = False) -> str | None:
            del refresh
            raise KubeConfigError("token file is gone")

    with pytest.raises(ScrapeError, match="token file is gone") as caught:
        await Authorization(Broken(), FakeClock(), tls=True).header(ROUTE)
    assert caught.value.reason == "unauthorized"
