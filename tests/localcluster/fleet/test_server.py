from __future__ import annotations

import asyncio
import gzip
import json
import time

import httpx
import pytest
from cryptography import x509

from metrics_api.errors import StartupError
from metrics_api.localcluster.fleet.certificates import Certificates
from metrics_api.localcluster.fleet.server import serve_fleet
from tests.fakes import FakeClock
from tests.localcluster.fleet.nodes import EPOCH
from tests.localcluster.fleet.wire import (
    RESOURCE,
    SUMMARY,
    RawConnection,
    address_of,
    ask,
    client_of,
    make_fleet,
    until,
    url_of,
)


async def test_every_node_answers_for_itself_on_its_own_address_and_the_same_port() -> None:
    async with make_fleet(3, 4) as fleet:
        answers = [json.loads((await ask(fleet, node=name)).content) for name in fleet.node_names]
        addresses = [address_of(fleet, name) for name in fleet.node_names]

    assert [answer["node"]["nodeName"] for answer in answers] == ["node-00000", "node-00001", "node-00002"]
    assert [len(answer["pods"]) for answer in answers] == [4, 4, 4]
    assert len({address for address, _ in addresses}) == 3
    assert all(address.startswith("127.") for address, _ in addresses)
    assert len({port for _, port in addresses}) == 1


async def test_a_summary_has_a_kubelet_s_headers() -> None:
    async with make_fleet() as fleet:
        answer = await ask(fleet)

    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.headers["date"] == "Thu, 01 Jan 2026 00:00:00 GMT"
    assert "content-length" not in answer.headers
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    ("query", "full"),
    [
        ("?only_cpu_and_memory=true", False),
        ("?x=1&only_cpu_and_memory=true", False),
        ("", True),
        ("?only_cpu_and_memory=True", True),
        ("?only_cpu_and_memory=1", True),
        ("?only_cpu_and_memory=true&only_cpu_and_memory=true", True),
    ],
)
async def test_only_exactly_true_gives_the_short_document(query: str, full: bool) -> None:
    async with make_fleet() as fleet:
        document = json.loads((await ask(fleet, f"/stats/summary{query}")).content)

    assert ("fs" in document["node"]) == full
    assert ("rootfs" in document["pods"][0]["containers"][0]) == full


async def test_resource_metrics_are_compressed_when_the_client_takes_gzip() -> None:
    async with make_fleet() as fleet, client_of(fleet) as client:
        plain = await client.get(url_of(fleet, RESOURCE), headers={"Accept-Encoding": "identity"})
        async with client.stream("GET", url_of(fleet, RESOURCE), headers={"Accept-Encoding": "gzip"}) as answer:
            packed = b"".join([part async for part in answer.aiter_raw()])
            encoding = answer.headers["content-encoding"]

    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4; charset=utf-8")
    assert "content-encoding" not in plain.headers
    assert int(plain.headers["process-start-time-unix"]) < EPOCH
    assert encoding == "gzip"
    assert len(packed) < len(plain.content) / 3
    assert gzip.decompress(packed) == plain.content


@pytest.mark.parametrize(
    ("method", "path", "accept", "status", "text"),
    [
        ("GET", "/stats/", "*/*", 404, "404: Page Not Found"),
        ("PUT", "/stats/summary", "*/*", 405, "405: Method Not Allowed"),
        (
            "GET",
            "/stats/summary",
            "text/plain",
            406,
            "406: Not Acceptable\n\nAvailable representations: application/json",
        ),
        ("GET", "/metrics/nothing", "*/*", 404, "404: Page Not Found"),
    ],
)
async def test_what_a_kubelet_does_not_serve_it_refuses_so(
    method: str, path: str, accept: str, status: int, text: str
) -> None:
    async with make_fleet() as fleet, client_of(fleet) as client:
        answer = await client.request(method, url_of(fleet, path), headers={"Accept": accept})

    assert (answer.status_code, answer.text) == (status, text)
    assert answer.headers.get("allow") == ("GET, POST" if status == 405 else None)


@pytest.mark.parametrize("accept", ["application/json", "text/html, */*;q=0.1", "application/json;q=0.5"])
async def test_json_may_be_asked_for_in_each_way(accept: str) -> None:
    async with make_fleet() as fleet, client_of(fleet) as client:
        answer = await client.get(url_of(fleet, SUMMARY), headers={"Accept": accept})

    assert answer.status_code == 200


async def test_post_and_a_slash_at_the_end_are_a_summary_too() -> None:
    async with make_fleet() as fleet:
        answer = await ask(fleet, "/stats/summary/?only_cpu_and_memory=true", method="POST")

    assert answer.status_code == 200


async def test_one_connection_serves_many_requests_in_order() -> None:
    async with make_fleet() as fleet:
        connection = await RawConnection.to(fleet)
        for path in (SUMMARY, RESOURCE, SUMMARY):  # pipelined
            connection.request(path)
        bodies = []
        for _ in range(3):
            assert (await connection.head()).startswith("HTTP/1.1 200 OK\r\n")
            bodies.append(await connection.chunk())
            assert await connection.chunk() == b""
        await connection.close()
        counts = fleet.counts["node-00000"]

    assert [body[:1] for body in bodies] == [b"{", b"#", b"{"]
    assert counts.connections == 1
    assert counts.received == {"/stats/summary": 2, "/metrics/resource": 1}
    assert counts.answered == {("/stats/summary", 200): 2, ("/metrics/resource", 200): 1}


async def test_http_1_0_gets_a_length_and_the_end_of_the_connection() -> None:
    async with make_fleet() as fleet:
        connection = await RawConnection.to(fleet)
        connection.request(version="1.0")
        head = await connection.head()
        body = await connection.reader.read()
        await connection.close()

    assert f"Content-Length: {len(body)}\r\n" in head
    assert "chunked" not in head
    assert json.loads(body)["node"]["nodeName"] == "node-00000"


async def test_a_client_that_asks_for_it_gets_the_connection_closed() -> None:
    async with make_fleet() as fleet:
        connection = await RawConnection.to(fleet)
        connection.request(headers="Connection: close\r\n")
        head = await connection.head()
        rest = await connection.reader.read()
        await connection.close()

    assert "\r\nConnection: close\r\n" in head
    assert rest.endswith(b"\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    "data", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000], ids=["no HTTP", "endless header"]
)
async def test_what_is_no_request_gets_400_and_the_end(data: bytes) -> None:
    async with make_fleet() as fleet:
        connection = await RawConnection.to(fleet)
        connection.writer.write(data)
        answer = await connection.reader.read()
        await connection.close()

    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")


async def test_a_connection_idle_for_90_seconds_is_closed_and_a_younger_one_is_not() -> None:
    clock = FakeClock(EPOCH)
    async with make_fleet(clock=clock) as fleet:
        idle, busy = await RawConnection.to(fleet), await RawConnection.to(fleet)
        await until(lambda: fleet.counts["node-00000"].connections == 2)
        await clock.advance(60)
        busy.request(RESOURCE)
        await busy.head()
        await busy.chunk()
        await busy.chunk()
        await clock.advance(35)

        assert await idle.reader.read() == b""
        busy.request(RESOURCE)
        assert (await busy.head()).startswith("HTTP/1.1 200")
        await idle.close()
        await busy.close()


@pytest.mark.parametrize("certificates", ["per_node", "shared"])
async def test_two_hundred_nodes_listen_within_a_second(certificates: Certificates) -> None:
    fleet = make_fleet(200, 2, certificates=certificates)
    begun = time.process_time()
    async with fleet:
        spent = time.process_time() - begun
        last = await ask(fleet, node="node-00199")

    assert json.loads(last.content)["node"]["nodeName"] == "node-00199"
    assert spent < 1.0


async def test_a_node_s_certificate_names_it_as_kubernetes_does() -> None:
    async with make_fleet(2, 1) as fleet:
        address, _ = address_of(fleet, "node-00001")
        connection = await RawConnection.to(fleet, "node-00001")
        der = connection.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        await connection.close()

    certificate = x509.load_der_x509_certificate(der)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert certificate.subject.rfc4514_string() == "CN=system:node:node-00001,O=system:nodes"
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == [address]
    assert names.get_values_for_type(x509.DNSName) == ["node-00001"]


async def test_two_fleets_run_beside_each_other() -> None:
    async with make_fleet(2, 1) as one, make_fleet(2, 1) as other:
        assert (await ask(one)).status_code == (await ask(other)).status_code == 200
        assert address_of(one) != address_of(other)


async def test_a_chosen_network_and_port_that_are_taken_are_a_startup_error() -> None:
    async with make_fleet(1, 1) as fleet:
        address, port = address_of(fleet)
        second = make_fleet(1, 1, network=address.rpartition(".")[0], port=port)
        with pytest.raises(StartupError, match=rf"cannot listen on 1 loopback addresses .*port {port}"):
            await second.__aenter__()


@pytest.mark.parametrize("network", ["10.0.0", "127.0", "127.0.256", "127.0.x"])
def test_a_network_that_is_no_loopback_block_is_refused(network: str) -> None:
    with pytest.raises(ValueError, match="no block of loopback addresses"):
        make_fleet(1, 1, network=network)


async def test_once_it_is_left_nobody_listens() -> None:
    async with make_fleet() as fleet:
        url = url_of(fleet, SUMMARY)
        client = client_of(fleet)
        await client.get(url)  # leaves a connection open
    with pytest.raises(httpx.TransportError):
        await client.get(url)
    await client.aclose()


def test_objects_of_a_fleet_without_addresses_are_a_startup_error() -> None:
    fleet = make_fleet()

    with pytest.raises(StartupError, match="has no address yet"):
        list(fleet.node_objects())


async def test_a_fleet_made_with_the_same_arguments_elsewhere_has_the_same_objects_and_truth() -> None:
    async with make_fleet(2, 10, epoch=EPOCH) as running:
        address, port = address_of(running)
        twin = make_fleet(2, 10, epoch=EPOCH, network=address.rpartition(".")[0], port=port)

        assert list(twin.node_objects()) == list(running.node_objects())
        assert list(twin.pod_objects()) == list(running.pod_objects())
        assert list(twin.namespace_objects()) == list(running.namespace_objects())
        for key in running.pod_keys:
            span = (EPOCH, EPOCH + 30)
            assert twin.truth.pod_cpu(key, *span) == running.truth.pod_cpu(key, *span)


async def test_serve_fleet_listens_until_it_is_cancelled() -> None:
    fleet, started = make_fleet(), asyncio.Event()
    serving = asyncio.create_task(serve_fleet(fleet, started))
    await started.wait()
    status = (await ask(fleet)).status_code
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving

    assert status == 200
    with pytest.raises(httpx.ConnectError):
        await ask(fleet)
