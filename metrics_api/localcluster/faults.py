"""Switches that make the API server misbehave as real ones do at times."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Literal

from metrics_api.clock import Clock


@dataclass(slots=True)
class Hold:
    """Keeps whoever comes to it until it is released."""

    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the first has come."""
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self) -> None:
        """Return once released."""
        self.arrived.set()
        await self.released.wait()


async def hold_up(clock: Clock, seconds: float, limit: float) -> None:
    """Let that much time pass for a request.

    Raises:
        TimeoutError: The request's own limit, in seconds, ended first.
    """
    if seconds > 0:
        await clock.sleep(min(seconds, limit))
    if seconds > limit:
        raise TimeoutError


@dataclass(slots=True)
class Faults:
    """What goes wrong; change an attribute at any time, it holds from the next request on."""

    reviews_fail: bool = False
    """TokenReview and SubjectAccessReview answer 500."""
    review_delay: float = 0.0
    """Seconds that a review waits before it answers; its time may end before that."""
    review_hold: Hold | None = None
    """Where each review waits before it answers."""
    watch_expired: Literal["", "status", "event"] = ""
    """Every watch from a resourceVersion is answered 410: as the HTTP status, or as an ERROR event."""
    bookmarks: bool = True
    """False: no BOOKMARK is ever sent, not even at the end of the initial objects."""
    streaming_lists: bool = True
    """False: ``sendInitialEvents`` is refused with 422, as with the feature gate WatchList off."""
    authentication_config_missing: bool = False
    """The ConfigMap extension-apiserver-authentication cannot be found: get answers 404, lists leave it out."""
    away: bool = False
    """Every connection is closed without an answer."""
    legacy_discovery_only: bool = False
    """``/api`` and ``/apis`` have no aggregated form, as before Kubernetes 1.26: clients ask for each version."""
    discovery_delay: float = 0.0
    """Seconds that a request for an extension server's ``/apis/<group>/<version>`` waits before it is passed on."""
