"""Says which parts of nodes' answers are not used: once for a node and reason, and again after a while."""

from __future__ import annotations

import logging

from metrics_api.model import NodeSamples
from metrics_api.scraper.node_state import NodeState

_log = logging.getLogger(__name__)
_TOLD_AGAIN = 600.0
"""Seconds after which a node that goes on is named again."""
_USUAL = "duplicate"
"""A restarted container's remains, which a healthy kubelet may report for minutes: not worth a warning."""


def tell_drops(state: NodeState, samples: NodeSamples, monotonic: float) -> None:
    """Log what was dropped of a node's answer and has not been told of lately.

    Args:
        state: The node; what is told is noted there.
        samples: The answer, of which something was dropped.
        monotonic: Our clock.
    """
    for reason, count in samples.dropped.items():
        told = state.drops_told.get(reason)
        if told is not None and monotonic - told < _TOLD_AGAIN:
            continue
        state.drops_told[reason] = monotonic
        _log.log(
            logging.DEBUG if reason == _USUAL else logging.WARNING,
            "Parts of a node's answer are not used; the rest is",
            extra={
                "fields": {
                    "node": state.node.name,
                    "reason": reason,
                    "points": count,
                    "first": samples.dropped_at.get(reason, "the node itself, or no pod that is named"),
                }
            },
        )
