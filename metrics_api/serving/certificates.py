"""The serving certificate: the operator's pair, or a self-signed one that is made once and kept.

Rules for the self-signed pair: apiserver ``pkg/server/options/serving.go`` (``apiserver.crt`` and ``apiserver.key`` in
``--cert-dir``, reused while both can be read). Unlike there, a kept pair that has expired is made anew.
"""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from metrics_api.errors import StartupError

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class ServingPair:
    """Where a certificate chain and its private key lie, both PEM."""

    certificate_file: Path
    key_file: Path

    @classmethod
    def at(cls, certificate_file: str, key_file: str) -> ServingPair:
        """Return the pair in these two files."""
        return cls(Path(certificate_file), Path(key_file))

    def names(self) -> tuple[str, ...]:
        """Return the DNS names that the certificate is for, in lower case; its common name when it lists none.

        Raises:
            StartupError: the file cannot be read or holds no certificate.
        """
        from cryptography import x509  # not at the top: listening comes before heavy imports

        from metrics_api.pki import load_pem

        try:
            certificate = load_pem(self.certificate_file.read_bytes())
        except (OSError, ValueError) as error:
            raise StartupError(f"--tls-sni-cert-key: cannot use {self.certificate_file}: {error}") from error
        try:
            listed = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
            return tuple(str(name.value).lower() for name in common)
        return tuple(name.lower() for name in listed.get_values_for_type(x509.DNSName))

    def fingerprint(self) -> bytes:
        """Return the SHA-256 of the certificate, as one who connects sees it.

        Raises:
            ValueError: the file holds no certificate.
            OSError: it cannot be read.
        """
        first, end, _ = self.certificate_file.read_text().partition(_END)
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first[first.find(_BEGIN) :] + end)).digest()

    def load_into(self, context: ssl.SSLContext) -> None:
        """Give the pair to a TLS context.

        Raises:
            StartupError: a file cannot be read, is no PEM, or the key does not belong to the certificate.
        """
        for path in (self.certificate_file, self.key_file):
            try:
                path.open("rb").close()
            except OSError as error:
                raise StartupError(
                    f"cannot read {path}: {error.strerror}. Check --tls-cert-file, --tls-private-key-file, "
                    "--tls-sni-cert-key or --cert-dir, and the file's permissions for the user this program runs as"
                ) from error
        try:
            context.load_cert_chain(self.certificate_file, self.key_file, password=_refuse_password)
        except (ssl.SSLError, ValueError) as error:
            raise StartupError(
                f"{self.certificate_file} and {self.key_file} are not a usable pair: {error}. The first must hold a "
                "PEM certificate (its chain may follow), the second its private key, unencrypted"
            ) from error


def _refuse_password() -> bytes:
    raise ValueError("the private key is encrypted; a password cannot be given")


def find_pair(certificate_file: str, key_file: str, certificate_directory: str, bind_address: str) -> ServingPair:
    """Return the pair to serve with, making a self-signed one when nothing is given.

    Args:
        certificate_file: ``--tls-cert-file``; empty for none.
        key_file: ``--tls-private-key-file``; empty for none.
        certificate_directory: ``--cert-dir``, where the self-signed pair is kept.
        bind_address: Named in the self-signed certificate when it is a specific address.

    Raises:
        StartupError: the directory cannot be written.
    """
    if certificate_file and key_file:
        return ServingPair(Path(certificate_file), Path(key_file))
    directory = Path(certificate_directory)
    pair = ServingPair(directory / "apiserver.crt", directory / "apiserver.key")
    if not _still_good(pair):
        _write_self_signed(pair, bind_address)
    return pair


def kept_pair(path: Path) -> ServingPair | None:
    """Return the pair that ``keep_pair`` put into a file, ``None`` when there is none that is still good."""
    pair = ServingPair(path, path)
    return pair if path.exists() and _still_good(pair) else None


def keep_pair(path: Path, certificate: bytes, key: bytes) -> ServingPair:
    """Put a pair, PEM, into one file that only this user may read, and return it; OpenSSL reads files alone.

    The file is there whole or not at all.

    Raises:
        StartupError: the directory cannot be written.
    """
    new = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_private(new, certificate + key)
        new.replace(path)
    except OSError as error:
        raise StartupError(
            f"cannot write {path}: {error.strerror}. Give a writable directory with --cert-dir"
        ) from error
    return ServingPair(path, path)


def _still_good(pair: ServingPair) -> bool:
    from metrics_api.pki import load_pem  # not at the top: listening comes before heavy imports

    try:
        certificate = load_pem(pair.certificate_file.read_bytes())
        pair.load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    except (OSError, ValueError, StartupError):
        return False
    return certificate.not_valid_after_utc > datetime.now(UTC)


def _write_self_signed(pair: ServingPair, bind_address: str) -> None:
    from metrics_api.pki import Authority  # brings cryptography

    made_at = int(datetime.now(UTC).timestamp())
    authority = Authority.create(f"localhost-ca@{made_at}")
    addresses = ["127.0.0.1"]
    if not ip_address(bind_address).is_unspecified and bind_address not in addresses:
        addresses.append(bind_address)
    made = authority.issue(f"localhost@{made_at}", dns_names=["localhost"], ip_addresses=addresses, server=True)
    try:
        pair.certificate_file.parent.mkdir(parents=True, exist_ok=True)
        # The key first: a reader that finds the new certificate must not find the old key.
        _write_private(pair.key_file, made.key)
        pair.certificate_file.write_bytes(made.certificate + authority.certificate)
    except OSError as error:
        raise StartupError(
            f"cannot keep a self-signed certificate in {pair.certificate_file.parent}: {error.strerror}. Give a "
            "writable directory with --cert-dir, or a pair with --tls-cert-file and --tls-private-key-file"
        ) from error


def _write_private(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content)
