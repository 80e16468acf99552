"""What the log says of client certificates that OpenSSL refuses."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_api.pki import Authority
from metrics_api.serving.certificates import ServingPair, find_pair
from metrics_api.serving.keeper import TlsKeeper
from metrics_api.serving.listen import open_listener
from metrics_api.serving.refused import RefusedCertificates, first_certificate
from metrics_api.serving.server import HttpsServer
from tests.fakes import FakeClock
from tests.serving.wire import CLIENTS, Replies, client_pair, connected

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@contextlib.asynccontextmanager
async def serving(directory: Path, clock: FakeClock) -> AsyncIterator[HttpsServer]:
    keeper = TlsKeeper(find_pair("", "", str(directory), "127.0.0.1"), ask_for_certificates=True)
    keeper.trust(CLIENTS.certificate)
    refused = RefusedCertificates(keeper, clock)
    server = HttpsServer(Replies(), open_listener("127.0.0.1", 0), keeper.context, drain=1, refused=refused)
    task = asyncio.create_task(server.run())
    try:
        yield server
    finally:
        server.stop()
        await asyncio.wait_for(task, 10)


async def try_with(port: int, pair: ServingPair | None, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    if pair is not None:
        context.load_cert_chain(pair.certificate_file, pair.key_file)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        answered = bool(await asyncio.wait_for(reader.read(12), 10))
        writer.close()
    except OSError:
        return False
    return answered


def facts(caplog: pytest.LogCaptureFixture) -> list[dict[str, str]]:
    return [getattr(record, "fields", {}) for record in caplog.records if "refused" in record.message]


@pytest.mark.parametrize("version", VERSIONS, ids=["1.2", "1.3"])
async def test_the_second_try_tells_who_issued_it_and_who_is_trusted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, version: ssl.TLSVersion
) -> None:
    stranger = client_pair(tmp_path, Authority.create("other\nca"), "mallory")
    clock = FakeClock()
    async with serving(tmp_path, clock) as server:
        for _ in range(4):
            assert not await try_with(server.port, stranger, version)
            await clock.advance(2)
        assert await try_with(server.port, client_pair(tmp_path), version)
        assert await try_with(server.port, None, version)

    first, second = facts(caplog)
    assert first == {"client": "127.0.0.1", "reason": "unable to get local issuer certificate"}
    assert (second["issuer"], second["subject"], second["trusted"]) == ("CN=other\nca", "CN=mallory", "CN=clients")


async def test_it_is_said_again_after_a_minute_and_for_another_issuer_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pairs = [client_pair(tmp_path, Authority.create(f"ca-{number}"), f"client-{number}") for number in range(2)]
    clock = FakeClock()
    async with serving(tmp_path, clock) as server:
        for pair in (pairs[0], pairs[0], pairs[1], pairs[0]):
            await try_with(server.port, pair)
            await clock.advance(2)
        assert [each.get("issuer") for each in facts(caplog)] == [None, "CN=ca-0", "CN=ca-1"]
        await clock.advance(55)
        await try_with(server.port, pairs[0])
    assert [each.get("issuer") for each in facts(caplog)][3:] == ["CN=ca-0"]


async def test_an_expired_certificate_is_named_as_such(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    now = datetime.now(UTC)
    issued = CLIENTS.issue("late", client=True, not_before=now - timedelta(2), not_after=now - timedelta(1))
    pair = client_pair(tmp_path, name="late")
    pair.certificate_file.write_bytes(issued.certificate)
    pair.key_file.write_bytes(issued.key)
    async with serving(tmp_path, FakeClock()) as server:
        assert not await try_with(server.port, pair)
    assert [each["reason"] for each in facts(caplog)] == ["certificate has expired"]


async def test_nobody_is_watched_before_a_refusal(tmp_path: Path) -> None:
    keeper = TlsKeeper(find_pair("", "", str(tmp_path), "127.0.0.1"), ask_for_certificates=True)
    clock = FakeClock()
    refused = RefusedCertificates(keeper, clock)
    assert refused.examine("10.0.0.1") is None
    refused.note("10.0.0.1", "unknown", None)
    assert refused.examine("10.0.0.2") is None
    assert refused.examine("10.0.0.1") is not None
    assert refused.examine("10.0.0.1") is None  # one a second: each makes a TLS context
    await clock.advance(61)
    assert refused.examine("10.0.0.1") is None


async def test_the_latest_refusals_are_kept_and_no_more(tmp_path: Path) -> None:
    keeper = TlsKeeper(find_pair("", "", str(tmp_path), "127.0.0.1"), ask_for_certificates=True)
    keeper.trust(CLIENTS.certificate)
    clock = FakeClock()
    refused = RefusedCertificates(keeper, clock)

    def refuse(leaf: bytes) -> None:
        refused.note("10.0.0.1", "unknown", None)
        examination = refused.examine("10.0.0.1")
        assert examination is not None
        examination.leaf = ssl.PEM_cert_to_DER_cert(leaf.decode())
        refused.note("10.0.0.1", "unknown", examination)

    leaves = [Authority.create(f"ca {number}").issue("kube").certificate for number in range(20)]
    for leaf in leaves:
        refuse(leaf)
        await clock.advance(2)
    assert len(refused.latest) == 10
    assert refused.latest[-1] == "10.0.0.1 showed CN=kube, issued by CN=ca 19; trusted are CN=clients"
    keeper.trust(Authority.create("others").certificate)
    assert refused.latest == []  # who is refused by those is another question
    refuse(leaves[-1])
    assert refused.latest == ["10.0.0.1 showed CN=kube, issued by CN=ca 19; trusted are CN=others"]


async def test_addresses_and_issuers_without_number_are_not_all_remembered(tmp_path: Path) -> None:
    keeper = TlsKeeper(find_pair("", "", str(tmp_path), "127.0.0.1"), ask_for_certificates=True)
    refused = RefusedCertificates(keeper, FakeClock())
    for number in range(1000):
        refused.note(f"10.0.{number // 256}.{number % 256}", "unknown", None)
    assert refused.examine("10.0.0.0") is None
    assert refused.examine("10.0.3.231") is not None


@given(st.binary(max_size=400), st.booleans())
def test_any_message_is_read_without_a_fault(message: bytes, is_tls13: bool) -> None:
    logging.getLogger(__name__).debug("%r", first_certificate(message, is_tls13=is_tls13)[:1])


async def test_connections_of_a_suspect_with_a_good_certificate_are_served(tmp_path: Path) -> None:
    clock = FakeClock()
    async with serving(tmp_path, clock) as server:
        await try_with(server.port, client_pair(tmp_path, Authority.create("other"), "mallory"))
        await clock.advance(2)
        async with connected(server.port, client_pair(tmp_path)) as client:
            for _ in range(3):
                assert (await client.ask())[0] == 200
