"""TLS to kubelets: who is believed, what is said when somebody is not, and files that rotate."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from metrics_api.clock import SystemClock
from metrics_api.errors import ScrapeError, StartupError
from metrics_api.kubelet.options import TlsOptions
from metrics_api.kubelet.routes import Route
from metrics_api.kubelet.tls import TlsContexts
from metrics_api.kubelet.tls_errors import tls_error
from metrics_api.kubelet.transport import KubeletTransport, Target
from metrics_api.pki import Authority, KeyPair
from tests.fakes import FakeClock
from tests.kubelet.scripted_server import Wire, always, server_context, serving

LOOPBACK = "127.0.0.1"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("kubelet-ca")


@pytest.fixture(scope="module")
def pair(authority: Authority) -> KeyPair:
    return authority.issue("system:node:node-a", ip_addresses=[LOOPBACK], dns_names=["node-a.example"], server=True)


async def ask(options: TlsOptions, port: int, host: str = LOOPBACK) -> int:
    """Return the status of one answer."""
    transport = KubeletTransport(TlsContexts(options, SystemClock()))
    route = Route(host, ip_address(LOOPBACK), port)
    target = Target("uid-a", route, b"GET / HTTP/1.1\r\nHost: a\r\n", 1 << 20, node_name="node-a")
    try:
        return (await transport.get(target, deadline=5)).status
    finally:
        await transport.aclose()


async def refusal(options: TlsOptions, context: ssl.SSLContext | None, host: str = LOOPBACK) -> ScrapeError:
    async with serving(always, context) as server:
        with pytest.raises(ScrapeError) as caught:
            await ask(options, server.port, host)
        assert server.requests == []
    return caught.value


async def refusal_with_alert(options: TlsOptions, context: ssl.SSLContext) -> ScrapeError:
    """Ask a server whose refusal comes as a TLS alert, as Go's does; asyncio's servers send none."""

    def serve() -> None:
        connection, _ = listener.accept()
        with context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as tls:
            with contextlib.suppress(ssl.SSLError):
                tls.do_handshake()
            while socket.socket.recv(tls, 65536):  # closing before the client's bytes are read would send a reset
                pass

    with socket.create_server((LOOPBACK, 0)) as listener:
        server = asyncio.get_running_loop().run_in_executor(None, serve)
        with pytest.raises(ScrapeError) as caught:
            await ask(options, listener.getsockname()[1])
        await server
    return caught.value


async def test_a_certificate_of_the_given_authority_for_the_dialled_name_is_believed(
    authority: Authority, pair: KeyPair, tmp_path: Path
) -> None:
    async with serving(always, server_context(pair, tmp_path)) as server:
        for host in (LOOPBACK, "node-a.example"):
            assert await ask(TlsOptions(ca_data=authority.certificate), server.port, host) == 200


async def test_a_file_wins_over_data(authority: Authority, pair: KeyPair, tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    file.write_bytes(authority.certificate)
    options = TlsOptions(ca_file=str(file), ca_data=Authority.create("other").certificate)
    async with serving(always, server_context(pair, tmp_path)) as server:
        assert await ask(options, server.port) == 200


async def test_a_self_signed_certificate_can_be_trusted_by_itself(tmp_path: Path, pair: KeyPair) -> None:
    async with serving(always, server_context(pair, tmp_path)) as server:
        assert await ask(TlsOptions(ca_data=pair.certificate), server.port) == 200


@pytest.mark.parametrize(
    "options",
    [TlsOptions(ca_data=Authority.create("kubelet-ca").certificate), TlsOptions()],
    ids=["another authority of that name", "the system's authorities"],
)
async def test_an_unknown_authority_is_not_believed(options: TlsOptions, pair: KeyPair, tmp_path: Path) -> None:
    error = await refusal(options, server_context(pair, tmp_path))
    assert error.reason == "tls"
    assert "--kubelet-certificate-authority" in str(error)


async def test_a_certificate_for_another_name_is_not_believed(
    authority: Authority, pair: KeyPair, tmp_path: Path
) -> None:
    options = TlsOptions(ca_data=authority.certificate)
    error = await refusal(options, server_context(pair, tmp_path), "node-b.example")
    assert error.reason == "tls"
    assert "--kubelet-preferred-address-types" in str(error)


async def test_a_common_name_is_no_name(authority: Authority, tmp_path: Path) -> None:
    pair = authority.issue("node-a.example", ip_addresses=["10.0.0.7"], server=True)
    options = TlsOptions(ca_data=authority.certificate)
    assert (await refusal(options, server_context(pair, tmp_path), "node-a.example")).reason == "tls"


async def test_a_certificate_for_names_only_is_not_believed_of_an_ip(authority: Authority, tmp_path: Path) -> None:
    pair = authority.issue("node-a", dns_names=["node-a.example"], server=True)
    error = await refusal(TlsOptions(ca_data=authority.certificate), server_context(pair, tmp_path))
    assert "127.0.0.1" in str(error)
    assert "--kubelet-preferred-address-types" in str(error)


@pytest.mark.parametrize(("starts", "ends"), [(-10, -5), (5, 10)], ids=["expired", "not yet valid"])
async def test_a_certificate_out_of_its_time_is_not_believed(
    authority: Authority, tmp_path: Path, starts: int, ends: int
) -> None:
    now = datetime.now(UTC)
    pair = authority.issue(
        "node-a",
        ip_addresses=[LOOPBACK],
        server=True,
        not_before=now + timedelta(days=starts),
        not_after=now + timedelta(days=ends),
    )
    error = await refusal(TlsOptions(ca_data=authority.certificate), server_context(pair, tmp_path))
    assert error.reason == "tls"
    assert ("it expired at" if starts < 0 else "it is not valid before") in str(error)


async def test_without_verification_anybody_is_believed(pair: KeyPair, tmp_path: Path) -> None:
    options = TlsOptions(verify="none", ca_data=Authority.create("other").certificate)
    async with serving(always, server_context(pair, tmp_path)) as server:
        assert await ask(options, server.port, "no-such-name.example") == 200


async def test_a_kubelet_without_a_serving_certificate_is_told_apart(pair: KeyPair, tmp_path: Path) -> None:
    context = server_context(pair, tmp_path)
    context.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
    error = await refusal_with_alert(TlsOptions(verify="none"), context)
    assert error.reason == "no_serving_cert"
    assert "kubectl certificate approve" in str(error)


async def test_plain_http_on_the_tls_port_is_told_apart() -> None:
    async def script(wire: Wire) -> None:
        await wire.reader.read(1)
        await wire.send(b"HTTP/1.0 400 Bad Request\r\n\r\n")

    async with serving(script, None) as server:
        with pytest.raises(ScrapeError, match="does not speak TLS") as caught:
            await ask(TlsOptions(verify="none"), server.port)
    assert caught.value.reason == "tls"


async def test_a_connection_that_ends_within_the_handshake_is_a_reset() -> None:
    async def script(wire: Wire) -> None:
        await wire.reader.read(1)
        wire.reset()

    async with serving(script, None) as server:
        with pytest.raises(ScrapeError) as caught:
            await ask(TlsOptions(verify="none"), server.port)
    assert caught.value.reason == "reset"


async def test_tls_older_than_1_2_is_not_spoken(pair: KeyPair, tmp_path: Path) -> None:
    context = TlsContexts(TlsOptions(verify="none"), FakeClock()).current()
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


async def test_a_client_certificate_is_shown_where_one_is_wanted(
    authority: Authority, pair: KeyPair, tmp_path: Path
) -> None:
    client = authority.issue("metrics-api", client=True)
    (tmp_path / "client.crt").write_bytes(client.certificate)
    (tmp_path / "client.key").write_bytes(client.key)
    files = TlsOptions(
        ca_data=authority.certificate,
        client_certificate_file=str(tmp_path / "client.crt"),
        client_key_file=str(tmp_path / "client.key"),
    )
    data = TlsOptions(
        ca_data=authority.certificate, client_certificate_data=client.certificate, client_key_data=client.key
    )
    async with serving(always, server_context(pair, tmp_path, client_ca=authority)) as server:
        assert await ask(files, server.port) == 200
        assert await ask(data, server.port) == 200


async def test_a_client_certificate_that_is_missing_is_asked_for(
    authority: Authority, pair: KeyPair, tmp_path: Path
) -> None:
    context = server_context(pair, tmp_path, client_ca=authority)
    error = await refusal_with_alert(TlsOptions(ca_data=authority.certificate), context)
    assert error.reason == "tls"
    assert "--kubelet-client-certificate" in str(error)


async def test_a_client_certificate_of_a_strange_authority_is_refused_with_advice(
    authority: Authority, pair: KeyPair, tmp_path: Path
) -> None:
    client = Authority.create("strange").issue("metrics-api", client=True)
    options = TlsOptions(verify="none", client_certificate_data=client.certificate, client_key_data=client.key)
    error = await refusal_with_alert(options, server_context(pair, tmp_path, client_ca=authority))
    assert error.reason == "tls"
    assert "refused us" in str(error)


def test_a_context_is_built_once_and_again_only_when_a_file_has_changed(tmp_path: Path) -> None:
    file, clock = tmp_path / "ca.crt", FakeClock()
    file.write_bytes(Authority.create("one").certificate)
    contexts = TlsContexts(TlsOptions(ca_file=str(file)), clock)
    first = contexts.current()
    clock.move_to(clock.monotonic() + 61)
    assert contexts.current() is first
    file.write_bytes(Authority.create("two").certificate)
    clock.move_to(clock.monotonic() + 59)
    assert contexts.current() is first, "looked at within the minute"
    clock.move_to(clock.monotonic() + 2)
    assert contexts.current() is not first


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\nhalf", b"\xff\xfe"])
def test_a_file_that_is_not_usable_changes_nothing_and_is_said_once(
    tmp_path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    file, clock, good = tmp_path / "ca.crt", FakeClock(), Authority.create("one").certificate
    file.write_bytes(good)
    contexts = TlsContexts(TlsOptions(ca_file=str(file)), clock)
    first = contexts.current()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            if content is None:
                file.unlink(missing_ok=True)
            else:
                file.write_bytes(content)
            clock.move_to(clock.monotonic() + 61)
            assert contexts.current() is first
    assert len(caplog.records) == 1
    file.write_bytes(good + Authority.create("two").certificate)
    clock.move_to(clock.monotonic() + 61)
    assert contexts.current() is not first


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"\xff\xfe"])
def test_a_file_that_is_not_usable_at_start_stops_the_program(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ca.crt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(StartupError, match=r"ca\.crt"):
        TlsContexts(TlsOptions(ca_file=str(file)), FakeClock())


def test_a_key_that_does_not_belong_to_its_certificate_stops_the_program() -> None:
    authority = Authority.create("one")
    mine, other = authority.issue("a", client=True), authority.issue("b", client=True)
    options = TlsOptions(
        ca_data=authority.certificate, client_certificate_data=mine.certificate, client_key_data=other.key
    )
    with pytest.raises(StartupError, match="belong together"):
        TlsContexts(options, FakeClock())


def test_options_do_not_show_keys_when_printed() -> None:
    assert "secret" not in repr(TlsOptions(client_key_data=b"secret", ca_data=b"secret"))


def test_an_unknown_tls_failure_is_named() -> None:
    error = tls_error(ssl.SSLError(1, "[SSL: SOMETHING_NEW] something new (_ssl.c:1)"), LOOPBACK)
    assert error.reason == "tls"
    assert "SOMETHING_NEW" in str(error)
