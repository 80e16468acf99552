"""Reads what a kubeconfig keeps in files or inside itself: certificates, keys and tokens, each checked when read.

``kubernetes.aio.config`` is not used for this: it writes keys into temporary files, reads a token file once and with
its line end, logs what an exec plugin did wrong instead of raising it, and turns certificate checks off towards an
OpenID issuer. The scraper needs the bytes as well.
"""

from __future__ import annotations

import base64
import binascii
import ssl
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from metrics_api.errors import KubeConfigError
from metrics_api.pki import load_bundle

_LARGEST_FILE = 1 << 20
_LONGEST_TOKEN = 64 << 10


class Place(NamedTuple):
    """Where something is: in a file, or given as it is. At most one of the two."""

    what: str
    """For messages: which key of which entry of which kubeconfig."""
    file: Path | None
    data: bytes | None

    def read(self) -> bytes:
        """Return the bytes.

        Raises:
            KubeConfigError: The file cannot be read, or is too large.
        """
        if self.file is None:
            return self.data or b""
        return read_file(self.file, self.what)


def read_file(path: Path, what: str) -> bytes:
    """Return a file's bytes, 1 MiB at most.

    Raises:
        KubeConfigError: It cannot be read or is larger.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise KubeConfigError(
            f"{what}: {str(path)!r} cannot be read ({error.strerror or error}); give a file that this process may read"
        ) from error
    if len(content) > _LARGEST_FILE:
        raise KubeConfigError(f"{what}: {str(path)!r} is larger than 1 MiB; it cannot be what is asked for")
    return content


def decode_base64(text: str, what: str) -> bytes:
    """Return what a ``…-data`` key holds.

    Raises:
        KubeConfigError: It is no base64.
    """
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise KubeConfigError(f"{what} is no valid base64 ({error}); copy it again, whole and on one line") from error


def read_ca(place: Place) -> bytes:
    """Return a PEM bundle with at least one certificate.

    Raises:
        KubeConfigError: It cannot be read or holds none.
    """
    content = place.read()
    try:
        ssl.create_default_context(cadata=content.decode("ascii", "replace"))
    except ssl.SSLError as error:
        raise KubeConfigError(
            f"{place.what}: {_where(place)} holds no usable certificate ({error}); give the cluster's CA bundle as PEM"
        ) from error
    return content


def read_key_pair(certificate: Place, key: Place) -> tuple[bytes, bytes]:
    """Return a client certificate and its key, both PEM, that belong together.

    Raises:
        KubeConfigError: One cannot be read, the key is encrypted, or they do not belong together.
    """
    certificate_pem, key_pem = certificate.read(), key.read()
    check_key_pair(certificate_pem, key_pem, f"{certificate.what}, {_where(certificate)}")
    return certificate_pem, key_pem


def check_key_pair(certificate: bytes, key: bytes, what: str) -> None:
    """Make sure that OpenSSL can use the pair without asking anybody.

    Raises:
        KubeConfigError: It cannot.
    """
    try:
        leaf = load_bundle(certificate)[0]
        # An encrypted key is a TypeError here; OpenSSL would ask for its password on the terminal.
        private = load_pem_private_key(key, password=None)
    except (ValueError, TypeError, IndexError) as error:
        raise KubeConfigError(f"{what}: the client certificate or its key is not usable PEM ({error})") from error
    if private.public_key() != leaf.public_key():
        raise KubeConfigError(f"{what}: the client key does not belong to the client certificate")


def read_token(place: Place) -> str:
    """Return a bearer token without the white space around it.

    Raises:
        KubeConfigError: It cannot be read, is empty, or could not stand in a header.
    """
    return check_token(place.read().decode("utf-8", "replace"), f"{place.what}: {_where(place)}")


def check_token(text: str, what: str) -> str:
    """Return a token that may stand in an ``Authorization`` header, without the white space around it.

    Raises:
        KubeConfigError: It may not.
    """
    token = text.strip()
    if not token:
        raise KubeConfigError(f"{what} holds no token, it is empty")
    if len(token) > _LONGEST_TOKEN or not (token.isascii() and token.isprintable()) or " " in token:
        raise KubeConfigError(f"{what} holds no bearer token: one line of printable ASCII is expected")
    return token


def _where(place: Place) -> str:
    return repr(str(place.file)) if place.file is not None else "its data"
