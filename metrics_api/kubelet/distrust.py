"""Why a kubelet's certificate is not accepted: everything that is wrong with it at once, and what helps.

OpenSSL stops at the first fault it finds, and who mends that one finds the next a day later. So the certificate is
read, and each of its faults is told together with the one OpenSSL named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address

from metrics_api.kubelet.certificate import Certificate
from metrics_api.kubelet.identity import NODE_USER, Peer
from metrics_api.kubelet.options import TlsVerification

# X509_V_ERR_…: the chain ends in nobody we trust (2, 18 to 21), or a signature in it does not hold (7)
_UNKNOWN_AUTHORITY = frozenset((2, 7, 18, 19, 20, 21))
_OUT_OF_TIME = frozenset((9, 10))  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
_OWN_AUTHORITY = re.compile(r"CN=[^,]+-ca@\d+").fullmatch
"""How a kubelet names the authority that it makes for itself (client-go ``GenerateSelfSignedCertKey``)."""
_CLOCKS_DIFFER = 86_400.0
"""Seconds by which a certificate may be out of its time before the clocks are less likely than neglect."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What OpenSSL and the certificate say, together with what was wanted."""

    peer: Peer
    verify: TlsVerification
    certificate: Certificate
    code: int
    """OpenSSL's X509_V_ERR; 0 when it was satisfied and we are not."""
    problem: str
    """OpenSSL's words."""
    trusted: str
    """The authorities that are trusted, and where they are from."""
    now: float
    """Our wall clock."""

    def describe(self) -> str:
        """Return all causes, then all remedies."""
        causes = [cause for cause in (self._authority(), self._names(), *self._times(), self._usage()) if cause]
        if not causes:
            causes = [self.problem]
        remedies = " ".join(dict.fromkeys(self._remedies()))
        return f"the kubelet's certificate is not accepted: {'; '.join(causes)}. {remedies}".strip()

    # What is wrong.

    @property
    def _unknown_authority(self) -> bool:
        return self.code in _UNKNOWN_AUTHORITY

    @property
    def _own_authority(self) -> bool:
        return self.certificate.signs_itself or _OWN_AUTHORITY(self.certificate.issuer) is not None

    @property
    def _wanted(self) -> str:
        return self.peer.node_name if self.verify == "node-name" else self.peer.route.host

    @property
    def _is_for_node(self) -> bool:
        """Tell whether it names the node, as far as its first names say."""
        node = self.peer.node_name
        return self.certificate.common_name == NODE_USER + node or node in map(str.lower, self.certificate.names)

    @property
    def _misnamed(self) -> bool:
        if self.verify == "node-name":
            return not self._is_for_node
        return not any(_matches(name, self._wanted) for name in self.certificate.names)

    def _authority(self) -> str | None:
        if not self._unknown_authority:
            return None
        issuer = self.certificate.issuer
        if self.certificate.signs_itself:
            return f"it is signed by itself ({issuer!r}) and not by an authority that is trusted ({self.trusted})"
        own = ", which is the node's own," if self._own_authority else ""
        return f"its issuer {issuer!r}{own} is none of the authorities trusted ({self.trusted})"

    def _names(self) -> str | None:
        certificate = self.certificate
        if not self._misnamed or (certificate.more_names and self.code not in (0, 62, 64)):
            return None  # one of the names that were not kept may be the one; OpenSSL did not get as far
        named = [*certificate.names, *([f"{certificate.more_names} more"] if certificate.more_names else [])]
        said = f"it names {', '.join(named)}" if named else "it names nobody (no subjectAltName)"
        if self.verify == "node-name" and certificate.common_name:
            said += f" and has the common name {certificate.common_name!r}"
        return f"{said}, which is not {self._wanted}"

    def _times(self) -> Iterator[str]:
        certificate, clock = self.certificate, f"our clock says {_date(self.now)}"
        if self.now < certificate.not_before:
            yield f"it is not valid before {_date(certificate.not_before)}, {clock}"
        elif self.now > certificate.not_after:
            yield f"it expired at {_date(certificate.not_after)}, {clock}"
        elif self.code in _OUT_OF_TIME:
            yield f"an authority above it is out of its time ({self.problem}), {clock}"

    def _usage(self) -> str | None:
        return None if self.certificate.serves else "its extended key usage is not for servers (serverAuth)"

    # What helps.

    def _remedies(self) -> Iterator[str]:
        if self._unknown_authority:
            yield from self._remedies_of_authority()
        elif self._names():
            yield from self._remedies_of_names()
        if self.now > self.certificate.not_after:
            yield "Renew it: with serverTLSBootstrap kubelets do so themselves."
        off = max(self.certificate.not_before - self.now, self.now - self.certificate.not_after)
        if 0 < off < _CLOCKS_DIFFER:
            yield "Compare the node's clock with ours."
        if not self.certificate.serves:
            yield "The kubelet shows a certificate made for clients: see its tlsCertFile."

    def _remedies_of_authority(self) -> Iterator[str]:
        if self._own_authority:
            yield _BOOTSTRAP
            yield "As long as it signs its own, --kubelet-tls-verify=pin trusts each node's first key."
        yield "If one authority signs them all, name it with --kubelet-certificate-authority."
        yield "--kubelet-insecure-tls verifies nothing, for tests only."

    def _remedies_of_names(self) -> Iterator[str]:
        name = self.certificate.common_name
        if name.startswith(NODE_USER) and name != NODE_USER + self.peer.node_name:
            yield "Another node answers at this address, or has left its certificate there."
        elif self.verify == "full" and self._is_for_node:
            yield (
                "--kubelet-tls-verify=node-name goes by the node's name, which it has, whatever the address; or prefer"
                " an address type that it names (--kubelet-preferred-address-types)."
            )
        elif self.verify == "full" and self.certificate.names:
            yield "Prefer an address type that it names (--kubelet-preferred-address-types)."
            yield _BOOTSTRAP
        else:
            yield _BOOTSTRAP


_BOOTSTRAP = (
    "Have the cluster sign it, with the node's name and addresses: serverTLSBootstrap: true in the kubelet's"
    " configuration, then kubectl get csr and kubectl certificate approve."
)


def _matches(name: str, wanted: str) -> bool:
    """Tell whether a name of a certificate is meant for a host; close enough to explain a refusal."""
    try:
        return ip_address(name) == ip_address(wanted)
    except ValueError:
        first, _, rest = wanted.lower().partition(".")
        return name.lower() in (wanted.lower(), f"*.{rest}") and bool(first)


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
