"""Certificates: made here, for the server and the stand-in cluster, and those of others, read.

ECDSA P-256: a handshake costs a tenth of RSA-2048's, and every Kubernetes client accepts it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import NamedTuple, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_BACKDATED = timedelta(hours=1)  # so that a peer whose clock is behind accepts the certificate at once
_LIFETIME = timedelta(days=365)


T = TypeVar("T")


def load_der(data: bytes) -> x509.Certificate:
    """Return a certificate; raises ``ValueError`` whatever keeps it from being read."""
    return _loaded(x509.load_der_x509_certificate, data)


def load_pem(data: bytes) -> x509.Certificate:
    """Return the first certificate of a PEM text; raises ``ValueError`` whatever keeps it from being read."""
    return _loaded(x509.load_pem_x509_certificate, data)


def load_bundle(data: bytes) -> list[x509.Certificate]:
    """Return all certificates of a PEM text; raises ``ValueError`` when one cannot be read, or there is none."""
    return _loaded(x509.load_pem_x509_certificates, data)


def _loaded(load: Callable[[bytes], T], data: bytes) -> T:
    try:
        return load(data)
    except x509.InvalidVersion as error:  # the one that is no ValueError
        raise ValueError(str(error)) from error


class KeyPair(NamedTuple):
    """A certificate and its private key, both PEM; the key is PKCS#8 and not encrypted."""

    certificate: bytes
    key: bytes


class Authority:
    """A certificate authority that lives in memory."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate = certificate
        self._key = key
        self.certificate = certificate.public_bytes(serialization.Encoding.PEM)
        """PEM."""

    @property
    def pair(self) -> KeyPair:
        """Certificate and key, for keeping; ``load`` takes them back."""
        return KeyPair(self.certificate, _key_pem(self._key))

    @classmethod
    def load(cls, pair: KeyPair) -> Authority:
        """Return the authority that was kept.

        Raises:
            ValueError: a part is no PEM, the key is none of ours, or they do not belong together.
        """
        certificate = load_pem(pair.certificate)
        key = serialization.load_pem_private_key(pair.key, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("the authority's key is not an elliptic curve key")  # noqa: TRY004 - the file's fault
        if key.public_key() != certificate.public_key():
            raise ValueError("the authority's key does not belong to its certificate")
        return cls(certificate, key)

    @classmethod
    def create(
        cls, common_name: str, *, not_before: datetime | None = None, not_after: datetime | None = None
    ) -> Authority:
        """Return a new self-signed authority, valid for a year unless told otherwise."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(common_name, ())
        builder = _builder(name, name, key.public_key(), not_before, not_after)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(_key_usage(authority=True), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        return cls(builder.sign(key, hashes.SHA256()), key)

    def issue(
        self,
        common_name: str,
        *,
        organizations: Sequence[str] = (),
        dns_names: Sequence[str] = (),
        ip_addresses: Sequence[str] = (),
        server: bool = False,
        client: bool = False,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> KeyPair:
        """Return a leaf certificate and its key.

        Args:
            common_name: The subject's CN; a user's name in Kubernetes.
            organizations: The subject's O values; a user's groups in Kubernetes.
            dns_names: DNS names of the subjectAltName.
            ip_addresses: IP addresses of the subjectAltName.
            server: Whether the extended key usage names serverAuth.
            client: Whether it names clientAuth.
            not_before: Start of validity; an hour ago when ``None``.
            not_after: End of validity; a year after now when ``None``.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(common_name, organizations)
        builder = _builder(subject, self._certificate.subject, key.public_key(), not_before, not_after)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_key_usage(authority=False), critical=True)
        usages = [ExtendedKeyUsageOID.SERVER_AUTH] * server + [ExtendedKeyUsageOID.CLIENT_AUTH] * client
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        names = [
            *(x509.DNSName(name) for name in dns_names),
            *(x509.IPAddress(ip_address(address)) for address in ip_addresses),
        ]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
        )
        certificate = builder.sign(self._key, hashes.SHA256())
        return KeyPair(
            certificate.public_bytes(serialization.Encoding.PEM),
            _key_pem(key),
        )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _name(common_name: str, organizations: Sequence[str]) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, value) for value in organizations]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    not_before: datetime | None,
    not_after: datetime | None,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before or now - _BACKDATED)
        .not_valid_after(not_after or now + _LIFETIME)
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
