"""Client certificates: chains as the TLS layer hands them over (DER, leaf first, trust anchor last), and a forgery."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from metrics_api.pki import Authority, KeyPair


def der(pem: bytes) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pem.decode())


def chain(authority: Authority, common_name: str, **options: Any) -> tuple[bytes, bytes]:
    leaf = authority.issue(common_name, client=True, **options)
    return der(leaf.certificate), der(authority.certificate)


def self_signed(common_name: str) -> KeyPair:
    """Return a client's certificate that nobody but its own key has signed."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return KeyPair(certificate.public_bytes(pem), key.private_bytes(pem, form, serialization.NoEncryption()))


def under(issuer: KeyPair, common_name: str, *, is_authority: bool = True) -> Authority:
    """Return an authority whose certificate the key of another one has signed.

    Args:
        issuer: Whose key signs; it need not be allowed to.
        common_name: Of the new one.
        is_authority: Whether its certificate says that it may sign others.
    """
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    above = x509.load_pem_x509_certificate(issuer.certificate)
    above_key = serialization.load_pem_private_key(issuer.key, None)
    assert isinstance(above_key, ec.EllipticCurvePrivateKey)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    certificate = (
        x509.CertificateBuilder(above.subject, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .sign(above_key, hashes.SHA256())
    )
    return Authority(certificate, key)
