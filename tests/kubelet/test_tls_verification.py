"""What ``--kubelet-tls-verify`` demands of a kubelet, over real TLS; and that nothing is sent before it is proved."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from ipaddress import ip_address
from itertools import count
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from metrics_api.clock import SystemClock
from metrics_api.errors import ScrapeError
from metrics_api.kubelet.options import TlsOptions, TlsVerification
from metrics_api.kubelet.routes import Route
from metrics_api.kubelet.tls import TlsContexts
from metrics_api.kubelet.transport import KubeletTransport, Patience, Target
from metrics_api.localcluster.fleet.certificates import issue_itself
from metrics_api.pki import Authority, KeyPair
from tests.fakes import FakeClock
from tests.kubelet.scripted_server import ScriptedServer, Wire, always, server_context, serving

LOOPBACK = "127.0.0.1"
TOKEN = b"Authorization: Bearer secret\r\n"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("kubelet-ca")


@asynccontextmanager
async def asking(
    verify: TlsVerification, authority: Authority, clock: FakeClock | SystemClock | None = None
) -> AsyncIterator[KubeletTransport]:
    options = TlsOptions(ca_data=authority.certificate, verify=verify)
    transport = KubeletTransport(TlsContexts(options, clock or SystemClock()))
    yield transport
    await transport.aclose()


def target(server: ScriptedServer, *, node: str = "node-a", uid: str = "uid-a", host: str = LOOPBACK) -> Target:
    route = Route(host, ip_address(LOOPBACK), server.port)
    return Target(uid, route, b"GET / HTTP/1.1\r\nHost: a\r\n", 1 << 20, node_name=node)


async def ask(transport: KubeletTransport, asked: Target) -> int:
    return (await transport.get(asked, deadline=5, authorization=TOKEN)).status


async def refusal(transport: KubeletTransport, asked: Target) -> ScrapeError:
    with pytest.raises(ScrapeError) as caught:
        await ask(transport, asked)
    assert caught.value.reason == "tls"
    return caught.value


async def one_refusal(verify: TlsVerification, authority: Authority, pair: KeyPair, folder: Path) -> str:
    """Return why a kubelet with that pair is refused, having seen that it was sent nothing."""
    async with serving(always, server_context(pair, folder)) as server, asking(verify, authority) as transport:
        error = await refusal(transport, target(server))
        assert server.requests == []
    return str(error)


def certificate_for(key: bytes) -> bytes:
    """Return another certificate for a key, and one that is out of its time at that."""
    private = serialization.load_pem_private_key(key, None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "node-a@2")])
    builder = x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(datetime(2020, 1, 1, tzinfo=UTC)).not_valid_after(
        datetime(2021, 1, 1, tzinfo=UTC)
    )
    return builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


async def finished_handshakes(server: ScriptedServer, at_least: int) -> int:
    """Return how many there were: a handshake that is broken off by a refusal does not count with asyncio's server."""
    async with asyncio.timeout(5):
        while True:
            if server.connections >= at_least:
                return server.connections
            await asyncio.sleep(0)


NAMED = {
    "the common name of a node": ("system:node:node-a", [], ["10.9.9.9"]),
    "a DNS name": ("whoever", ["node-a"], []),
    "a DNS name in other letters": ("whoever", ["b.example", "Node-A"], []),
}
NOT_NAMED = {
    "another node": ("system:node:node-b", ["node-b"], [LOOPBACK]),
    "a name that begins alike": ("system:node:node-a.evil", ["node-a.evil"], []),
    "the bare name as common name": ("node-a", ["x"], []),
    "a wildcard": ("whoever", ["*"], []),
    "the address dialled": ("whoever", [], [LOOPBACK]),
    "nothing": ("", [], []),
}


@pytest.mark.parametrize(("cn", "dns", "ips"), NAMED.values(), ids=NAMED)
async def test_by_node_name_the_certificate_must_name_the_node_at_whatever_address(
    cn: str, dns: list[str], ips: list[str], authority: Authority, tmp_path: Path
) -> None:
    pair = authority.issue(cn, dns_names=dns, ip_addresses=ips, server=True)
    async with serving(always, server_context(pair, tmp_path)) as server, asking("node-name", authority) as transport:
        assert await ask(transport, target(server)) == 200
        assert TOKEN in server.requests[0] + b"\r\n"


@pytest.mark.parametrize(("cn", "dns", "ips"), NOT_NAMED.values(), ids=NOT_NAMED)
async def test_by_node_name_a_certificate_without_it_is_sent_nothing(
    cn: str, dns: list[str], ips: list[str], authority: Authority, tmp_path: Path
) -> None:
    pair = authority.issue(cn or "-", dns_names=dns, ip_addresses=ips, server=True)
    said = await one_refusal("node-name", authority, pair, tmp_path)
    assert "which is not node-a" in said


async def test_a_node_whose_name_is_an_ip_is_known_by_that_ip(authority: Authority, tmp_path: Path) -> None:
    pair = authority.issue("whoever", ip_addresses=["10.0.0.7"], server=True)
    async with serving(always, server_context(pair, tmp_path)) as server, asking("node-name", authority) as transport:
        assert await ask(transport, target(server, node="10.0.0.7")) == 200
        await refusal(transport, target(server, node="10.0.0.8", uid="uid-b"))


async def test_by_node_name_an_authority_is_needed_all_the_same(authority: Authority, tmp_path: Path) -> None:
    said = await one_refusal("node-name", authority, issue_itself("node-a"), tmp_path)
    assert "which is the node's own, is none of the authorities trusted (CN=kubelet-ca, from the kubeconfig" in said
    assert "which is not node-a" not in said, "it does name the node"


async def test_by_node_name_a_nodes_client_certificate_does_not_serve(authority: Authority, tmp_path: Path) -> None:
    """The authority that signs nodes' client certificates is often the same, and their common name is alike."""
    said = await one_refusal("node-name", authority, authority.issue("system:node:node-a", client=True), tmp_path)
    assert "not for servers" in said


@pytest.mark.parametrize("verify", ["node-name", "pin"])
async def test_no_session_is_resumed_so_every_connection_is_verified(
    verify: TlsVerification, authority: Authority, tmp_path: Path
) -> None:
    resumed: list[bool] = []

    async def script(wire: Wire) -> None:
        await wire.request()
        resumed.append(wire.writer.get_extra_info("ssl_object").session_reused)
        await wire.answer()
        await wire.hang()

    pair = authority.issue("system:node:node-a", server=True)
    options = TlsOptions(ca_data=authority.certificate, verify=verify)
    transport = KubeletTransport(TlsContexts(options, SystemClock()), patience=Patience(idle=0.0))
    async with serving(script, server_context(pair, tmp_path)) as server:
        for _ in range(2):
            assert await ask(transport, target(server)) == 200
        assert resumed == [False, False]
        await transport.aclose()


async def test_the_first_key_of_a_node_is_pinned_and_another_is_refused_without_a_word(
    authority: Authority, tmp_path: Path
) -> None:
    first, second = server_context(issue_itself("node-a"), tmp_path), server_context(issue_itself("node-a"), tmp_path)
    async with asking("pin", authority) as transport:
        async with serving(always, first) as server:
            assert await ask(transport, target(server)) == 200
        async with serving(always, second) as other:
            for _ in range(2):
                error = await refusal(transport, target(other))
                assert "is not the one that node node-a had" in str(error)
            assert other.requests == []
            assert await ask(transport, target(other, uid="uid-of-the-recreated-node")) == 200
            await refusal(transport, target(other))


async def test_a_pinned_key_is_the_nodes_own_and_gone_with_it(authority: Authority, tmp_path: Path) -> None:
    first, second = server_context(issue_itself("node-a"), tmp_path), server_context(issue_itself("node-b"), tmp_path)
    async with asking("pin", authority) as transport, serving(always, first) as a, serving(always, second) as b:
        assert await ask(transport, target(a)) == 200
        assert await ask(transport, target(b, node="node-b", uid="uid-b")) == 200
        await refusal(transport, target(b))
        transport.close("uid-a")
        await refusal(transport, target(b))  # closing is not forgetting
        transport.forget("uid-a")
        assert await ask(transport, target(b)) == 200


async def test_a_pinned_key_may_have_a_new_certificate(tmp_path: Path) -> None:
    pair = issue_itself("node-a")
    renewed = KeyPair(certificate_for(pair.key), pair.key)
    async with asking("pin", Authority.create("unused")) as transport:
        for each in (pair, renewed):
            async with serving(always, server_context(each, tmp_path)) as server:
                assert await ask(transport, target(server)) == 200


async def test_a_refused_certificate_is_looked_at_once_by_a_connection_that_sends_nothing(
    authority: Authority, tmp_path: Path
) -> None:
    clock = FakeClock(SystemClock().now())
    context = server_context(issue_itself("node-a"), tmp_path)
    async with serving(always, context) as server, asking("full", authority, clock) as transport:
        for _ in range(3):
            said = str(await refusal(transport, target(server)))
            assert "it names node-a, which is not 127.0.0.1" in said
        assert await finished_handshakes(server, 1) == 1
        clock.move_to(clock.monotonic() + 601)
        await refusal(transport, target(server))
        assert await finished_handshakes(server, 2) == 2
        assert server.requests == []


async def test_a_certificate_that_is_refused_for_another_reason_is_looked_at_anew(
    authority: Authority, tmp_path: Path
) -> None:
    context = server_context(issue_itself("node-a"), tmp_path)
    async with serving(always, context) as server, asking("full", authority) as transport:
        assert "which is the node's own" in str(await refusal(transport, target(server)))
        pair = authority.issue("system:node:node-a", dns_names=["node-a"], server=True)
        (tmp_path / "renewed.pem").write_bytes(pair.certificate + pair.key)
        context.load_cert_chain(tmp_path / "renewed.pem")
        said = str(await refusal(transport, target(server)))
    assert said.startswith("the kubelet's certificate is not accepted: it names node-a, which is not 127.0.0.1. ")


async def test_a_fleet_that_is_refused_is_looked_at_within_bounds(authority: Authority, tmp_path: Path) -> None:
    clock = FakeClock(SystemClock().now())
    context = server_context(issue_itself("node-a"), tmp_path)
    async with serving(always, context) as server, asking("full", authority, clock) as transport:
        said = [str(await refusal(transport, target(server, uid=f"uid-{number}"))) for number in range(25)]
        assert sum("it names node-a" in each for each in said) == 20
        assert await finished_handshakes(server, 20) == 20
        assert all("--kubelet-certificate-authority" in each for each in said), "all have OpenSSL's reason and advice"
        clock.move_to(clock.monotonic() + 1)
        later = [str(await refusal(transport, target(server, uid=f"late-{number}"))) for number in range(4)]
        assert sum("it names node-a" in each for each in later) == 2


async def test_where_the_second_look_fails_openssls_own_reason_is_told(authority: Authority, tmp_path: Path) -> None:
    context, handshakes = server_context(issue_itself("node-a"), tmp_path), count()
    context.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_INTERNAL_ERROR if next(handshakes) else None
    async with serving(always, context) as server, asking("full", authority) as transport:
        said = str(await refusal(transport, target(server, host="node-a.example")))
        assert server.requests == []
    assert next(handshakes) == 2
    assert "self-signed certificate in certificate chain. Kubelets sign their own certificate unless" in said
