"""What a client sees of an extension server's response, whole or broken (contract §1.5 end, §1.6)."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable

import httpx
import pytest

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
from tests.localcluster.aggregation.extension_server import ExtensionServer, answer, hang
from tests.localcluster.aggregation.raw_backend import Connection, raw_backend

TEXT = "text/plain; charset=utf-8"
TIMED_OUT = {  # it lacks kind and apiVersion
    "metadata": {},
    "status": "Failure",
    "message": "Timeout: request did not complete within the allotted timeout",
    "reason": "Timeout",
    "details": {},
    "code": 504,
}
UNAVAILABLE = (503, TEXT, "service unavailable\n")
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


def seen(response: httpx.Response) -> tuple[int, str, str]:
    return response.status_code, response.headers["content-type"], response.text


@pytest.fixture
async def proxied(cluster: Cluster, extension: ExtensionServer) -> ExtensionServer:
    """The extension server, Available."""
    await cluster.available(extension)
    await cluster.proxied(PATH)
    return extension


@pytest.mark.parametrize("status", [200, 201, 404, 405, 418, 500])
async def test_status_headers_and_body_come_back(cluster: Cluster, proxied: ExtensionServer, status: int) -> None:
    headers = [("content-type", "application/x-own"), ("etag", '"abc"'), ("x-own", "1"), ("x-own", "2")]
    proxied.routes[NODES] = answer(status, b"bytes\x00as they are", headers)
    response = await cluster.admin.get(NODES)

    assert (response.status_code, response.content) == (status, b"bytes\x00as they are")
    assert response.headers["content-type"] == "application/x-own"
    assert response.headers["etag"] == '"abc"'
    assert response.headers.get_list("x-own") == ["1", "2"]


async def test_headers_for_browsers_are_removed(cluster: Cluster, proxied: ExtensionServer) -> None:
    proxied.routes[NODES] = answer(200, b"{}", [("access-control-allow-origin", "*")])

    assert "access-control-allow-origin" not in (await cluster.admin.get(NODES)).headers


async def test_the_api_server_adds_headers_and_the_extension_servers_stay_beside_them(
    cluster: Cluster, proxied: ExtensionServer
) -> None:
    proxied.routes[NODES] = answer(200, b"{}", [("cache-control", "public"), ("audit-id", "theirs")])
    headers = (await cluster.admin.get(NODES)).headers

    assert sorted(headers.get_list("cache-control")) == ["no-cache, private", "public"]
    assert len(headers.get_list("audit-id")) == 2
    assert "x-kubernetes-pf-flowschema-uid" in headers
    assert "x-kubernetes-pf-prioritylevel-uid" in headers


async def test_what_the_backend_packed_is_unpacked_for_a_client_that_did_not_ask(
    cluster: Cluster, proxied: ExtensionServer
) -> None:
    proxied.routes[NODES] = answer(200, gzip.compress(b"{}"), [("content-encoding", "gzip")])
    request = cluster.admin.build_request("GET", NODES)
    del request.headers["accept-encoding"]
    response = await cluster.admin.send(request)

    assert "content-encoding" not in response.headers
    assert response.content == b"{}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_becomes_502(cluster: Cluster, proxied: ExtensionServer, status: int) -> None:
    proxied.routes[NODES] = answer(status, b"", [("location", "https://example.com/")])
    response = await cluster.admin.get(NODES)

    assert response.status_code == 502
    assert response.text.strip() == "the backend attempted to redirect this request, which is not permitted"
    assert "location" not in response.headers


async def test_nothing_is_proxied_while_it_is_not_available(cluster: Cluster, extension: ExtensionServer) -> None:
    extension.routes[PATH] = answer(500)
    await cluster.register(extension)
    await cluster.condition("False", "FailedDiscoveryCheck")

    assert seen(await cluster.admin.get(NODES)) == UNAVAILABLE
    assert extension.arrivals(NODES) == []


async def test_a_backend_that_is_gone_is_said_in_gos_words(cluster: Cluster, proxied: ExtensionServer) -> None:
    assert proxied.socket is not None
    await proxied.socket.aclose()
    status, content_type, text = seen(await cluster.admin.get(NODES))

    refused = f"dial tcp {proxied.host}:{proxied.port}: connect: connection refused"
    assert (status, content_type) == (503, TEXT)
    assert text == f"error trying to reach service: {refused}\n"


async def garbage(connection: Connection) -> None:
    connection.send(b"\x16\x03 this is no HTTP\r\n\r\n")


async def reset(connection: Connection) -> None:
    """Say nothing and go: the connection is aborted when this returns."""


async def half_a_header(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\ncontent-le")


Answering = Callable[[Connection], Awaitable[None]]


def healthy_but(misbehave: Answering) -> Answering:
    """Return a server that is well as long as only discovery and probes ask."""

    async def behave(connection: Connection) -> None:
        while request := await connection.request():
            if request.startswith(f"GET {NODES} ".encode()):
                await misbehave(connection)
                return
            connection.send(OK)

    return behave


async def register_raw(cluster: Cluster, port: int) -> None:
    """Hand the group to a server that is no :class:`ExtensionServer`."""
    await cluster.create(SERVICES, service())
    await cluster.create(ENDPOINT_SLICES, endpoint_slice(cluster.backend.place.host, port))
    await cluster.create(API_SERVICES, api_service())


async def available_raw(cluster: Cluster, port: int) -> None:
    """The same, and wait until it is Available and proxied."""
    await register_raw(cluster, port)
    await cluster.condition("True")
    await cluster.proxied(PATH)


@pytest.mark.parametrize("misbehave", [garbage, reset, half_a_header])
async def test_an_answer_that_is_none_becomes_503(cluster: Cluster, misbehave: Answering) -> None:
    async with raw_backend(healthy_but(misbehave), host=cluster.backend.place.host) as port:
        await available_raw(cluster, port)
        status, content_type, text = seen(await cluster.admin.get(NODES))

    assert (status, content_type) == (503, TEXT)
    assert text.startswith("error trying to reach service: ")


async def test_half_an_answer_breaks_off_for_the_client_too(cluster: Cluster) -> None:
    async def half(connection: Connection) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")

    async with raw_backend(healthy_but(half), host=cluster.backend.place.host) as port:
        await available_raw(cluster, port)
        with pytest.raises(httpx.RemoteProtocolError):
            await cluster.admin.get(NODES)


async def test_an_upgrade_that_is_refused_is_passed_back(cluster: Cluster, proxied: ExtensionServer) -> None:
    proxied.routes[NODES] = answer(400, b"no upgrades here")
    response = await cluster.admin.get(NODES, headers={"Connection": "Upgrade", "Upgrade": "websocket"})

    assert (response.status_code, response.text) == (400, "no upgrades here")


async def test_one_that_hangs_becomes_504_with_a_status_that_is_called_plain_text(
    hasty: Cluster, hasty_extension: ExtensionServer
) -> None:
    await hasty.available(hasty_extension)
    await hasty.proxied(PATH)
    hasty_extension.routes[NODES] = hang
    response = await hasty.admin.get(NODES)

    assert (response.status_code, response.headers["content-type"].partition(";")[0]) == (504, "text/plain")
    assert response.json() == TIMED_OUT


@pytest.mark.parametrize("wanted", ["300ms", "0.3s"])
async def test_a_client_may_ask_for_less_time(cluster: Cluster, proxied: ExtensionServer, wanted: str) -> None:
    proxied.routes[NODES] = hang
    response = await cluster.admin.get(NODES, params={"timeout": wanted})

    assert (response.status_code, response.json()) == (504, TIMED_OUT)
    assert proxied.arrivals(NODES)[-1].target == f"{NODES}?timeout={wanted}"


async def test_nobody_gets_more_time_than_there_is(hasty: Cluster, hasty_extension: ExtensionServer) -> None:
    await hasty.available(hasty_extension)
    await hasty.proxied(PATH)
    hasty_extension.routes[NODES] = hang
    asked = [hasty.admin.get(NODES, params={"timeout": timeout}) for timeout in ("0", "-1s", "1000h")]
    responses = await asyncio.gather(*asked)

    assert [(each.status_code, each.json()) for each in responses] == [(504, TIMED_OUT)] * 3


@pytest.mark.parametrize("path", [NODES, PATH, "/api/v1/nodes", "/apis", "/nothing"])
async def test_a_timeout_that_is_no_duration_is_refused_before_anything_else(
    cluster: Cluster, proxied: ExtensionServer, path: str
) -> None:
    arrived = len(proxied.arrivals(NODES))
    for client in (cluster.admin, cluster.client()):
        response = await client.get(path, params={"timeout": "soon"})

        assert (response.status_code, response.json()["reason"]) == (400, "BadRequest")
        assert response.json()["message"] == (
            'invalid timeout specified in the request URL - time: invalid duration "soon"'
        )
    assert len(proxied.arrivals(NODES)) == arrived


async def test_a_watch_has_no_limit(hasty: Cluster, hasty_extension: ExtensionServer) -> None:
    await hasty.available(hasty_extension)
    await hasty.proxied(PATH)
    hasty_extension.routes[NODES] = hang
    with pytest.raises(httpx.ReadTimeout):
        await hasty.admin.get(
            NODES, params={"watch": "true", "timeout": "1ms"}, timeout=hasty.backend.place.request_limit + 0.5
        )
