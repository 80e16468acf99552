"""Certificates in the words of a report, and when they end. For a thread: it reads files and brings a large library."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from metrics_api.reports import CertificateReport

if TYPE_CHECKING:
    from cryptography import x509

_LARGEST_FILE = 1 << 20


def described(pem: bytes) -> tuple[CertificateReport, ...]:
    """Return the certificates of a PEM bundle, none when it cannot be understood."""
    if not pem:
        return ()
    from metrics_api.pki import load_bundle  # not at the top: listening comes before heavy imports

    try:
        found = load_bundle(pem)
    except ValueError:
        return ()
    return tuple(
        CertificateReport(
            each.subject.rfc4514_string(),
            each.issuer.rfc4514_string(),
            each.not_valid_after_utc.timestamp(),
            _names(each),
        )
        for each in found
    )


def described_file(path: Path) -> CertificateReport | None:
    """Return the first certificate in a file, ``None`` when there is none that can be read."""
    try:
        with path.open("rb") as file:
            found = described(file.read(_LARGEST_FILE))
    except OSError:
        return None
    return found[0] if found else None


def first_expiry(certificates: Iterable[CertificateReport]) -> float | None:
    """Return the Unix time at which the first of them expires, ``None`` when there is none."""
    return min((each.not_after for each in certificates), default=None)


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    from cryptography import x509

    try:
        listed = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    addresses = listed.get_values_for_type(x509.IPAddress)
    return (*listed.get_values_for_type(x509.DNSName), *map(str, addresses))
