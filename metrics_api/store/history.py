"""What is remembered of one container's (or node's) counter between scrapes, as a value and packed into bytes.

A large cluster has hundreds of thousands of containers. As Python objects a history costs some 300 bytes, packed it
costs 66; it is unpacked for the moment in which a scrape moves it on. What an ordinary scrape looks at comes first: it
then becomes the point before without being unpacked, see ``steady``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import IntEnum
from functools import lru_cache
from struct import Struct

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

_STAMPED, _BORN = 1 << 4, 1 << 5
_LACK = _STAMPED - 1

_POINT = "dQfB"  # a distinct sample: time, counter, granularity; and lack, stamped, born as they are at the last one
_USAGE = "QQII"  # CPU, memory, window, accepted
_LAYOUT = Struct(f"<{_POINT}{_POINT}{_USAGE}")  # the last point, the one before, the usage that the last one gave
POINT_SIZE = Struct(f"<{_POINT}").size
_USAGE_SIZE = Struct(f"<{_USAGE}").size

HISTORY_SIZE = _LAYOUT.size

ORDINARY = _STAMPED, 0
"""A point's flags by ``not stamped``, where there is usage and the container was not born at that very time."""

last_points = Struct(f"<{_POINT}{POINT_SIZE + _USAGE_SIZE}x").iter_unpack
"""From packed histories to each one's last point: time, counter, granularity, flags."""

usages = Struct(f"<d{2 * POINT_SIZE - 8}x{_USAGE}").iter_unpack
"""From packed histories to what each one gives: time, CPU, memory, window, accepted."""

_POINT_BEFORE = f"{POINT_SIZE}s"  # as bytes: it is the last point of the former history, whole

parts_at = Struct(f"<{_POINT}{_POINT_BEFORE}{_USAGE}").unpack_from
"""From packed histories and an offset to the parts of a history as ``packer_of`` takes them."""


@lru_cache(maxsize=256)
def packer_of(count: int) -> Callable[..., bytes]:
    """Return what packs so many histories from their parts: the last point's four, the point before as bytes, usage."""
    return Struct("<" + f"{_POINT}{_POINT_BEFORE}{_USAGE}" * count).pack


def pack(histories: Iterable[History]) -> bytes:
    """Return histories as bytes, 66 for each."""
    return b"".join(
        [
            _LAYOUT.pack(
                *(each.time, each.total, each.step, each.lack | each.stamped * _STAMPED | each.born * _BORN),
                *(each.prev_time, each.prev_total, each.prev_step, 0),
                *(each.cpu, each.memory, each.window_ms, each.accepted),
            )
            for each in histories
        ]
    )


def unpack(packed: bytes) -> list[History]:
    """Return the histories that ``pack`` was given."""
    return [
        History(
            *(time, total, prev_time, prev_total, cpu, memory, window_ms, step, prev_step, accepted),
            *(flags & _LACK, bool(flags & _STAMPED), bool(flags & _BORN)),
        )
        for time, total, step, flags, prev_time, prev_total, prev_step, _, cpu, memory, window_ms, accepted in (
            _LAYOUT.iter_unpack(packed)
        )
    ]
