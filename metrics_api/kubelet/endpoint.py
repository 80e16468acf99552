"""Which of the two documents a node is asked for.

Summary says more: pod uids, the node's name, CPU at the first scrape. Where it does not exist or is forbidden, the
resource document takes its place for a while. A failure that would hit both (a time-out, a 5xx: the same code in the
kubelet stands behind them) changes nothing.

A cluster with metrics-server's own roles forbids Summary on every node. Three nodes are enough to know that; the others
are then not asked for it, but for three nodes every ten minutes, to notice when the role is there.
"""

from __future__ import annotations

import logging
from collections.abc import Set
from http import HTTPStatus

from metrics_api.clock import Clock
from metrics_api.kubelet.options import EndpointMode
from metrics_api.model import Endpoint, NodeInfo

_log = logging.getLogger(__name__)

RETRY_PERIOD = 600.0
"""Seconds until Summary is tried again where it was refused."""
PROOF = 3
"""Nodes that forbid Summary before it is believed of all; and nodes that are tried again in each period."""

_REFUSALS = frozenset(
    (
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.NOT_ACCEPTABLE,
        HTTPStatus.NOT_IMPLEMENTED,
    )
)


class EndpointChoice:
    """Remembers what nodes answered, and chooses.

    Args:
        mode: What the operator wants; only ``auto`` leaves a choice.
        clock: Time.
    """

    def __init__(self, mode: EndpointMode, clock: Clock) -> None:
        self._mode = mode
        self._clock = clock
        self._answered: set[str] = set()
        self._refused: dict[str, tuple[float, int]] = {}
        self._forbidding: set[str] = set()
        self._forbidden_everywhere = False
        self._next_trials_at = 0.0
        self._trials = 0

    @property
    def remembered(self) -> Set[str]:
        """Return the uids of the nodes something is kept of."""
        return self._answered | self._refused.keys() | self._forbidding

    def choose(self, node: NodeInfo) -> Endpoint:
        """Return what to ask the node for first."""
        if self._mode != "auto":
            return Endpoint(self._mode)
        if node.resource_metrics_path:
            return Endpoint.RESOURCE
        if node.uid in self._answered:
            return Endpoint.SUMMARY
        now = self._clock.monotonic()
        refused = self._refused.get(node.uid)
        if refused is not None and now < refused[0]:
            return Endpoint.RESOURCE
        if self._forbidden_everywhere and not self._take_trial(now):
            return Endpoint.RESOURCE
        return Endpoint.SUMMARY

    def falls_back(self, status: int | None) -> bool:
        """Tell whether a refusal of Summary with this status lets us ask for the resource document at once."""
        return self._mode == "auto" and status in _REFUSALS

    def summary_answered(self, node_uid: str) -> None:
        """Take note that a node gave its Summary."""
        if node_uid not in self._answered:
            self._answered.add(node_uid)
            self._refused.pop(node_uid, None)
        if self._forbidding:
            self._forbidding.clear()
        if self._forbidden_everywhere:
            self._forbidden_everywhere = False
            self._refused = {uid: old for uid, old in self._refused.items() if old[1] != HTTPStatus.FORBIDDEN}
            _log.info("A kubelet gives /stats/summary again: all nodes are asked for it")

    def summary_refused(self, node_uid: str, status: int | None) -> None:
        """Take note that a node refused its Summary, and why; where 403, that it did give the resource document."""
        now = self._clock.monotonic()
        self._answered.discard(node_uid)
        self._refused[node_uid] = (now + RETRY_PERIOD, status or 0)
        if status != HTTPStatus.FORBIDDEN or self._forbidden_everywhere:
            return
        self._forbidding.add(node_uid)
        if len(self._forbidding) >= PROOF:
            self._forbidden_everywhere = True
            self._next_trials_at, self._trials = now + RETRY_PERIOD, 0
            _log.warning(
                "Kubelets forbid /stats/summary, so nodes are asked for /metrics/resource. Lost with it are pod uids,"
                " CPU at a pod's first scrape, and the true CPU of Windows nodes. Grant get on nodes/stats for them;"
                " a few nodes are tried again every ten minutes"
            )

    def forget(self, node_uid: str) -> None:
        """Forget a node that is gone."""
        self._answered.discard(node_uid)
        self._refused.pop(node_uid, None)
        self._forbidding.discard(node_uid)

    def _take_trial(self, now: float) -> bool:
        if now >= self._next_trials_at:
            self._next_trials_at, self._trials = now + RETRY_PERIOD, PROOF
        if not self._trials:
            return False
        self._trials -= 1
        return True
