"""What the operator decides about reaching kubelets, validated by ``settings`` and frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Literal

Network = IPv4Network | IPv6Network

EndpointMode = Literal["auto", "summary", "resource"]

TlsVerification = Literal["full", "node-name", "pin", "none"]
"""What a kubelet must prove before anything is sent to it (``--kubelet-tls-verify``).

``full``: an authority vouches for its certificate, which names the address dialled. ``node-name``: an authority vouches
for it, and it names the node. ``pin``: it has the key that it had when it was first met. ``none``: nothing.
"""

DEFAULT_DENIED_NETWORKS: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "224.0.0.0/4",
        "255.255.255.255/32",
        "::/128",
        "::1/128",
        "fe80::/10",
        "ff00::/8",
    )
)
"""Unspecified, loopback, link-local (cloud metadata services live there), multicast and broadcast addresses.

A node writes its own addresses; these would make us talk to ourselves or to services that trust their network.
"""


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """How kubelets are verified and how we show who we are. Files are read again when they change."""

    ca_file: str | None = None
    """PEM bundle (``--kubelet-certificate-authority``, else the cluster's); wins over ``ca_data``."""
    ca_data: bytes | None = field(default=None, repr=False)
    """PEM from a kubeconfig. Neither: the system's authorities."""
    verify: TlsVerification = "full"
    """What a kubelet must prove; ``pin`` and ``none`` ask no authority."""
    client_certificate_file: str | None = None
    client_key_file: str | None = None
    client_certificate_data: bytes | None = field(default=None, repr=False)
    """PEM from a kubeconfig; files win over data, and certificate and key come from the same kind of source."""
    client_key_data: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class KubeletOptions:
    """Where and how kubelets are asked."""

    address_types: tuple[str, ...] = ("Hostname", "InternalDNS", "InternalIP", "ExternalDNS", "ExternalIP")
    """``--kubelet-preferred-address-types``, the most preferred first."""
    port: int = 10250
    """``--kubelet-port``."""
    use_node_status_port: bool = False
    """``--kubelet-use-node-status-port``: the port in the node's status wins, where there is one."""
    endpoint: EndpointMode = "auto"
    denied_networks: tuple[Network, ...] = DEFAULT_DENIED_NETWORKS
    """``--kubelet-denied-cidrs``: never connected to."""
    plain_http: bool = False
    """``--deprecated-kubelet-completely-insecure``: no TLS, and no credentials of any kind."""
    tls: TlsOptions = field(default_factory=TlsOptions)
