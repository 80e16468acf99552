"""Certificates and authorities that change under live connections, over real TLS."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509

from metrics_api.errors import StartupError
from metrics_api.pki import Authority, KeyPair
from metrics_api.serving.asgi import Scope
from metrics_api.serving.certificates import ServingPair, keep_pair
from metrics_api.serving.chain import peer_chain
from metrics_api.serving.keeper import NamedPair, TlsKeeper
from metrics_api.serving.listen import open_listener
from metrics_api.serving.server import HttpsServer

CA = Authority.create("serving-ca")
CLIENTS = Authority.create("client-ca")


def write(directory: Path, name: str, pair: KeyPair) -> ServingPair:
    files = ServingPair(directory / f"{name}.crt", directory / f"{name}.key")
    files.certificate_file.write_bytes(pair.certificate)
    files.key_file.write_bytes(pair.key)
    return files


def issue(name: str) -> KeyPair:
    return CA.issue(name, dns_names=[name, "localhost"], ip_addresses=["127.0.0.1"], server=True)


class Chains:
    """Answers 200 and remembers the chain of each request's connection."""

    def __init__(self) -> None:
        self.seen: list[tuple[bytes, ...]] = []

    async def __call__(self, scope: Scope, receive: object, send: object) -> None:
        self.seen.append(peer_chain(scope))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": b""})  # type: ignore[operator]


@contextlib.asynccontextmanager
async def serving(keeper: TlsKeeper, application: Chains) -> AsyncIterator[int]:
    server = HttpsServer(application, open_listener("127.0.0.1", 0), keeper.context, drain=1)
    task = asyncio.create_task(server.run())
    try:
        yield server.port
    finally:
        server.stop()
        await asyncio.wait_for(task, 10)


class Client:
    """One TLS connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @property
    def server_name(self) -> str:
        tls = self._writer.get_extra_info("ssl_object")
        certificate = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True))
        return str(certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)

    @property
    def version(self) -> str:
        return str(self._writer.get_extra_info("ssl_object").version())

    @property
    def suite(self) -> str:
        return str(self._writer.get_extra_info("cipher")[0])

    async def get(self) -> bytes:
        self._writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        head = await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), 10)
        return head.split(b" ")[1]

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


@contextlib.asynccontextmanager
async def connected(
    port: int,
    name: str = "localhost",
    pair: ServingPair | None = None,
    version: ssl.TLSVersion | None = None,
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[Client]:
    context = context or ssl.create_default_context(cadata=CA.certificate.decode())
    if pair is not None:
        context.load_cert_chain(pair.certificate_file, pair.key_file)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    client = Client(*await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name))
    try:
        yield client
    finally:
        await client.close()


def client_pair(directory: Path, authority: Authority, name: str) -> ServingPair:
    return write(directory, f"client-{name}", authority.issue(name, client=True))


async def test_a_renewed_pair_meets_new_connections_and_old_ones_live_on(tmp_path: Path) -> None:
    keeper = TlsKeeper(write(tmp_path, "serving", issue("first")))

    async with serving(keeper, Chains()) as port, connected(port) as old:
        write(tmp_path, "serving", issue("second"))
        assert keeper.reload_if_changed()

        async with connected(port) as new:
            assert (old.server_name, new.server_name) == ("first", "second")
        assert await old.get() == b"200"


async def test_a_broken_new_pair_is_said_and_the_old_one_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pair = write(tmp_path, "serving", issue("first"))
    keeper = TlsKeeper(pair)
    pair.key_file.write_bytes(issue("other").key)

    assert not keeper.reload_if_changed()
    assert not keeper.reload_if_changed()

    assert [record.message for record in caplog.records] == [
        "A new serving certificate is not usable; the old one stays"
    ]
    async with serving(keeper, Chains()) as port, connected(port) as client:
        assert client.server_name == "first"


async def test_nothing_is_read_again_while_no_file_has_changed(tmp_path: Path) -> None:
    keeper = TlsKeeper(write(tmp_path, "serving", issue("first")))

    assert not keeper.reload_if_changed()


@pytest.mark.parametrize(
    ("asked", "served"),
    [("localhost", "default"), ("a.example", "named"), ("x.wild.example", "wild"), ("A.Example", "named")],
)
async def test_a_certificate_is_chosen_by_the_name_asked_for(tmp_path: Path, asked: str, served: str) -> None:
    def named(name: str, pattern: str) -> NamedPair:
        pair = CA.issue(name, dns_names=[pattern], server=True)
        return NamedPair.of(write(tmp_path, name, pair), [])

    keeper = TlsKeeper(
        write(tmp_path, "default", issue("default")), [named("named", "a.example"), named("wild", "*.wild.example")]
    )

    async with serving(keeper, Chains()) as port, connected(port, asked) as client:
        assert client.server_name == served


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=str)
async def test_the_application_is_told_the_chain_on_every_request_and_connection(
    tmp_path: Path, version: ssl.TLSVersion
) -> None:
    keeper = TlsKeeper(write(tmp_path, "serving", issue("s")), ask_for_certificates=True)
    keeper.trust(CLIENTS.certificate)
    alice, application = client_pair(tmp_path, CLIENTS, "alice"), Chains()

    async with serving(keeper, application) as port:
        for _ in range(2):  # a second connection could resume the first one's session, and lose the chain
            async with connected(port, pair=alice, version=version) as client:
                await client.get()
                await client.get()

    anchor = ssl.PEM_cert_to_DER_cert(CLIENTS.certificate.decode())
    leaf = ssl.PEM_cert_to_DER_cert(alice.certificate_file.read_text())
    assert application.seen == [(leaf, anchor)] * 4


async def test_a_client_without_a_certificate_has_an_empty_chain(tmp_path: Path) -> None:
    keeper = TlsKeeper(write(tmp_path, "serving", issue("s")), ask_for_certificates=True)
    keeper.trust(CLIENTS.certificate)
    application = Chains()

    async with serving(keeper, application) as port, connected(port) as client:
        await client.get()

    assert application.seen == [()]


async def test_a_certificate_of_an_unknown_authority_does_not_get_in(tmp_path: Path) -> None:
    keeper = TlsKeeper(write(tmp_path, "serving", issue("s")), ask_for_certificates=True)
    keeper.trust(CLIENTS.certificate)
    eve = client_pair(tmp_path, Authority.create("client-ca"), "eve")

    async with serving(keeper, Chains()) as port:
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            async with connected(port, pair=eve) as client:
                await client.get()


async def test_a_certificate_chosen_by_name_comes_with_the_same_demands_on_clients(tmp_path: Path) -> None:
    named = NamedPair.of(write(tmp_path, "named", issue("a.example")), [])
    keeper = TlsKeeper(write(tmp_path, "serving", issue("s")), [named], ask_for_certificates=True)
    following, application = Authority.create("client-ca"), Chains()
    alice, bob = client_pair(tmp_path, CLIENTS, "alice"), client_pair(tmp_path, following, "bob")
    keeper.trust(CLIENTS.certificate)

    async with serving(keeper, application) as port:
        async with connected(port, "a.example", alice) as client:
            assert (client.server_name, await client.get()) == ("a.example", b"200")
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            async with connected(port, "a.example", bob) as client:
                await client.get()
        keeper.trust(following.certificate)
        async with connected(port, "a.example", bob) as client:
            assert await client.get() == b"200"
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            async with connected(port, "a.example", alice) as client:
                await client.get()

    assert [len(chain) for chain in application.seen] == [2, 2]


@pytest.mark.parametrize("name", ["localhost", "a.example"])
async def test_no_older_tls_and_no_other_suite_is_spoken_than_is_allowed(tmp_path: Path, name: str) -> None:
    named = [NamedPair.of(write(tmp_path, "named", issue("a.example")), [])]
    pair, suite = write(tmp_path, "serving", issue("s")), "ECDHE-ECDSA-CHACHA20-POLY1305"
    only_new = TlsKeeper(pair, named, minimum=ssl.TLSVersion.TLSv1_3)
    one_suite = TlsKeeper(pair, named, ciphers=suite)

    async with serving(only_new, Chains()) as port:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            async with connected(port, name, version=ssl.TLSVersion.TLSv1_2):
                pass
        async with connected(port, name) as client:
            assert client.version == "TLSv1.3"
    async with serving(one_suite, Chains()) as port, connected(port, name, version=ssl.TLSVersion.TLSv1_2) as client:
        assert client.suite == suite


async def test_a_server_certificate_proves_nothing_as_a_client(tmp_path: Path) -> None:
    keeper = TlsKeeper(write(tmp_path, "serving", issue("s")), ask_for_certificates=True)
    keeper.trust(CLIENTS.certificate)
    wrong = write(tmp_path, "wrong-usage", CLIENTS.issue("front-proxy-client", server=True))

    async with serving(keeper, Chains()) as port:
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            async with connected(port, pair=wrong) as client:
                await client.get()


async def test_a_rotated_authority_is_believed_from_the_next_connection_on(tmp_path: Path) -> None:
    keeper = TlsKeeper(write(tmp_path, "serving", issue("s")), ask_for_certificates=True)
    following = Authority.create("next-ca")
    bob, application = client_pair(tmp_path, following, "bob"), Chains()
    keeper.trust(CLIENTS.certificate)

    async with serving(keeper, application) as port:
        keeper.trust(CLIENTS.certificate + following.certificate)
        async with connected(port, pair=bob) as client:
            assert await client.get() == b"200"


async def test_a_rotated_authority_is_believed_although_the_pair_is_broken_on_disk(tmp_path: Path) -> None:
    pair = write(tmp_path, "serving", issue("s"))
    keeper = TlsKeeper(pair, ask_for_certificates=True)
    following = Authority.create("next-ca")
    bob = client_pair(tmp_path, following, "bob")
    keeper.trust(CLIENTS.certificate)
    pair.certificate_file.write_bytes(b"broken")

    keeper.trust(following.certificate)

    async with serving(keeper, Chains()) as port, connected(port, pair=bob) as client:
        assert await client.get() == b"200"


def test_a_bundle_that_is_none_is_refused_and_the_old_one_stays(tmp_path: Path) -> None:
    keeper = TlsKeeper(write(tmp_path, "serving", issue("s")), ask_for_certificates=True)
    keeper.trust(CLIENTS.certificate)

    with pytest.raises(ValueError, match="certificate authorities"):
        keeper.trust(b"nonsense")


async def test_a_head_without_end_is_refused(tmp_path: Path) -> None:
    keeper = TlsKeeper(write(tmp_path, "serving", issue("s")))
    context = ssl.create_default_context(cadata=CA.certificate.decode())

    async with serving(keeper, Chains()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(40):
                writer.write(b"x-filler: " + b"a" * 60_000 + b"\r\n")
                await writer.drain()
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 431")
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_another_pair_can_be_served_and_one_that_is_broken_changes_nothing(tmp_path: Path) -> None:
    keeper = TlsKeeper(write(tmp_path, "old", issue("old")))
    async with serving(keeper, Chains()) as port:
        keeper.serve(keep_pair(tmp_path / "kept.pem", *issue("new")))
        async with connected(port) as client:
            assert client.server_name == "new"

        with pytest.raises(StartupError, match="not a usable pair"):
            keeper.serve(keep_pair(tmp_path / "broken.pem", issue("x").certificate, issue("y").key))
        async with connected(port) as client:
            assert client.server_name == "new"
        assert not keeper.reload_if_changed()


def seen(files: ServingPair) -> bytes:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(files.certificate_file.read_text())).digest()


def test_the_fingerprints_are_of_what_clients_see_and_saw_a_moment_ago(tmp_path: Path) -> None:
    pair, other = write(tmp_path, "tls", issue("one")), write(tmp_path, "other", issue("two"))
    keeper = TlsKeeper(pair, [NamedPair.of(other, ["two"])])
    first, second = seen(pair), seen(other)
    assert keeper.fingerprints() == [first, second]

    renewed = issue("one")
    pair.certificate_file.write_bytes(b"Bag Attributes\n" + renewed.certificate + CA.certificate)
    pair.key_file.write_bytes(renewed.key)
    assert keeper.fingerprints() == [first, second]  # the files are new, what is shown is not
    assert keeper.reload_if_changed()
    now = hashlib.sha256(ssl.PEM_cert_to_DER_cert(renewed.certificate.decode())).digest()
    assert keeper.fingerprints() == [now, second, first, second]

    pair.certificate_file.write_text("no certificate")
    other.certificate_file.unlink()
    assert not keeper.reload_if_changed()
    assert keeper.fingerprints() == [now, second, first, second]


def test_the_fingerprints_follow_a_pair_that_is_handed_in(tmp_path: Path) -> None:
    pair, kept = write(tmp_path, "tls", issue("one")), keep_pair(tmp_path / "kept.pem", *issue("new"))
    keeper = TlsKeeper(pair)
    keeper.serve(kept)

    assert keeper.fingerprints() == [kept.fingerprint(), seen(pair)]


def test_the_fingerprints_follow_files_that_new_authorities_bring_into_use(tmp_path: Path) -> None:
    pair = write(tmp_path, "tls", issue("one"))
    keeper = TlsKeeper(pair, ask_for_certificates=True)
    before = seen(pair)
    write(tmp_path, "tls", issue("one"))
    keeper.trust(CA.certificate)

    assert keeper.fingerprints() == [seen(pair), before]
