"""Why a point of a document was not used, and where. Counted, so that a missing metric has a reason."""

from __future__ import annotations

from collections import Counter
from typing import Literal, Protocol

DropReason = Literal[
    "bad_number",  # negative, not finite, not a number, beyond 64 bits
    "bad_time",  # not a time, or no plausible one
    "no_time",  # a reading without a time, which no rate can be made of
    "bad_name",  # a namespace, pod, uid or container name that cannot exist
    "bad_shape",  # a pod or the node is not built as the document's types say
    "bad_line",  # a line of the text document that is none
    "duplicate",  # the older of two readings of one thing
    "too_many",  # beyond what a node may run
]

_LONGEST_NAME = 100


class Place(Protocol):
    """A pod, as a document names it."""

    @property
    def namespace(self) -> str:
        """Not validated."""
        ...

    @property
    def name(self) -> str:
        """Not validated."""
        ...


class Dropped(Counter[DropReason]):
    """Reason -> how many points of one document were not used; remembers where each reason was met first."""

    def __init__(self) -> None:
        super().__init__()
        self.place: Place | None = None
        """What is being read; ``None`` for the node itself, and for what names no pod."""
        self._first: dict[DropReason, Place | None] = {}

    def __missing__(self, reason: DropReason) -> int:
        self._first[reason] = self.place
        return 0

    def counts(self) -> dict[str, int]:
        """Return the counts as ``NodeSamples.dropped`` holds them."""
        return {str(reason): count for reason, count in self.items()} if self else {}

    def places(self) -> dict[str, str]:
        """Return the first pod of each reason as ``NodeSamples.dropped_at`` holds them."""
        return (
            {
                str(reason): f"{_plain(place.namespace)}/{_plain(place.name)}"
                for reason, place in self._first.items()
                if place is not None
            }
            if self
            else {}
        )


def _plain(name: str) -> str:
    name = name[:_LONGEST_NAME]
    return name if name.isprintable() else repr(name)[1:-1]
