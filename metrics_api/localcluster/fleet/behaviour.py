"""Ways in which a kubelet does not do as asked. Each is given to one node and holds until it is taken away."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from metrics_api.clock import Clock
from metrics_api.localcluster.fleet.exchange import Answer, Exchange


class Behaviour(Protocol):
    """Takes over what happens between a request and its answer."""

    async def serve(self, exchange: Exchange) -> None:
        """Answer, or not. It is cancelled when the client goes away or the fleet stops.

        A healthy one is ``await exchange.send(await exchange.answer())``.
        """
        ...


@dataclass(frozen=True, slots=True)
class Hang:
    """Accepts the request and never answers, as a kubelet whose runtime is stuck."""

    async def serve(self, exchange: Exchange) -> None:
        """Wait until the client gives up."""
        await asyncio.get_running_loop().create_future()


@dataclass(frozen=True, slots=True)
class Fail:
    """Answers everything with an error."""

    status: int = 500
    message: str = (
        'Internal Error: failed to get root cgroup stats: cgroup stats not found for "/": '
        "unable to find data in memory cache"
    )

    async def serve(self, exchange: Exchange) -> None:
        """Send the error."""
        await exchange.send(Answer(self.status, self.message.encode()))


@dataclass(frozen=True, slots=True)
class ForbidStats:
    """Refuses ``nodes/stats`` and grants the rest, as with metrics-server's own role."""

    user: str = "system:serviceaccount:kube-system:metrics-server"

    async def serve(self, exchange: Exchange) -> None:
        """Send 403 for what is authorized as ``stats``."""
        if exchange.request.subresource == "stats":
            await exchange.send(forbidden(self.user, exchange.request.method, "stats"))
        else:
            await exchange.send(await exchange.answer())


@dataclass(frozen=True, slots=True)
class DropConnection:
    """Resets the connection instead of answering."""

    async def serve(self, exchange: Exchange) -> None:
        """Drop it."""
        exchange.abort()


@dataclass(frozen=True, slots=True)
class Delay:
    """Answers well, but late.

    The document is of the moment it is sent.
    """

    clock: Clock
    seconds: float

    async def serve(self, exchange: Exchange) -> None:
        """Wait, then answer."""
        await self.clock.sleep(self.seconds)
        await exchange.send(await exchange.answer())


_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def forbidden(user: str, method: str, subresource: str) -> Answer:
    """Return a kubelet's 403."""
    verb = _VERBS.get(method, "")
    text = f"Forbidden (user={user}, verb={verb}, resource=nodes, subresource(s)=[{subresource}])\n"
    return Answer(403, text.encode())
