"""What the client of a proxied request gets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest

from metrics_api.localcluster.aggregation.resolve import BACKEND_ANNOTATION
from metrics_api.localcluster.resources import API_SERVICES, ENDPOINT_SLICES, SERVICES
from metrics_api.localcluster.seams import Receive, Scope, Send
from tests.localcluster.aggregation.extension_server import ExtensionServer, answer, hang
from tests.localcluster.aggregation.stand_in import NAME, NODES, TRUE, StandIn, api_service, running, service

TEXT = "text/plain; charset=utf-8"


def assert_text(response: httpx.Response, status: int, body: str) -> None:
    assert (response.status_code, response.text) == (status, body)
    assert response.headers["content-type"] == TEXT


async def test_status_headers_and_body_are_passed_back() -> None:
    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        extension.routes[NODES] = answer(404, {"kind": "Status"}, [("x-custom", "1"), ("etag", '"a"')])
        response = await stand_in.client.get(NODES)

    assert response.status_code == 404
    assert response.json() == {"kind": "Status"}
    assert response.headers["content-type"] == "application/json"
    assert (response.headers["x-custom"], response.headers["etag"]) == ("1", '"a"')


async def test_headers_for_browsers_and_hop_by_hop_headers_are_removed() -> None:
    sent = [
        ("access-control-allow-origin", "*"),
        ("access-control-max-age", "5"),
        ("connection", "keep-alive, x-private"),
        ("keep-alive", "timeout=5"),
        ("x-private", "1"),
        ("proxy-authenticate", "Basic"),
        ("x-kept", "1"),
    ]
    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        extension.routes[NODES] = answer(200, b"{}", sent)
        response = await stand_in.client.get(NODES)

    names = set(response.headers)
    assert "x-kept" in names
    assert names.isdisjoint(name for name, _ in sent if name != "x-kept")


async def test_the_api_server_adds_its_own_headers_and_a_backends_stay_beside_them() -> None:
    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        extension.routes[NODES] = answer(200, b"{}", [("cache-control", "public")])
        response = await stand_in.client.get(NODES)

    assert response.headers.get_list("cache-control") == ["no-cache, private", "public"]
    assert "x-kubernetes-pf-flowschema-uid" in response.headers
    assert "x-kubernetes-pf-prioritylevel-uid" in response.headers


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_answered_502(status: int) -> None:
    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        extension.routes[NODES] = answer(status, b"elsewhere", [("location", f"{NODES}/"), ("x-leaked", "1")])
        response = await stand_in.client.get(NODES)

        assert len(extension.received) == 1
    assert_text(response, 502, "the backend attempted to redirect this request, which is not permitted")
    assert "location" not in response.headers
    assert "x-leaked" not in response.headers


async def test_304_without_a_location_is_no_redirect() -> None:
    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        extension.routes[NODES] = answer(304, headers=[("etag", '"a"')])
        response = await stand_in.client.get(NODES)

    assert (response.status_code, response.headers["etag"], response.content) == (304, '"a"', b"")


async def test_a_201_with_a_location_is_passed_back() -> None:
    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        extension.routes[NODES] = answer(201, b"{}", [("location", "/x")])
        response = await stand_in.client.post(NODES)

    assert (response.status_code, response.headers["location"]) == (201, "/x")


async def test_head_has_headers_and_no_body() -> None:
    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        extension.routes[NODES] = answer(405, {"kind": "Status"})
        response = await stand_in.client.head(NODES)

    assert (response.status_code, response.content) == (405, b"")
    assert extension.received[-1].method == "HEAD"


async def test_a_body_is_streamed_as_it_comes() -> None:
    second = asyncio.Event()

    async def watch(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first\n", "more_body": True})
        await second.wait()
        await send({"type": "http.response.body", "body": b"second\n"})

    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        extension.routes[NODES] = watch
        async with stand_in.client.stream("GET", f"{NODES}?watch=true") as response:
            lines = response.aiter_lines()
            first = await anext(lines)
            second.set()
            rest = [line async for line in lines]

    assert (first, rest) == ("first", ["second"])


async def test_a_client_that_goes_ends_the_request_to_the_backend() -> None:
    ended = asyncio.Event()

    async def watch(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first\n", "more_body": True})
        await hang(scope, receive, send)
        ended.set()

    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        extension.routes[NODES] = watch
        async with stand_in.client.stream("GET", f"{NODES}?watch=true") as response:
            await anext(response.aiter_lines())
        async with asyncio.timeout(5):
            await ended.wait()


async def test_a_response_that_breaks_off_breaks_off_for_the_client_too() -> None:
    async def break_off(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})

    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        extension.routes[NODES] = break_off
        with pytest.raises(httpx.RemoteProtocolError):
            await stand_in.client.get(NODES)


async def test_while_not_available_nothing_is_proxied() -> None:
    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port, available=False)
        no_condition = await stand_in.client.get(NODES)
        unknown = {**TRUE, "status": "Unknown"}
        stand_in.objects.set_status(API_SERVICES, "", NAME, {"conditions": [unknown]})
        still_unknown = await stand_in.client.get(NODES)

        assert extension.received == []
    for response in (no_condition, still_unknown):
        assert_text(response, 503, "service unavailable\n")
        assert response.headers["x-content-type-options"] == "nosniff"


def no_service(stand_in: StandIn) -> None:
    stand_in.objects.delete(SERVICES, "kube-system", "ms")


def no_endpoint(stand_in: StandIn) -> None:
    stand_in.objects.delete(ENDPOINT_SLICES, "kube-system", "ms-1")


def headless(stand_in: StandIn) -> None:
    stand_in.objects.replace(SERVICES, service(clusterIP="None"))


@pytest.mark.parametrize("spoil", [no_service, no_endpoint, headless])
async def test_a_service_that_leads_nowhere_is_answered_503(spoil: Callable[[StandIn], None]) -> None:
    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        spoil(stand_in)
        response = await stand_in.client.get(NODES)

    assert_text(response, 503, "service unavailable\n")


async def test_a_backend_that_refuses_connections_is_answered_503_with_gos_words() -> None:
    async with ExtensionServer() as gone:
        pass
    async with running() as stand_in:
        stand_in.register(gone.port)
        response = await stand_in.client.get(NODES)

    reason = f"dial tcp 127.0.0.1:{gone.port}: connect: connection refused"
    assert_text(response, 503, f"error trying to reach service: {reason}\n")


async def test_a_ca_bundle_without_a_certificate_is_answered_500() -> None:
    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port, api_service(caBundle="bm8gcGVt"))
        response = await stand_in.client.get(NODES)

        assert extension.sni == []
    reason = "unable to load root certificates: unable to parse bytes as PEM block"
    assert_text(response, 500, f"{reason}\n")


async def test_a_request_without_a_user_is_answered_500() -> None:
    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        stand_in.user = None
        response = await stand_in.client.get(NODES)

        assert extension.received == []
    assert_text(response, 500, "missing user\n")


async def test_a_backend_that_speaks_no_http_is_answered_503() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with server, running() as stand_in:
        stand_in.register(server.sockets[0].getsockname()[1])
        response = await stand_in.client.get(NODES)

    assert_text(response, 503, "error trying to reach service: http: server gave HTTP response to HTTPS client\n")


async def test_the_annotation_of_a_service_leads_elsewhere_with_the_same_name_verified() -> None:
    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(1)
        elsewhere = service()
        elsewhere["metadata"]["annotations"] = {BACKEND_ANNOTATION: f"https://localhost:{extension.port}"}
        stand_in.objects.replace(SERVICES, elsewhere)
        extension.routes[NODES] = answer(200, b"{}")
        response = await stand_in.client.get(NODES)

    assert response.status_code == 200
    assert extension.received[-1].values("host") == [f"localhost:{extension.port}"]
    assert extension.sni == ["ms.kube-system.svc"]


@pytest.mark.parametrize(
    ("status", "expected", "body"),
    [
        pytest.param(400, 400, "no", id="refused"),
        pytest.param(200, 503, "invalid upgrade response: status code 200\n", id="success"),
        pytest.param(302, 503, "invalid upgrade response: status code 302\n", id="redirect"),
    ],
)
async def test_an_upgrade_that_does_not_happen(status: int, expected: int, body: str) -> None:
    upgrade = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}
    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        extension.routes[NODES] = answer(status, b"no")
        response = await stand_in.client.get(NODES, headers=upgrade)

        received = extension.received[-1]
    assert (response.status_code, response.text) == (expected, body)
    assert (received.values("upgrade"), received.values("x-remote-user")) == (["SPDY/3.1"], ["alice"])
