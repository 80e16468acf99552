"""Where peers may be: the addresses behind the names that the operator gives."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import NamedTuple

from metrics_api.errors import PeerError

_MOST_PLACES = 16
_RESOLVE_TIMEOUT = 2.0


class Place(NamedTuple):
    """An address that may be a peer's, or our own."""

    host: str
    """An IP, without brackets."""
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


async def find_places(targets: Sequence[tuple[str, int | None]], *, port: int) -> list[Place]:
    """Return the addresses of all targets, each once, not more than a few.

    Args:
        targets: Names or addresses, and ports. A name may have many addresses.
        port: For those without.

    Raises:
        PeerError: no name could be resolved.
    """
    found: dict[Place, None] = {}
    faults = []
    for host, own_port in targets:
        try:
            found.update(dict.fromkeys(await _resolve(host, own_port or port)))
        except TimeoutError:
            faults.append(f"{host}: no answer in time")
        except OSError as error:  # socket.gaierror is one
            faults.append(f"{host}: {error}")
    if not found and faults:
        raise PeerError(f"no peer can be found: {'; '.join(faults)}")
    return list(found)[:_MOST_PLACES]


async def _resolve(host: str, port: int) -> list[Place]:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(_RESOLVE_TIMEOUT):
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [Place(str(address[0]), port) for *_, address in found]
