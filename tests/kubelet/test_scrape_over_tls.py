"""The client on its real transport against a TLS server that plays a kubelet."""

from __future__ import annotations

import gzip
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path

import pytest

from metrics_api.clock import SystemClock
from metrics_api.errors import ScrapeError
from metrics_api.kubelet.client import KubeletClient
from metrics_api.kubelet.options import KubeletOptions, TlsOptions
from metrics_api.kubelet.tls import TlsContexts
from metrics_api.kubelet.transport import KubeletTransport
from metrics_api.model import Endpoint, NodeInfo
from metrics_api.pki import Authority
from tests.kubelet.documents import containers_of, node, read
from tests.kubelet.fakes import Tokens
from tests.kubelet.scripted_server import ScriptedServer, Wire, server_context, serving

AUTHORITY = Authority.create("kubelet-ca")


async def kubelet(wire: Wire) -> None:
    """Serve both documents as a kubelet does: one indented and in chunks, one packed."""
    while True:
        request = await wire.request()
        if b"Bearer good" not in request:
            await wire.answer(b"Unauthorized", "401 Unauthorized")
        elif b"GET /stats/summary?only_cpu_and_memory=true HTTP/1.1" in request:
            body = read("summary_small_cpumem_t0.json")
            await wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
            for at in range(0, len(body), 2048):
                part = body[at : at + 2048]
                await wire.send(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            await wire.send(b"0\r\n\r\n")
        elif b"GET /metrics/resource HTTP/1.1" in request:
            await wire.answer(gzip.compress(read("resource_1_36_small_t0.txt")), "200 OK", "Content-Encoding: gzip")
        else:
            await wire.answer(b"404 page not found", "404 Not Found")


@asynccontextmanager
async def asking(port: int, **fields: object) -> AsyncIterator[KubeletClient]:
    options = KubeletOptions(
        address_types=("InternalIP",),
        port=port,
        denied_networks=(ip_network("169.254.0.0/16"),),
        tls=TlsOptions(ca_data=AUTHORITY.certificate),
        **fields,  # type: ignore[arg-type] # whatever a test wants
    )
    clock = SystemClock()
    client = KubeletClient(options, Tokens("old", "good"), KubeletTransport(TlsContexts(options.tls, clock)), clock)
    yield client
    await client.close()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ScriptedServer]:
    pair = AUTHORITY.issue("system:node:node-a", ip_addresses=["127.0.0.1"], server=True)
    async with serving(kubelet, server_context(pair, tmp_path)) as running:
        yield running


def local_node() -> NodeInfo:
    return node(addresses=(("InternalIP", "127.0.0.1"),))


@pytest.mark.parametrize("endpoint", Endpoint)
async def test_both_documents_arrive_whole_after_the_token_was_renewed(
    server: ScriptedServer, endpoint: Endpoint
) -> None:
    async with asking(server.port, endpoint=endpoint.value) as client:
        for _ in range(2):
            samples = await client.scrape(local_node(), deadline=5)
            assert samples.endpoint is endpoint
            assert containers_of(samples)["kube-system/coredns-7c65d6cfc9-2zq8n/coredns"].cpu_total == 41234567890
    assert server.connections == 1
    assert len(server.requests) == 3, "one 401, and then one request for each scrape"


async def test_a_token_is_not_sent_over_plain_http(server: ScriptedServer) -> None:
    async with asking(server.port, plain_http=True) as client:
        with pytest.raises(ScrapeError):
            await client.scrape(local_node(), deadline=5)

    async def plain(wire: Wire) -> None:
        await wire.request()
        await wire.answer(b"Unauthorized", "401 Unauthorized")
        await wire.hang()

    async with serving(plain, None) as unprotected, asking(unprotected.port, plain_http=True) as client:
        with pytest.raises(ScrapeError) as caught:
            await client.scrape(local_node(), deadline=5)
        assert caught.value.reason == "unauthorized"
        assert len(unprotected.requests) == 1
        assert b"uthorization" not in unprotected.requests[0]


async def test_a_redirect_carries_nothing_elsewhere(server: ScriptedServer, tmp_path: Path) -> None:
    async def astray(wire: Wire) -> None:
        await wire.request()
        await wire.answer(b"", "302 Found", f"Location: https://127.0.0.1:{server.port}/stats/summary")
        await wire.hang()

    pair = AUTHORITY.issue("system:node:node-b", ip_addresses=["127.0.0.1"], server=True)
    async with serving(astray, server_context(pair, tmp_path)) as hostile, asking(hostile.port) as client:
        with pytest.raises(ScrapeError) as caught:
            await client.scrape(local_node(), deadline=5)
    assert caught.value.reason == "redirect"
    assert server.connections == 0


def _has_ipv6_loopback() -> bool:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return False
        return True


@pytest.mark.skipif(not _has_ipv6_loopback(), reason="needs ::1 on the loopback interface")
async def test_a_kubelet_that_listens_on_one_ip_version_is_found_and_the_way_kept(tmp_path: Path) -> None:
    pair = AUTHORITY.issue("system:node:node-a", ip_addresses=["::1", "127.0.0.1"], server=True)
    async with serving(kubelet, server_context(pair, tmp_path), host="::1") as server, asking(server.port) as client:
        both = node(addresses=(("InternalIP", "127.0.0.1"), ("InternalIP", "::1")))
        for _ in range(3):
            assert (await client.scrape(both, deadline=5)).pods
        assert server.connections == 1
        assert all(f"Host: [::1]:{server.port}".encode() in request for request in server.requests)
