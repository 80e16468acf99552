"""What is said of a certificate that is not accepted: all causes at once, and what helps against them."""

from __future__ import annotations

import dataclasses
import ssl
from ipaddress import ip_address

import pytest

from metrics_api.kubelet.certificate import Certificate, name_authorities, read_certificate
from metrics_api.kubelet.distrust import Refusal
from metrics_api.kubelet.identity import Peer
from metrics_api.kubelet.options import TlsVerification
from metrics_api.kubelet.routes import Route
from metrics_api.pki import Authority

NOW = 1_780_000_000.0  # 2026-05-28 20:26 UTC
DAY = 86_400.0
PEER = Peer("uid-1", "n1", Route("10.0.0.5", ip_address("10.0.0.5"), 10250))
GOOD = Certificate(
    subject="CN=system:node:n1,O=system:nodes",
    issuer="CN=kubernetes",
    common_name="system:node:n1",
    names=("n1", "10.0.0.5"),
    more_names=0,
    not_before=NOW - DAY,
    not_after=NOW + DAY,
    serves=True,
)
OWN = dataclasses.replace(
    GOOD, subject="CN=n1@1700000000", issuer="CN=n1-ca@1700000000", common_name="n1@1700000000", names=("n1",)
)
TRUSTED = "CN=kubernetes, from /ca.crt"
UNKNOWN_ISSUER, SELF_SIGNED, EXPIRED, NOT_YET_VALID, WRONG_IP = 20, 18, 10, 9, 64


def said(certificate: Certificate, code: int, verify: TlsVerification = "full", peer: Peer = PEER) -> str:
    return Refusal(peer, verify, certificate, code, "OpenSSL's words", TRUSTED, NOW).describe()


CLOCK = "our clock says 2026-05-28 20:26 UTC"
OWN_ISSUER = (
    "its issuer 'CN=n1-ca@1700000000', which is the node's own, is none of the authorities trusted"
    " (CN=kubernetes, from /ca.crt)"
)
BOOTSTRAP = (
    "Have the cluster sign it, with the node's name and addresses: serverTLSBootstrap: true in the kubelet's"
    " configuration, then kubectl get csr and kubectl certificate approve."
)
PIN = "As long as it signs its own, --kubelet-tls-verify=pin trusts each node's first key."
NAME_IT = "If one authority signs them all, name it with --kubelet-certificate-authority."
INSECURE = "--kubelet-insecure-tls verifies nothing, for tests only."
BY_NODE_NAME = (
    "--kubelet-tls-verify=node-name goes by the node's name, which it has, whatever the address; or prefer an address"
    " type that it names (--kubelet-preferred-address-types)."
)
ANOTHER = "Another node answers at this address, or has left its certificate there."
RENEW = "Renew it: with serverTLSBootstrap kubelets do so themselves."
CLOCKS = "Compare the node's clock with ours."
CLIENTS = "The kubelet shows a certificate made for clients: see its tlsCertFile."

CASES: dict[str, tuple[Certificate, int, TlsVerification, tuple[str, ...], tuple[str, ...]]] = {
    "kubeadm's own, by address": (
        OWN,
        UNKNOWN_ISSUER,
        "full",
        (OWN_ISSUER, "it names n1, which is not 10.0.0.5"),
        (BOOTSTRAP, PIN, NAME_IT, INSECURE),
    ),
    "another authority": (
        dataclasses.replace(GOOD, issuer="CN=corp"),
        UNKNOWN_ISSUER,
        "full",
        ("its issuer 'CN=corp' is none of the authorities trusted (CN=kubernetes, from /ca.crt)",),
        (NAME_IT, INSECURE),
    ),
    "the right authority, and the node's name only": (
        dataclasses.replace(GOOD, names=("n1",)),
        WRONG_IP,
        "full",
        ("it names n1, which is not 10.0.0.5",),
        (BY_NODE_NAME,),
    ),
    "expired long ago": (
        dataclasses.replace(GOOD, not_after=NOW - 27 * DAY),
        EXPIRED,
        "full",
        (f"it expired at 2026-05-01 20:26 UTC, {CLOCK}",),
        (RENEW,),
    ),
    "not valid yet by a few minutes": (
        dataclasses.replace(GOOD, not_before=NOW + 300),
        NOT_YET_VALID,
        "full",
        (f"it is not valid before 2026-05-28 20:31 UTC, {CLOCK}",),
        (CLOCKS,),
    ),
    "another node's": (
        dataclasses.replace(GOOD, common_name="system:node:n2", names=("n2", "10.0.0.5")),
        0,
        "node-name",
        ("it names n2, 10.0.0.5 and has the common name 'system:node:n2', which is not n1",),
        (ANOTHER,),
    ),
    "no names at all": (
        dataclasses.replace(GOOD, common_name="kubelet", names=()),
        62,
        "full",
        ("it names nobody (no subjectAltName), which is not 10.0.0.5",),
        (BOOTSTRAP,),
    ),
    "everything at once": (
        dataclasses.replace(OWN, names=("other",), not_after=NOW - 60, serves=False),
        SELF_SIGNED,
        "node-name",
        (
            OWN_ISSUER,
            "it names other and has the common name 'n1@1700000000', which is not n1",
            f"it expired at 2026-05-28 20:25 UTC, {CLOCK}",
            "its extended key usage is not for servers (serverAuth)",
        ),
        (BOOTSTRAP, PIN, NAME_IT, INSECURE, RENEW, CLOCKS, CLIENTS),
    ),
    "an authority that has expired": (
        GOOD,
        EXPIRED,
        "full",
        (f"an authority above it is out of its time (OpenSSL's words), {CLOCK}",),
        (),
    ),
    "something else": (GOOD, 99, "full", ("OpenSSL's words",), ()),
}


@pytest.mark.parametrize(("certificate", "code", "verify", "causes", "remedies"), CASES.values(), ids=CASES)
def test_all_causes_are_told_and_what_helps(
    certificate: Certificate, code: int, verify: TlsVerification, causes: tuple[str, ...], remedies: tuple[str, ...]
) -> None:
    expected = " ".join((f"the kubelet's certificate is not accepted: {'; '.join(causes)}.", *remedies))
    assert said(certificate, code, verify) == expected


def test_a_name_that_may_be_among_those_not_kept_is_not_said_to_lack() -> None:
    many = dataclasses.replace(GOOD, names=("a", "b"), more_names=90)
    assert "which is not 10.0.0.5" not in said(many, EXPIRED)
    assert "it names a, b, 90 more, which is not 10.0.0.5" in said(many, WRONG_IP)


@pytest.mark.parametrize(("name", "host"), [("*.example", "n1.example"), ("N1.example", "n1.example")])
def test_names_are_compared_as_tls_does(name: str, host: str) -> None:
    peer = Peer("uid-1", "n1", Route(host, ip_address("10.0.0.5"), 10250))
    assert "which is not" not in said(dataclasses.replace(GOOD, names=(name,)), EXPIRED, peer=peer)


def _der(pem: bytes) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pem.decode())


AUTHORITY = Authority.create("an-authority")
LEAF = _der(AUTHORITY.issue("system:node:n1", dns_names=["n1"], ip_addresses=["10.0.0.5"], server=True).certificate)


def test_a_certificate_is_read() -> None:
    found = read_certificate(LEAF)
    assert (found.subject, found.issuer) == ("CN=system:node:n1", "CN=an-authority")
    assert (found.common_name, found.names, found.more_names) == ("system:node:n1", ("n1", "10.0.0.5"), 0)
    assert found.not_after - found.not_before > 364 * DAY
    assert found.serves
    assert not found.signs_itself
    assert read_certificate(_der(AUTHORITY.certificate)).signs_itself


def test_a_certificate_for_clients_does_not_serve() -> None:
    assert not read_certificate(_der(AUTHORITY.issue("a", client=True).certificate)).serves


def test_what_is_kept_of_a_hostile_certificate_is_bounded_and_printable() -> None:
    names = [f"{number}.{'x' * 60}.{'y' * 60}" for number in range(500)]
    hostile = AUTHORITY.issue("\x1b[31m\n" + "z" * 50, dns_names=names, server=True)
    found = read_certificate(_der(hostile.certificate))
    assert len(found.names) == 8
    assert found.more_names == 492
    text = said(found, UNKNOWN_ISSUER) + said(found, WRONG_IP)
    assert text.isprintable()
    assert len(text) < 3000


def test_authorities_are_named_and_not_without_end() -> None:
    bundle = b"".join(Authority.create(f"ca-{number}").certificate for number in range(5))
    assert name_authorities(bundle) == "CN=ca-0, CN=ca-1, CN=ca-2 and 2 more"
    assert name_authorities(b"-----BEGIN CERTIFICATE-----\nno") == "unreadable"


def test_a_certificate_whose_name_is_no_text_cannot_be_read() -> None:
    """A bit string stands where the common name's text should; found by fuzzing."""
    spoiled = LEAF.replace(b"\x06\x03\x55\x04\x03\x0c", b"\x06\x03\x55\x04\x03\x03")
    assert spoiled != LEAF
    with pytest.raises(ValueError, match="cannot be read"):
        read_certificate(spoiled)
