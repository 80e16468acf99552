"""Why a point of a document was not used. Counted, so that a missing metric has a reason."""

from __future__ import annotations

from collections import Counter
from typing import Literal

DropReason = Literal[
    "bad_number",  # negative, not finite, not a number, beyond 64 bits
    "bad_time",  # not a time, or no plausible one
    "no_time",  # a reading without a time, which no rate can be made of
    "bad_name",  # a namespace, pod, uid or container name that cannot exist
    "bad_shape",  # a pod or the node is not built as the document's types say
    "duplicate",  # the older of two readings of one thing
    "too_many",  # beyond what a node may run
]

Dropped = Counter[DropReason]


def counts(dropped: Dropped) -> dict[str, int]:
    """Return the counts as ``NodeSamples.dropped`` holds them."""
    return {str(reason): count for reason, count in dropped.items()} if dropped else {}
