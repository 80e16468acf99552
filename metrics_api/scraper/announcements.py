"""What the log says of nodes: one line for each change of state, and no flood when a thousand change at once.

A whole rack, a firewall or a revoked right fails many nodes for one reason within seconds. The first of them are
named; the others are counted, and the count is said once. Nobody reads a thousand lines, and nothing else in the log
may drown in them.
"""

from __future__ import annotations

import logging
from collections import Counter

from metrics_api.clock import Clock

_log = logging.getLogger(__name__)

MOST_NAMED = 20
"""Nodes of one kind of change that are named within a window."""
WINDOW = 10.0
"""Seconds."""


class Announcements:
    """Says of nodes what has changed; ``run`` says the counts.

    Args:
        clock: Time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failed: Counter[str] = Counter()
        self._mended = 0

    def failed(self, node: str, reason: str, message: str, *, quiet: bool) -> None:
        """Say that a node's scrape fails, for a reason that it did not fail for before.

        Args:
            node: Its name.
            reason: The class of the fault.
            message: The fault in words.
            quiet: Whether it is no surprise: the node is not Ready.
        """
        if quiet:
            _log.debug("Failed to scrape node", extra={"fields": _fault(node, reason, message)})
            return
        self._failed[reason] += 1
        if self._failed[reason] <= MOST_NAMED:
            _log.warning("Failed to scrape node", extra={"fields": _fault(node, reason, message)})

    def mended(self, node: str, failures: int) -> None:
        """Say that a node answers again after so many failures."""
        self._mended += 1
        if self._mended <= MOST_NAMED:
            _log.info("Node answers again", extra={"fields": {"node": node, "failures": failures}})

    async def run(self) -> None:
        """Say every ten seconds how many changes were not said one by one, until cancelled."""
        while True:
            await self._clock.sleep(WINDOW)
            self._sum_up()

    def _sum_up(self) -> None:
        for reason, count in self._failed.items():
            if count > MOST_NAMED:
                fields = {"reason": reason, "nodes": count, "named": MOST_NAMED}
                _log.warning("Many nodes failed for one reason; only the first are named", extra={"fields": fields})
        if self._mended > MOST_NAMED:
            fields = {"nodes": self._mended, "named": MOST_NAMED}
            _log.info("Many nodes answer again; only the first are named", extra={"fields": fields})
        self._failed.clear()
        self._mended = 0


def _fault(node: str, reason: str, message: str) -> dict[str, object]:
    return {"node": node, "reason": reason, "error": message}
