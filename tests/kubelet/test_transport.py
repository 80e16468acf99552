"""The transport over real sockets and real TLS: what it sends and what it makes of an answer."""

from __future__ import annotations

import ssl

import pytest

from metrics_api.kubelet.http1 import Response
from metrics_api.kubelet.transport import KubeletTransport
from tests.kubelet.scripted_server import BODY, Wire, always, serving
from tests.kubelet.transports import target_of


async def test_an_answer_has_status_body_and_the_headers_that_matter(
    transport: KubeletTransport, context: ssl.SSLContext
) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.answer(
            BODY, "200 OK", "Date: Tue, 01 Sep 2026 12:00:00 GMT", "content-type: application/json", "X: y"
        )

    async with serving(script, context) as server:
        response = await transport.get(target_of(server), deadline=5, authorization=b"Authorization: Bearer t\r\n")
    assert response == Response(200, BODY, b"application/json", b"", b"Tue, 01 Sep 2026 12:00:00 GMT", b"")
    assert server.requests == [
        b"GET /stats/summary HTTP/1.1\r\nHost: node-a\r\nAuthorization: Bearer t\r\n\r\n",
    ]


async def test_chunks_are_put_together_and_trailers_ignored(
    transport: KubeletTransport, context: ssl.SSLContext
) -> None:
    async def script(wire: Wire) -> None:
        for _ in range(2):
            await wire.request()
            await wire.send(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=1\r\nfirst\r\n",
                b"8\r\n, seco",
                b"nd\r\n0\r\nDate: trailer\r\n\r\n",
            )
        await wire.hang()

    async with serving(script, context) as server:
        for _ in range(2):
            response = await transport.get(target_of(server), deadline=5)
            assert response == Response(200, b"first, second")
        assert server.connections == 1


async def test_plain_http_is_spoken_where_the_target_says_so(transport: KubeletTransport) -> None:
    async with serving(always, None) as server:
        assert (await transport.get(target_of(server, tls=False), deadline=5)).body == BODY


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
async def test_a_request_that_does_not_go_out_at_once_goes_out_in_parts(
    transport: KubeletTransport, context: ssl.SSLContext, tls: bool
) -> None:
    received = bytearray()

    async def script(wire: Wire) -> None:
        while not received.endswith(b"\r\n\r\n"):
            received.extend(await wire.reader.read(1 << 20))
        await wire.answer()
        await wire.hang()

    header = b"Authorization: " + b"x" * 8_000_000 + b"\r\n"
    async with serving(script, context if tls else None) as server:
        target = target_of(server, tls=tls)
        assert (await transport.get(target, deadline=10, authorization=header)).body == BODY
        assert received == target.head + header + b"\r\n"


async def test_a_redirect_is_an_answer_and_not_followed(transport: KubeletTransport, context: ssl.SSLContext) -> None:
    async with serving(always, context) as elsewhere:

        async def script(wire: Wire) -> None:
            await wire.request()
            await wire.answer(b"", "307 Temporary Redirect", f"Location: https://127.0.0.1:{elsewhere.port}/")
            await wire.hang()

        async with serving(script, context) as server:
            assert (await transport.get(target_of(server), deadline=5)).status == 307
            assert (len(server.requests), elsewhere.connections) == (1, 0)


async def test_proxies_of_the_environment_are_not_used(
    transport: KubeletTransport, context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(always, None) as proxy, serving(always, context) as server:
        for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert (await transport.get(target_of(server), deadline=5)).body == BODY
        assert proxy.connections == 0


async def test_a_transport_without_tls_never_sends_in_the_clear_what_wants_tls() -> None:
    async with serving(always, None) as server:
        with pytest.raises(RuntimeError):
            await KubeletTransport(None).get(target_of(server), deadline=5)
        assert server.connections == 0
