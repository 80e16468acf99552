"""What a verified client certificate proves: that the front proxy speaks, or which user does.

Both authorities are trusted by the TLS layer together; which of them stands at the end of the verified chain decides.
A certificate with the front proxy's common name from the users' authority is a user of that name, nothing more.
"""

from __future__ import annotations

import hashlib

import msgspec
from cryptography import x509
from cryptography.x509.oid import NameOID

from metrics_api.auth.identity import User
from metrics_api.auth.trust import Trust, authorities
from metrics_api.pki import load_der

_UID_OID = x509.ObjectIdentifier("1.3.6.1.4.1.57683.2")
_MOST_JUDGED = 1024
_CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"


class Peer(msgspec.Struct, frozen=True):
    """What one connection's certificate proves under one ``Trust``."""

    front_proxy: bool = False
    """Whether identity headers on this connection are to be believed."""
    user: User | None = None
    """The authenticated user whom the certificate names; ``None`` when it names none."""
    fault: str = ""
    """Why the certificate is not good for what it seems to be; empty when nothing is wrong."""
    not_before: float = 0.0
    not_after: float = float("inf")
    """Unix seconds. A connection may outlive its certificate; what it proves ends with it."""


NOBODY = Peer()


class PeerJudge:
    """Judges certificate chains under the trust of the moment, each chain once.

    Args:
        trust: The first one; ``set_trust`` replaces it.
    """

    def __init__(self, trust: Trust) -> None:
        self.set_trust(trust)

    def set_trust(self, trust: Trust) -> None:
        """Judge by a new trust from now on, connections that are already open included.

        Raises:
            ValueError: a bundle is not usable; the old trust stays.
        """
        client_roots = authorities(trust.client_ca) if trust.client_ca else frozenset()
        proxy_roots = authorities(trust.proxy_ca) if trust.proxy_ca else frozenset()
        self.trust = trust
        self._client_roots, self._proxy_roots = client_roots, proxy_roots
        self._judged: dict[tuple[bytes, ...], Peer] = {}

    @property
    def faults(self) -> tuple[str, ...]:
        """Why certificates that verify prove less than they seem to, each reason once; under the trust of now."""
        return tuple(dict.fromkeys(peer.fault for peer in self._judged.values() if peer.fault))

    def judge(self, chain: tuple[bytes, ...]) -> Peer:
        """Return what a verified chain (DER, leaf first, trust anchor last) proves; an empty one proves nothing."""
        if not chain:
            return NOBODY
        # A connection keeps its chain, and bytes keep their hash: later look-ups read no certificate.
        peer = self._judged.get(chain)
        if peer is None:
            if len(self._judged) >= _MOST_JUDGED:
                self._judged.clear()
            peer = self._judged[chain] = self._judge(chain[0], chain[-1])
        return peer

    def _judge(self, leaf: bytes, anchor: bytes) -> Peer:
        from_proxy, from_users = anchor in self._proxy_roots, anchor in self._client_roots
        if not from_proxy and not from_users:
            return Peer(fault="x509: certificate signed by unknown authority")
        try:
            certificate = load_der(leaf)
            names = _values(certificate, NameOID.COMMON_NAME)
        except ValueError as error:
            return Peer(fault=f"x509: malformed certificate: {error}")
        name = names[-1] if names else ""
        fault = ""
        allowed = self.trust.rules.allowed_names
        if from_proxy and allowed and name not in allowed:
            from_proxy, fault = False, f"x509: subject with cn={name} is not in the allowed list"
        return Peer(
            front_proxy=from_proxy,
            user=_user(certificate, name, leaf) if from_users and name else None,
            fault=fault,
            not_before=certificate.not_valid_before_utc.timestamp(),
            not_after=certificate.not_valid_after_utc.timestamp(),
        )


def _user(certificate: x509.Certificate, name: str, leaf: bytes) -> User:
    uids = _values(certificate, _UID_OID)
    return User(
        name,
        uids[0] if len(uids) == 1 else "",
        tuple(_values(certificate, NameOID.ORGANIZATION_NAME)),
        ((_CREDENTIAL_ID, (f"X509SHA256={hashlib.sha256(leaf).hexdigest()}",)),),
    ).authenticated()


def _values(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> list[str]:
    values = (attribute.value for attribute in certificate.subject.get_attributes_for_oid(oid))
    return [value if isinstance(value, str) else value.decode("utf-8", "replace") for value in values]
