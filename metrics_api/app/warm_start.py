"""The warm start: what another replica knows is taken over before readers are sent here."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import random
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import TYPE_CHECKING

from metrics_api.clock import Clock
from metrics_api.errors import PeerError
from metrics_api.peers.finding import find_places
from metrics_api.peers.proof import PeerKey
from metrics_api.settings.values import Settings
from metrics_api.store.store import Store
from metrics_api.telemetry.sources import WarmStartCounts

if TYPE_CHECKING:
    from metrics_api.peers.finding import Place

LONGEST = 30.0
"""Seconds that all peers together may take; readers are sent here after that at the latest. A peer that says nothing is
left much sooner; one that gives is worth waiting for, on a machine with little CPU as well."""
_LONGEST_TURN = 0.002
_log = logging.getLogger(__name__)


class WarmStart:
    """Asks one peer after the other until every node has been handed over.

    Args:
        settings: Where peers may be, and the file with the key that all share.
        clock: Time.
        store: Takes what they know.
        listed: Returns once nodes and pods are known: what a peer says of others is not believed.
    """

    def __init__(self, settings: Settings, clock: Clock, store: Store, listed: Callable[[], Awaitable[object]]) -> None:
        self._settings = settings
        self._clock = clock
        self._store = store
        self._listed = listed
        self.is_over = not settings.peer_service
        """Whether nothing more is to come, for whatever reason."""
        self.outcome: WarmStartCounts | None = None
        """How it went; ``None`` before its end, and where it is off."""
        self._wanted: set[str] = set()
        self._nodes = self._pods = 0

    def check(self) -> str | None:
        """Return ``None`` when it is over: a readiness check."""
        return None if self.is_over else "samples are being taken over from another replica"

    async def run(self) -> None:
        """Take over what can be had, within ``LONGEST`` seconds of the lists; a fault means a cold start, no error."""
        if self.is_over:
            return
        began = self._clock.monotonic()
        try:
            await asyncio.to_thread(importlib.import_module, "metrics_api.peers.asking")  # brings the HTTP client
            await self._listed()
            began = self._clock.monotonic()
            async with asyncio.timeout(LONGEST):
                await self._ask_around()
        except TimeoutError:
            _log.warning("Starting with what other replicas gave in time", extra={"fields": {"seconds": LONGEST}})
        except PeerError as error:
            _log.info("Starting without samples of other replicas", extra={"fields": {"reason": str(error)}})
        except Exception:
            # A bug in what only saves some seconds must not keep the server from starting.
            _log.exception("Taking over samples failed unexpectedly; this start is a cold one")
        finally:
            result = "cold" if not self._nodes else "part" if self._wanted else "whole"
            self.outcome = WarmStartCounts(result, self._nodes, self._pods, self._clock.monotonic() - began)
            self.is_over = True

    async def _ask_around(self) -> None:
        key = PeerKey.read(self._settings.peer_key_file)
        places = await find_places(self._settings.peer_service, port=self._settings.secure_port)
        random.shuffle(places)
        self._wanted, faults = set(self._store.selected_nodes()), []
        for place in places:
            try:
                await self._take_over(place, key)
            except PeerError as error:
                faults.append(f"{place}: {error}")
                _log.debug("A peer is of no use", extra={"fields": {"peer": str(place), "reason": str(error)}})
            except Exception as error:
                # Whatever one peer brings about, the others are asked all the same.
                faults.append(f"{place}: {type(error).__name__}: {error}")
                _log.exception("Asking a peer failed unexpectedly", extra={"fields": {"peer": str(place)}})
            if not self._wanted:
                return
        if len(faults) == len(places):
            raise PeerError("; ".join(faults) or "there are none")

    async def _take_over(self, place: Place, key: PeerKey) -> None:
        from metrics_api.peers.asking import ask

        asked, nodes, pods = self._clock.monotonic(), 0, 0
        turn = perf_counter()
        async with contextlib.aclosing(ask(place, key)) as given:
            async for node in given:
                # What was written since we asked is at most this old now: time on the way counts as age.
                self._store.take_over(node, delay=self._clock.monotonic() - asked)
                nodes, pods = nodes + 1, pods + len(node.pods)
                if node.name in self._wanted:
                    self._wanted.discard(node.name)
                    self._nodes, self._pods = self._nodes + 1, self._pods + len(node.pods)
                if perf_counter() - turn > _LONGEST_TURN:
                    await asyncio.sleep(0)
                    turn = perf_counter()
        fields = {
            "peer": str(place),
            "nodes": nodes,
            "pods": pods,
            "seconds": round(self._clock.monotonic() - asked, 3),
        }
        _log.info("Starting with the samples of another replica", extra={"fields": fields})
