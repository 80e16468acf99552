from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from metrics_api.errors import StartupError
from metrics_api.pki import Authority, KeyPair
from metrics_api.serving.certificates import ServingPair, find_pair, keep_pair, kept_pair
from metrics_api.serving.context import server_context


def write(directory: Path, pair: KeyPair) -> ServingPair:
    files = ServingPair(directory / "apiserver.crt", directory / "apiserver.key")
    files.certificate_file.write_bytes(pair.certificate)
    files.key_file.write_bytes(pair.key)
    return files


def self_signed(directory: Path, bind_address: str = "0.0.0.0") -> ServingPair:
    return find_pair("", "", str(directory), bind_address)


def names_of(pair: ServingPair) -> x509.SubjectAlternativeName:
    certificate = x509.load_pem_x509_certificate(pair.certificate_file.read_bytes())
    return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def test_a_self_signed_pair_is_made_for_localhost_and_can_serve(tmp_path: Path) -> None:
    pair = self_signed(tmp_path / "new" / "deep")

    assert names_of(pair).get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(ip) for ip in names_of(pair).get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    server_context(pair)


def test_a_specific_bind_address_is_named_in_the_certificate(tmp_path: Path) -> None:
    pair = self_signed(tmp_path, "192.0.2.7")

    assert "192.0.2.7" in [str(ip) for ip in names_of(pair).get_values_for_type(x509.IPAddress)]


def test_a_self_signed_pair_is_kept_and_used_again(tmp_path: Path) -> None:
    first = self_signed(tmp_path).certificate_file.read_bytes()

    assert self_signed(tmp_path).certificate_file.read_bytes() == first


def test_the_private_key_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    assert self_signed(tmp_path).key_file.stat().st_mode & 0o777 == 0o600


def test_a_kept_pair_that_has_expired_is_made_anew(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    authority = Authority.create("old", not_before=now - timedelta(days=9), not_after=now - timedelta(days=1))
    old = authority.issue("old", server=True, not_before=now - timedelta(days=9), not_after=now - timedelta(days=1))
    write(tmp_path, old)

    assert self_signed(tmp_path).certificate_file.read_bytes() != old.certificate


def test_a_kept_pair_whose_halves_do_not_belong_together_is_made_anew(tmp_path: Path) -> None:
    authority = Authority.create("a")
    one, other = authority.issue("one", server=True), authority.issue("other", server=True)
    write(tmp_path, KeyPair(one.certificate, other.key))

    server_context(self_signed(tmp_path))


def test_a_directory_that_cannot_be_written_is_named_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StartupError, match=r"file/certificates.*--cert-dir"):
        self_signed(tmp_path / "file" / "certificates")


def test_the_given_pair_is_used(tmp_path: Path) -> None:
    pair = write(tmp_path, Authority.create("a").issue("given", server=True))

    found = find_pair(str(pair.certificate_file), str(pair.key_file), "/nowhere", "0.0.0.0")

    assert found == pair


@pytest.mark.parametrize("missing", ["apiserver.crt", "apiserver.key"])
def test_a_given_file_that_is_missing_is_named(tmp_path: Path, missing: str) -> None:
    pair = write(tmp_path, Authority.create("a").issue("given", server=True))
    (tmp_path / missing).unlink()

    with pytest.raises(StartupError, match=missing):
        server_context(pair)


def test_a_given_file_that_is_no_pem_is_named(tmp_path: Path) -> None:
    pair = write(tmp_path, KeyPair(b"certificate", b"key"))

    with pytest.raises(StartupError, match="not a usable pair"):
        server_context(pair)


def test_an_encrypted_key_is_refused_instead_of_asking_at_the_terminal(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    made = Authority.create("a").issue("given", server=True)
    encrypted = serialization.load_pem_private_key(made.key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    pair = write(tmp_path, KeyPair(made.certificate, encrypted))

    with pytest.raises(StartupError, match="encrypted"):
        server_context(pair)


def test_cipher_suites_that_openssl_does_not_know_are_refused(tmp_path: Path) -> None:
    pair = self_signed(tmp_path)

    with pytest.raises(StartupError, match="tls-cipher-suites"):
        server_context(pair, ciphers="NO-SUCH-SUITE")


def test_tls_older_than_1_2_is_never_spoken(tmp_path: Path) -> None:
    assert server_context(self_signed(tmp_path)).minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_kept_pair_is_found_again_while_it_is_good_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    authority = Authority.create("ca")
    file = tmp_path / "folder" / "verified-tls.pem"
    assert kept_pair(file) is None
    pair = keep_pair(file, *authority.issue("x", server=True))

    assert kept_pair(file) == pair
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in file.parent.iterdir()] == [file.name]

    keep_pair(file, *authority.issue("x", server=True, not_after=datetime.now(UTC) - timedelta(minutes=1)))
    assert kept_pair(file) is None


def test_a_directory_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartupError, match="writable directory"):
        keep_pair(tmp_path / "file" / "x.pem", b"", b"")
