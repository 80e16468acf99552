import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from metrics_api.pki import Authority, KeyPair, load_bundle, load_der, load_pem


def load(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)


def test_a_server_certificate_verifies_for_its_names_under_its_authority() -> None:
    authority = Authority.create("ca")
    leaf = load(authority.issue("web", dns_names=["web.example"], server=True).certificate)

    verifier = (
        PolicyBuilder().store(Store([load(authority.certificate)])).build_server_verifier(x509.DNSName("web.example"))
    )
    verifier.verify(leaf, [])


def test_another_authority_of_the_same_name_does_not_verify_it() -> None:
    leaf = load(Authority.create("ca").issue("web", dns_names=["web.example"], server=True).certificate)
    other = load(Authority.create("ca").certificate)

    verifier = PolicyBuilder().store(Store([other])).build_server_verifier(x509.DNSName("web.example"))
    with pytest.raises(VerificationError):
        verifier.verify(leaf, [])


def test_a_client_certificate_carries_user_and_groups() -> None:
    pair = Authority.create("ca").issue("alice", organizations=["dev", "ops"], client=True)

    subject = load(pair.certificate).subject
    assert [a.value for a in subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)] == ["alice"]
    assert [a.value for a in subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)] == ["dev", "ops"]


@pytest.mark.parametrize(
    ("server", "client", "expected"),
    [
        (True, False, [ExtendedKeyUsageOID.SERVER_AUTH]),
        (False, True, [ExtendedKeyUsageOID.CLIENT_AUTH]),
        (True, True, [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
    ],
)
def test_the_extended_key_usage_says_what_was_asked(
    server: bool, client: bool, expected: list[x509.ObjectIdentifier]
) -> None:
    pair = Authority.create("ca").issue("x", server=server, client=client)

    extension = load(pair.certificate).extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert list(extension.value) == expected


def test_validity_is_a_year_from_an_hour_ago_unless_told() -> None:
    now = datetime.now(UTC)
    authority = Authority.create("ca")
    usual = load(authority.issue("x").certificate)
    told = load(authority.issue("x", not_before=now, not_after=now + timedelta(days=3)).certificate)

    assert usual.not_valid_before_utc < now - timedelta(minutes=59)
    assert usual.not_valid_after_utc > now + timedelta(days=364)
    assert told.not_valid_after_utc - told.not_valid_before_utc == timedelta(days=3)


def test_an_authority_that_was_kept_signs_as_before() -> None:
    authority = Authority.create("ca")
    again = Authority.load(authority.pair)

    assert again.pair == authority.pair
    load(again.issue("web", server=True).certificate).verify_directly_issued_by(load(authority.certificate))


def test_a_key_that_is_not_the_authoritys_is_refused() -> None:
    with pytest.raises(ValueError, match="does not belong"):
        Authority.load(KeyPair(Authority.create("ca").certificate, Authority.create("ca").pair.key))
    with pytest.raises(ValueError, match="PEM"):
        Authority.load(KeyPair(b"no PEM", b"no PEM"))
    rsa_key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(ValueError, match="not an elliptic curve key"):
        Authority.load(KeyPair(Authority.create("ca").certificate, rsa_key))


@pytest.mark.parametrize(
    "load_one", [load_pem, load_bundle, lambda pem: load_der(ssl.PEM_cert_to_DER_cert(pem.decode()))]
)
def test_a_version_that_there_is_not_is_a_value_error_as_all_else_that_is_broken(
    load_one: Callable[[bytes], object],
) -> None:
    der = bytearray(ssl.PEM_cert_to_DER_cert(Authority.create("ca").certificate.decode()))
    version = der.index(b"\xa0\x03\x02\x01") + 4
    der[version] = 1

    with pytest.raises(ValueError, match="not a valid X509 version"):
        load_one(ssl.DER_cert_to_PEM_cert(bytes(der)).encode())
