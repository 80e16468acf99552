"""What a kubelet's certificate says, read from its bytes for those who have to say why it is not accepted.

Nothing is decided by this: verification is OpenSSL's and ``identity``'s. The certificate may be hostile, so every list
and text is cut. ``cryptography`` reads its parts when they are asked for and states no bound on what it then raises (a
``TypeError`` for a bit string in a name, say), so whatever it raises means that the certificate cannot be read.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from metrics_api.pki import load_bundle, load_der

_MOST_NAMES = 8
_LONGEST_TEXT = 100
_MOST_AUTHORITIES = 3


@dataclass(frozen=True, slots=True)
class Certificate:
    """The parts of a serving certificate that a refusal may be about; times are Unix seconds."""

    subject: str
    """As RFC 4514 writes it; so is the issuer."""
    issuer: str
    common_name: str
    """Empty when there is none, or more than one."""
    names: tuple[str, ...]
    """The first of its subjectAltName: DNS names and IP addresses."""
    more_names: int
    """How many others there are."""
    not_before: float
    not_after: float
    serves: bool
    """Whether it may be used by a server: no extended key usage forbids it."""

    @property
    def signs_itself(self) -> bool:
        """Tell whether it names itself as its issuer."""
        return self.subject == self.issuer


def read_certificate(der: bytes) -> Certificate:
    """Return what a certificate says.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        found = load_der(der)
        names = _alternative_names(found)
        common_names = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return Certificate(
            subject=_plain(found.subject.rfc4514_string()),
            issuer=_plain(found.issuer.rfc4514_string()),
            common_name=_plain(str(common_names[0].value)) if len(common_names) == 1 else "",
            names=tuple(_plain(name) for name in names[:_MOST_NAMES]),
            more_names=max(len(names) - _MOST_NAMES, 0),
            not_before=found.not_valid_before_utc.timestamp(),
            not_after=found.not_valid_after_utc.timestamp(),
            serves=_serves(found),
        )
    except Exception as error:
        raise ValueError("the certificate cannot be read") from error


def key_digest(der: bytes) -> bytes:
    """Return the SHA-256 of a certificate's public key (SubjectPublicKeyInfo).

    Raises:
        ValueError: it cannot be read.
    """
    try:
        key = load_der(der).public_key()
    except Exception as error:
        raise ValueError("the certificate cannot be read") from error
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def name_authorities(bundle: bytes) -> str:
    """Return the names of the authorities in a PEM bundle, the first few of them."""
    try:
        names = [_plain(each.subject.rfc4514_string()) for each in load_bundle(bundle)]
    except ValueError:
        return "unreadable"
    more = f" and {len(names) - _MOST_AUTHORITIES} more" if len(names) > _MOST_AUTHORITIES else ""
    return ", ".join(names[:_MOST_AUTHORITIES]) + more


def _alternative_names(found: x509.Certificate) -> list[str]:
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]


def _serves(found: x509.Certificate) -> bool:
    try:
        usages = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return ExtendedKeyUsageOID.SERVER_AUTH in usages or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usages


def _plain(text: str) -> str:
    """Return a text of bounded length that can be printed."""
    text = text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "…"
    return text if text.isprintable() else repr(text)[1:-1]
