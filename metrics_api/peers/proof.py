"""How replicas know each other: both have a key, and each proves it without showing it.

A replica's serving certificate is usually its own work, so it says nothing about who answers. What it does fix is the
other end of one TLS connection: only the holder of its private key is there. So each side's proof is a keyed hash over
that certificate (as in RFC 5929, ``tls-server-end-point``) and a number that the asker draws. Whoever stands in between
has a certificate of his own, and can use neither proof; whoever answers at a peer's address without the key learns
nothing that he could use elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import ssl
from collections.abc import Iterable
from pathlib import Path

from metrics_api.errors import PeerError

SCHEME = "MetricsAPI-Peer"
"""The scheme of the ``Authorization`` header."""
LEAST_KEY = 32
"""Bytes."""
_MOST_KEY = 1 << 16
_ASKS, _ANSWERS = b"metrics-api peer asks", b"metrics-api peer answers"
_HEADER = re.compile(rf"{SCHEME} ([0-9a-f]{{64}}) ([0-9a-f]{{64}})")


class PeerKey:
    """What the replicas of one Deployment share.

    Args:
        secret: At least ``LEAST_KEY`` bytes that nobody else knows.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @classmethod
    def read(cls, path: str) -> PeerKey:
        """Return the key in a file, surrounding space left out. It is read each time: the file may change.

        Raises:
            PeerError: there is none yet, or it is too short to be one.
        """
        try:
            with Path(path).open("rb") as file:
                secret = file.read(_MOST_KEY).strip()
        except OSError as error:
            raise PeerError(f"the peers' key cannot be read from {path}: {error.strerror}") from error
        if len(secret) < LEAST_KEY:
            raise PeerError(
                f"the peers' key in {path} has {len(secret)} bytes; it needs {LEAST_KEY} that cannot be guessed"
            )
        return cls(secret)

    def ask(self, fingerprint: bytes) -> tuple[str, str]:
        """Return the ``Authorization`` header for the holder of a certificate, and the proof to expect of him."""
        nonce = secrets.token_bytes(32)
        header = f"{SCHEME} {nonce.hex()} {self._proof(_ASKS, fingerprint, nonce)}"
        return header, self._proof(_ANSWERS, fingerprint, nonce)

    def answer(self, header: str, fingerprints: Iterable[bytes]) -> str | None:
        """Return our own proof for an asker whose header proves that he has the key, ``None`` for any other.

        Args:
            header: His ``Authorization`` header.
            fingerprints: Those of our certificates; he saw one of them.
        """
        match = _HEADER.fullmatch(header)
        if match is None:
            return None
        nonce = bytes.fromhex(match[1])
        for fingerprint in fingerprints:
            if matches(self._proof(_ASKS, fingerprint, nonce), match[2]):
                return self._proof(_ANSWERS, fingerprint, nonce)
        return None

    def _proof(self, purpose: bytes, fingerprint: bytes, nonce: bytes) -> str:
        return hmac.digest(self._secret, b"\0".join((purpose, fingerprint, nonce)), hashlib.sha256).hex()


def matches(proof: str, other: str) -> bool:
    """Compare two proofs in a time that tells nothing."""
    return hmac.compare_digest(proof.encode(), other.encode(errors="replace"))


def fingerprint_of(tls: ssl.SSLObject) -> bytes:
    """Return the SHA-256 of the certificate at the other end of a connection; nothing of it is verified.

    Raises:
        PeerError: it has none.
    """
    certificate = tls.getpeercert(binary_form=True)
    if not certificate:
        raise PeerError("the peer shows no certificate")
    return hashlib.sha256(certificate).digest()
