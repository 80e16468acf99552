"""Serving certificates of the simulated kubelets: as ``kubernetes.io/kubelet-serving`` signs them, or their own."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Sequence
from typing import Literal

from metrics_api.localcluster.fleet.inventory import FleetNode
from metrics_api.pki import Authority, KeyPair

Certificates = Literal["per_node", "shared", "self_signed"]
"""One certificate a node with its own name, or one for many nodes: 1.4 ms and 30 kB against next to nothing.

``self_signed``: each node has an authority of its own, as a kubelet makes it without ``serverTLSBootstrap`` (kubeadm).
"""

_SHARED_BY = 64  # nodes; more names would make every handshake longer
_ORGANIZATION = "system:nodes"
_MADE = 1_767_225_600  # a moment that kubelets write into the names of what they make


def issue_itself(node_name: str) -> KeyPair:
    """Return a pair as a kubelet makes it for itself, the authority's certificate behind its own.

    It names the host and no address (client-go ``GenerateSelfSignedCertKey``).
    """
    authority = Authority.create(f"{node_name}-ca@{_MADE}")
    pair = authority.issue(f"{node_name}@{_MADE}", dns_names=[node_name], server=True)
    return KeyPair(pair.certificate + authority.certificate, pair.key)


def present(context: ssl.SSLContext, pair: KeyPair) -> None:
    """Show another certificate from the next connection on."""
    with tempfile.NamedTemporaryFile() as file:  # OpenSSL's Python face reads certificates from files only
        file.write(pair.certificate + pair.key)
        file.flush()
        context.load_cert_chain(file.name)


class ServingContexts:
    """Makes the TLS contexts that kubelets listen with.

    Args:
        authority: Signs the serving certificates.
        client_authorities: PEM of the authorities whose client certificates are believed; ``None`` asks for none.
            A certificate of another authority fails the handshake, where a real kubelet would answer 401.
    """

    def __init__(self, authority: Authority, client_authorities: bytes | None) -> None:
        self._authority = authority
        self._client_authorities = None if client_authorities is None else client_authorities.decode("ascii")

    def contexts(self, nodes: Sequence[FleetNode], certificates: Certificates) -> list[ssl.SSLContext]:
        """Return one context a node, in their order; with ``shared`` ones, neighbours have the same."""
        if certificates == "per_node":
            return [self.context(node) for node in nodes]
        if certificates == "self_signed":
            return [self.showing(issue_itself(node.name)) for node in nodes]
        contexts: list[ssl.SSLContext] = []
        for first in range(0, len(nodes), _SHARED_BY):
            group = nodes[first : first + _SHARED_BY]
            contexts += [self.showing(self._issue("kubelets", group))] * len(group)
        return contexts

    def context(self, node: FleetNode) -> ssl.SSLContext:
        """Return a context with the node's own certificate: CN ``system:node:<name>``, its addresses as names."""
        return self.showing(self._issue(f"system:node:{node.name}", [node]))

    def _issue(self, common_name: str, nodes: Sequence[FleetNode]) -> KeyPair:
        return self._authority.issue(
            common_name,
            organizations=[_ORGANIZATION],
            dns_names=[node.name for node in nodes],
            ip_addresses=list(dict.fromkeys(node.address for node in nodes)),
            server=True,
        )

    def showing(self, pair: KeyPair) -> ssl.SSLContext:
        """Return a context with this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        present(context, pair)
        if self._client_authorities is not None:
            context.load_verify_locations(cadata=self._client_authorities)
            context.verify_mode = ssl.CERT_OPTIONAL
        return context
