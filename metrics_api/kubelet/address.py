"""Where a node's kubelet listens: pure rules over what the node object says.

A node writes its own addresses and annotations, and nobody checks them. So they are read as hostile: an address must be
a plain IP or DNS name, the IP that is connected to is compared with the denied networks, and a path must be plain.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from metrics_api.errors import ScrapeError
from metrics_api.kubelet.options import Network
from metrics_api.model import NodeInfo

IPAddress = IPv4Address | IPv6Address

READ_ONLY_PORT = 10255
"""Plain HTTP without authentication: nothing secret is ever sent there."""
RESOURCE_PATH = "/metrics/resource"
SUMMARY_PATH = "/stats/summary?only_cpu_and_memory=true"
"""The parameter is matched to the letter by kubelets; any other spelling gives the full document."""

_LABEL = r"[A-Za-z0-9](?:[-A-Za-z0-9]{0,61}[A-Za-z0-9])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*").fullmatch
_PATH = re.compile(r"/[A-Za-z0-9._~/-]{1,512}").fullmatch
_TWISTED = re.compile(r"//|\.\.|/\.(?:/|$)").search  # what a server might normalize into another path
_ACTING_PATHS = ("exec", "run", "attach", "portforward", "logs", "containerlogs")


def candidates(node: NodeInfo, address_types: Sequence[str]) -> tuple[str, ...]:
    """Return the node's addresses of the preferred types, the best first, each once.

    The first is the one metrics-server would choose: the first address of the first type that the node has. The others
    are there for a next try.

    Raises:
        ScrapeError: ``no_address``, the node has none of these types.
    """
    found = dict.fromkeys(
        address for wanted in address_types for kind, address in node.addresses if kind == wanted and address
    )
    if not found:
        raise ScrapeError(
            "no_address",
            f"no address matched types {list(address_types)}; the node has {_kinds(node)}. A new node gets its"
            " addresses from the cloud provider; otherwise see --kubelet-preferred-address-types",
        )
    return tuple(found)


def _kinds(node: NodeInfo) -> list[str]:
    return sorted({kind[:32] for kind, _ in node.addresses})


def kubelet_port(node: NodeInfo, default: int, *, use_node_status_port: bool) -> int:
    """Return the port to ask: the flag's, or the node's own where that is wanted and it has one.

    Raises:
        ScrapeError: ``no_address``, the port is none.
    """
    port = node.kubelet_port if use_node_status_port and node.kubelet_port else default
    if not 1 <= port <= 65535:
        raise ScrapeError("no_address", f"{port} is no port: see daemonEndpoints in the node's status")
    return port


def parse_host(text: str) -> IPAddress | str:
    """Return an IP address, or a DNS name as it stands.

    An IPv6 address that only wraps an IPv4 address is unwrapped, so that denied networks cannot be walked around.

    Raises:
        ScrapeError: ``no_address``, it is neither, or an IPv6 address with a zone.
    """
    try:
        address = ip_address(text)
    except ValueError:
        if _NAME(text) is None:
            raise ScrapeError("no_address", f"the node's address {text[:80]!r} is no IP and no DNS name") from None
        return text
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise ScrapeError("no_address", f"the node's address {text[:80]!r} has a zone, which means nothing here")
        return address.ipv4_mapped or address
    return address


def check_allowed(address: IPAddress, denied: Sequence[Network]) -> None:
    """Refuse an address within a denied network.

    Raises:
        ScrapeError: ``denied_address``.
    """
    for network in denied:
        if address in network:
            raise ScrapeError(
                "denied_address",
                f"the node's address {address} lies in {network}, which is not connected to: a node chooses its"
                " addresses itself. If it is right, see --kubelet-denied-cidrs",
            )


def authority(host: str, port: int) -> str:
    """Return ``host:port`` as a URL or a Host header writes it, IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def resource_path(annotation: str | None) -> str:
    """Return the path of the Prometheus document: the node's annotation where it has one, else the kubelet's own.

    Raises:
        ScrapeError: ``denied_address``, the annotation is no plain absolute path, or leads to where a kubelet acts.
    """
    if not annotation:
        return RESOURCE_PATH
    plain = _PATH(annotation) is not None and _TWISTED(annotation) is None
    if not plain or annotation.split("/", 2)[1].lower() in _ACTING_PATHS:
        raise ScrapeError(
            "denied_address",
            f"annotation metrics.k8s.io/resource-metrics-path is {annotation[:80]!r}, which is not asked: it must be a"
            " plain absolute path, not under /exec, /run, /attach, /portForward, /logs or /containerLogs",
        )
    return annotation
