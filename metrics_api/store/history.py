"""What is remembered of one container's (or node's) counter between scrapes, as a value and packed into bytes.

A large cluster has hundreds of thousands of containers. As Python objects a history costs some 300 bytes, packed it
costs 67; it is unpacked for the moment in which a scrape moves it on.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from enum import IntEnum

import msgspec


class Lack(IntEnum):
    """Why a container or node has no usage from the latest scrape."""

    NOTHING = 0
    """It has usage."""
    NEW = 1
    """Seen, but one sample does not say a rate yet."""
    NO_CPU = 2
    """No CPU counter, or one that stands at 0."""
    NO_MEMORY = 3
    """No working set."""
    ABSENT = 4
    """The kubelet's answer does not mention it."""
    STALE = 5
    """The kubelet repeats a sample that is too old."""
    FUTURE = 6
    """The sample lies ahead of the node's own clock."""
    CPU_BOUND = 7
    """CPU beyond what the node's cores can do."""
    MEMORY_BOUND = 8
    """A working set larger than the node's memory allows."""


class History(msgspec.Struct, frozen=True, gc=False):
    """The last two distinct samples of one counter, and the usage that the last one gave."""

    time: float = 0.0
    """Time of the last distinct sample; 0 when there was none."""
    total: int = 0
    """Its counter in core-nanoseconds."""
    prev_time: float = 0.0
    """Time of the sample before, of the same life of the container; 0 when there was none."""
    prev_total: int = 0
    """Its counter."""
    cpu: int = 0
    """Nanocores at ``time``; meaningful when ``window_ms`` is not 0."""
    memory: int = 0
    """Bytes at ``time``; meaningful when ``window_ms`` is not 0."""
    window_ms: int = 0
    """Milliseconds that ``cpu`` covers; 0 when the sample at ``time`` gave no usage."""
    step: float = 0.0
    """Granularity of ``time`` in seconds."""
    prev_step: float = 0.0
    """Granularity of ``prev_time``."""
    accepted: int = 0
    """Our monotonic clock, in whole seconds, when the last distinct sample came."""
    lack: int = Lack.NEW
    """A ``Lack``: whether the latest scrape left usage, and if not, why."""
    stamped: bool = True
    """Whether the times are the kubelet's, not ours."""
    born: bool = False
    """Whether the container started at ``time`` itself, to the granularity of both."""


NO_HISTORY = History()

_LAYOUT = struct.Struct("<dQdQQQIffIB??")  # the fields above in their order


def pack(histories: Iterable[History]) -> bytes:
    """Return histories as bytes, 67 for each."""
    astuple, layout = msgspec.structs.astuple, _LAYOUT.pack
    return b"".join([layout(*astuple(history)) for history in histories])


def unpack(packed: bytes) -> list[History]:
    """Return the histories that ``pack`` was given."""
    return [History(*fields) for fields in _LAYOUT.iter_unpack(packed)]
