"""From a node's addresses to the one IP that is dialled: names are resolved once, checked, and that very IP is used."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from typing import NamedTuple

from metrics_api.errors import ScrapeError
from metrics_api.kubelet.address import IPAddress, candidates, check_allowed, kubelet_port, parse_host
from metrics_api.kubelet.options import KubeletOptions
from metrics_api.model import NodeInfo

RESOLVE_LIMIT = 3.0
"""Seconds for one name; a node has others, and the scrape has a deadline of its own."""
_MOST_ADDRESSES = 8

Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""From a name to its IP addresses, the best first; raises ``OSError``."""


class Route(NamedTuple):
    """How a kubelet is dialled."""

    host: str
    """The node's address, a name or an IP; what its certificate must name."""
    ip: IPAddress
    """What is connected to; checked against the denied networks."""
    port: int


async def resolve_by_system(name: str) -> Sequence[str]:
    """Ask the system's resolver, in the order of preference it gives."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def find_route(
    node: NodeInfo,
    options: KubeletOptions,
    resolve: Resolve,
    *,
    limit: float = RESOLVE_LIMIT,
    avoid_version: int | None = None,
) -> Route:
    """Return the first usable way to a node's kubelet.

    An address that cannot be resolved, or may not be connected to, is passed over for the next.

    Args:
        node: The node.
        options: Preferred types, port, denied networks.
        resolve: Looks names up.
        limit: Seconds for each name.
        avoid_version: 4 or 6, an IP version that has just failed.

    Raises:
        ScrapeError: nothing usable; the reason of the last address.
    """
    port = kubelet_port(node, options.port, use_node_status_port=options.use_node_status_port)
    failure: ScrapeError | None = None
    for host in candidates(node, options.address_types):
        try:
            parsed = parse_host(host)
            addresses = await _resolve(parsed, resolve, limit) if isinstance(parsed, str) else (parsed,)
        except ScrapeError as error:
            failure = error
            continue
        for address in addresses:
            try:
                check_allowed(address, options.denied_networks)
            except ScrapeError as error:
                failure = error
                continue
            if address.version != avoid_version:
                return Route(str(parsed), address, port)
    raise failure or ScrapeError("no_address", f"the node has no address but of IPv{avoid_version}")


async def _resolve(host: str, resolve: Resolve, limit: float) -> Sequence[IPAddress]:
    try:
        async with asyncio.timeout(limit):
            found = await resolve(host)
    except TimeoutError as error:
        raise ScrapeError("dns", f"the name {host!r} was not resolved within {limit:g} s; {_DNS_ADVICE}") from error
    except (OSError, UnicodeError) as error:
        raise ScrapeError("dns", f"the name {host!r} cannot be resolved: {error}; {_DNS_ADVICE}") from error
    addresses = [address for text in found[:_MOST_ADDRESSES] if (address := _plain(text)) is not None]
    if not addresses:
        raise ScrapeError("dns", f"the name {host!r} has no address; {_DNS_ADVICE}")
    return addresses


def _plain(text: str) -> IPAddress | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if address.version == 6:
        return None if address.scope_id is not None else address.ipv4_mapped or address
    return address


_DNS_ADVICE = "cluster DNS rarely knows nodes: put InternalIP first in --kubelet-preferred-address-types"
