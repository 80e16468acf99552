"""Kubelets whose answers are well formed and not true: another node's, without pods, or by a clock that is wrong."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import orjson

from metrics_api.clock import Clock
from metrics_api.localcluster.fleet.behaviour import Fail
from metrics_api.localcluster.fleet.exchange import Exchange


@dataclass(frozen=True, slots=True)
class AnswerForAnother:
    """Answers as another node, as behind an address that two nodes have."""

    name: str = "another-node"

    async def serve(self, exchange: Exchange) -> None:
        """Send a good document under the other name."""
        answer = await exchange.answer()
        if exchange.request.subresource == "stats" and answer.status == 200:
            document = orjson.loads(answer.body)
            document["node"]["nodeName"] = self.name
            answer = answer._replace(body=orjson.dumps(document))
        await exchange.send(answer)


@dataclass(frozen=True, slots=True)
class OmitPods:
    """Speaks of its node and of no pod, as when the runtime's cgroups are not where the kubelet looks for them."""

    async def serve(self, exchange: Exchange) -> None:
        """Send a good document without its pods."""
        answer = await exchange.answer()
        if exchange.request.subresource == "stats" and answer.status == 200:
            document = orjson.loads(answer.body)
            answer = answer._replace(body=orjson.dumps({**document, "pods": []}))
        await exchange.send(answer)


@dataclass(frozen=True, slots=True)
class Flap:
    """Fails every other request, the first one included."""

    turn: itertools.count[int] = field(default_factory=itertools.count, repr=False)

    async def serve(self, exchange: Exchange) -> None:
        """Fail, or answer well."""
        if next(self.turn) % 2 == 0:
            await Fail().serve(exchange)
        else:
            await exchange.send(await exchange.answer())


class SkewedClock:
    """A clock that is wrong by a constant.

    Args:
        clock: The right one.
        ahead: Seconds, negative for a clock that is behind.
    """

    def __init__(self, clock: Clock, ahead: float) -> None:
        self._clock = clock
        self._ahead = ahead

    def now(self) -> float:
        """Return the wrong time."""
        return self._clock.now() + self._ahead

    def monotonic(self) -> float:
        """Return the right clock's."""
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait by the right clock."""
        await self._clock.sleep(seconds)
