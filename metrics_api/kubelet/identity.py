"""Whether a kubelet that has shown a certificate is the node that is meant."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any, NamedTuple

from metrics_api.errors import ScrapeError
from metrics_api.kubelet.certificate import key_digest
from metrics_api.kubelet.routes import Route

NODE_USER = "system:node:"
"""How the common name of a certificate for a node begins (signer ``kubernetes.io/kubelet-serving``)."""


class Peer(NamedTuple):
    """Who is meant to answer."""

    node_uid: str
    node_name: str
    route: Route


def names_node(certificate: dict[str, Any], node_name: str) -> bool:
    """Tell whether a verified certificate is for a node of that name.

    Its common name is ``system:node:`` and the name, or its subjectAltName has the name to the letter: no wildcard
    stands for a node.

    Args:
        certificate: As ``ssl.SSLSocket.getpeercert()`` describes it.
        node_name: ``metadata.name``, which is in lower case.
    """
    common_names = [value for part in certificate.get("subject", ()) for name, value in part if name == "commonName"]
    if common_names == [NODE_USER + node_name]:
        return True
    alternatives = certificate.get("subjectAltName", ())
    if any(kind == "DNS" and value.lower() == node_name for kind, value in alternatives):
        return True
    return any(kind == "IP Address" and _same_ip(value, node_name) for kind, value in alternatives)


def _same_ip(first: str, second: str) -> bool:
    try:
        return ip_address(first.strip()) == ip_address(second)
    except ValueError:
        return False


class Pins:
    """The key that each node had when it was first met, for as long as the node is the same and this process runs.

    It is the key that counts and not the certificate, so a certificate may be renewed. That it is out of date means
    nothing here: no authority vouched for its dates.
    """

    def __init__(self) -> None:
        self._digests: dict[str, bytes] = {}

    def __len__(self) -> int:
        return len(self._digests)

    def check(self, peer: Peer, der: bytes | None) -> None:
        """Compare a node's key with the one it had, or remember it when the node has none yet.

        Args:
            peer: The node.
            der: The certificate it showed.

        Raises:
            ScrapeError: ``tls``, it is another key, or there is none.
        """
        try:
            digest = key_digest(der or b"")
        except ValueError as error:
            raise ScrapeError("tls", "the kubelet showed no certificate that can be read") from error
        pinned = self._digests.setdefault(peer.node_uid, digest)
        if pinned != digest:
            raise ScrapeError(
                "tls",
                f"the kubelet's key (SHA-256 {_show(digest)}) is not the one that node {peer.node_name} had when it was"
                f" first met ({_show(pinned)}): another machine answers there, or its certificate was made anew. If it"
                " was, restart metrics-api, or delete the Node object and let it register again",
            )

    def forget(self, node_uid: str) -> None:
        """Forget a node's key."""
        self._digests.pop(node_uid, None)


def _show(digest: bytes) -> str:
    return digest[:8].hex(":")
