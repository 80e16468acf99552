"""What the shared Secret holds: the authority that signs, the serving pair, and during a rotation a second authority.

An authority is changed without a moment in which anybody serves what kube-apiserver does not know yet::

    signing                      a year
    signing + next               next is published in the caBundle, and signs nothing yet
    previous + signing           next signs now; previous stays published until no replica shows a leaf of it
    signing
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from metrics_api.errors import ServingSecretError
from metrics_api.objects import ObjectName
from metrics_api.pki import Authority, KeyPair, load_bundle, load_der, load_pem

_HOUR = 3600.0
_DAY = 24 * _HOUR
_BACKDATED = _HOUR  # for a peer whose clock is behind
_LARGEST = 64 << 10  # bytes of one entry of the Secret
_UNUSABLE = (ValueError, TypeError, UnsupportedAlgorithm)
"""What the library raises for a certificate or key that is broken, or of a kind that it does not know."""

_LEAF = ("tls.crt", "tls.key")
_SIGNING = ("signing-ca.crt", "signing-ca.key")
_NEXT = ("next-ca.crt", "next-ca.key")
_PREVIOUS = "previous-ca.crt"
_BUNDLE = "ca.crt"
"""For whoever else wants to verify us, such as Prometheus; never read here."""
KEYS = (*_LEAF, *_SIGNING, *_NEXT, _PREVIOUS, _BUNDLE)


class Lifetimes(NamedTuple):
    """Seconds that certificates are valid, and before their end until they are renewed."""

    authority: float = 365 * _DAY
    authority_renewal: float = 120 * _DAY
    """Longer than a leaf lives, so that no leaf is cut short by its authority."""
    leaf: float = 90 * _DAY
    leaf_renewal: float = 30 * _DAY


class Change(Enum):
    """What may be done to the Secret."""

    MAKE = "made a certificate authority and a serving certificate"
    RESTORE = "wrote the certificates back that are in use"
    RENEW_LEAF = "renewed the serving certificate"
    ADD_NEXT = "made the next certificate authority"
    PROMOTE = "let the next certificate authority sign the serving certificate"
    RETIRE = "dropped the previous certificate authority"


@dataclass(frozen=True, slots=True)
class Material:
    """All of it, PEM."""

    signing: KeyPair
    leaf: KeyPair
    next: KeyPair | None = None
    previous: bytes | None = None

    @property
    def authorities(self) -> tuple[bytes, ...]:
        """Return the certificates of every authority that may have signed what a replica shows, or soon will."""
        after = () if self.next is None else (self.next.certificate,)
        before = () if self.previous is None else (self.previous,)
        return (self.signing.certificate, *after, *before)

    @property
    def bundle(self) -> bytes:
        """Return what kube-apiserver must trust: the caBundle."""
        return b"".join(self.authorities)


def server_name(service: ObjectName) -> str:
    """Return the name that kube-apiserver verifies for a Service."""
    return f"{service.name}.{service.namespace}.svc"


def expiry(certificate: bytes) -> float:
    """Return the end of a PEM certificate's validity in Unix seconds."""
    return _load(certificate).not_valid_after_utc.timestamp()


def shown(leaf: bytes) -> bytes:
    """Return what a server with this PEM certificate shows in a handshake: the certificate in DER."""
    return _load(leaf).public_bytes(serialization.Encoding.DER)


def certificates_of(bundle: bytes) -> frozenset[bytes]:
    """Return the certificates of a PEM bundle in DER; of one that cannot be read none, for none of it is believed."""
    return frozenset(each.public_bytes(serialization.Encoding.DER) for each in _load_all(bundle))


def ends_of(bundle: bytes) -> list[float]:
    """Return when each certificate of a PEM bundle ends, in Unix seconds; nothing of a bundle that is broken."""
    return [each.not_valid_after_utc.timestamp() for each in _load_all(bundle)]


def believes(bundle: bytes, certificate: bytes | None, name: str, now: float) -> bool:
    """Return whether who trusts the PEM bundle would accept this DER certificate for the name.

    ``None`` is a server that showed none.
    """
    roots = _load_all(bundle)
    if certificate is None or not roots:
        return False
    # The verifier wants UTC without saying so
    moment = datetime.fromtimestamp(now, UTC).replace(tzinfo=None)
    try:
        verifier = PolicyBuilder().store(Store(list(roots))).time(moment).build_server_verifier(x509.DNSName(name))
        verifier.verify(load_der(certificate), [])
    except (*_UNUSABLE, VerificationError):
        return False
    return True


def change(what: Change, material: Material | None, service: ObjectName, lifetimes: Lifetimes, now: float) -> Material:
    """Return the material after a change; for ``MAKE`` there need be none before.

    Raises:
        ValueError: there is nothing to change, or no next authority to promote.
    """
    if what is Change.MAKE:
        authority = _new_authority(lifetimes, now)
        return Material(authority.pair, _new_leaf(authority, service, lifetimes, now))
    if material is None:
        raise ValueError(f"{what} needs something to begin with")
    if what is Change.ADD_NEXT:
        return replace(material, next=_new_authority(lifetimes, now).pair)
    if what is Change.RENEW_LEAF:
        return replace(material, leaf=_new_leaf(Authority.load(material.signing), service, lifetimes, now))
    if what is Change.RETIRE:
        return replace(material, previous=None)
    if what is Change.PROMOTE:
        if material.next is None:
            raise ValueError("there is no next authority")
        leaf = _new_leaf(Authority.load(material.next), service, lifetimes, now)
        return Material(material.next, leaf, previous=material.signing.certificate)
    return material


def write(material: Material) -> dict[str, bytes | None]:
    """Return the Secret's data, with ``None`` for the entries that must not be there."""
    ahead = material.next or (None, None)
    return {
        **dict(zip(_LEAF, material.leaf, strict=True)),
        **dict(zip(_SIGNING, material.signing, strict=True)),
        **dict(zip(_NEXT, ahead, strict=True)),
        _PREVIOUS: material.previous,
        _BUNDLE: material.bundle,
    }


def read(data: Mapping[str, bytes]) -> Material | None:
    """Return what a Secret's data says, ``None`` when none of our entries is there.

    Validity in time is not looked at: what has expired is whole, and is to be renewed.

    Raises:
        ServingSecretError: an entry is missing or broken, or they do not belong together.
    """
    ours = {key: data[key] for key in KEYS if data.get(key)}
    if not ours:
        return None
    for key, value in ours.items():
        if len(value) > _LARGEST:
            raise ServingSecretError(f"{key} has more than {_LARGEST} bytes")
    try:
        material = _assemble(ours)
        _check(material)
    except KeyError as error:
        raise ServingSecretError(f"it lacks {error.args[0]}") from error
    except _UNUSABLE as error:
        raise ServingSecretError(str(error)) from error
    return material


def _assemble(data: Mapping[str, bytes]) -> Material:
    has_next = any(key in data for key in _NEXT)
    return Material(
        signing=KeyPair(*(data[key] for key in _SIGNING)),
        leaf=KeyPair(*(data[key] for key in _LEAF)),
        next=KeyPair(*(data[key] for key in _NEXT)) if has_next else None,
        previous=data.get(_PREVIOUS),
    )


def _check(material: Material) -> None:
    """Raise ``ValueError`` when parts are broken or do not belong together."""
    for pair in (material.signing, material.next):
        if pair is not None:
            Authority.load(pair)
    leaf = load_pem(material.leaf.certificate)
    key = serialization.load_pem_private_key(material.leaf.key, password=None)
    if key.public_key() != leaf.public_key():
        raise ValueError("tls.key does not belong to tls.crt")
    authorities = [load_pem(each) for each in material.authorities]
    if not any(_signed(leaf, each) for each in authorities):
        raise ValueError("tls.crt is signed by none of its authorities")


def is_signed_by(leaf: KeyPair, authority: KeyPair) -> bool:
    """Return whether the authority signed the leaf."""
    return _signed(_load(leaf.certificate), _load(authority.certificate))


def _signed(leaf: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(authority)
    except (*_UNUSABLE, InvalidSignature):
        return False
    return True


def _new_authority(lifetimes: Lifetimes, now: float) -> Authority:
    made = datetime.fromtimestamp(now, UTC)
    return Authority.create(
        f"metrics-api serving CA {made:%Y-%m-%dT%H:%M:%SZ}",
        not_before=_moment(now - _BACKDATED),
        not_after=_moment(now + lifetimes.authority),
    )


def _new_leaf(authority: Authority, service: ObjectName, lifetimes: Lifetimes, now: float) -> KeyPair:
    end = min(now + lifetimes.leaf, expiry(authority.certificate))
    return authority.issue(
        "metrics-api",
        dns_names=[server_name(service), f"{service.name}.{service.namespace}", "localhost"],
        ip_addresses=["127.0.0.1"],
        server=True,
        not_before=_moment(now - _BACKDATED),
        not_after=_moment(end),
    )


def _moment(time: float) -> datetime:
    return datetime.fromtimestamp(int(time), UTC)


@lru_cache(maxsize=16)
def _load(certificate: bytes) -> x509.Certificate:
    return load_pem(certificate)


@lru_cache(maxsize=16)
def _load_all(bundle: bytes) -> Sequence[x509.Certificate]:
    try:
        return load_bundle(bundle)
    except ValueError:
        return ()
