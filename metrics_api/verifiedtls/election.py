"""Who of the replicas writes: the holder of a Lease, by client-go's rules (``tools/leaderelection``).

Clocks of different machines are never compared: a Lease has expired when *we* have not seen it change for its
duration. What two who both believe to lead write is safe all the same, for every write names the state it came from.
"""

from __future__ import annotations

from datetime import UTC, datetime

from metrics_api.clock import Clock
from metrics_api.objects import LeaseState

_SAFE_PART = 2 / 3  # of its duration for which a holder who cannot renew still believes that it leads


class Election:
    """One candidate.

    Args:
        clock: Time.
        identity: Who this replica is; no other has it.
        duration: Seconds that a Lease lives without being renewed; at least 1.
    """

    def __init__(self, clock: Clock, identity: str, duration: float) -> None:
        self._clock = clock
        self._identity = identity
        self._duration = max(1, int(duration))
        self._seen: tuple[str, str] | None = None
        self._seen_at = 0.0
        self._led_until = 0.0

    @property
    def leads(self) -> bool:
        """Whether this replica may write now."""
        return self._clock.monotonic() < self._led_until

    def bid(self, lease: LeaseState) -> LeaseState | None:
        """Return the Lease as this replica would have it; ``None`` while another holds it."""
        seen = (lease.holder, lease.renewed)
        if seen != self._seen:
            self._seen, self._seen_at = seen, self._clock.monotonic()
        mine = lease.holder == self._identity
        if lease.holder and not mine and self._clock.monotonic() < self._seen_at + lease.duration:
            return None
        now = _micro_time(self._clock.now())
        return LeaseState(
            lease.version,
            holder=self._identity,
            duration=self._duration,
            acquired=(mine and lease.acquired) or now,
            renewed=now,
            transitions=lease.transitions + (not mine),
        )

    def won(self) -> None:
        """Note that the bid was written."""
        self._led_until = self._clock.monotonic() + self._duration * _SAFE_PART

    def lost(self) -> None:
        """Note that another holds it, or that it is given up."""
        self._led_until = 0.0

    def resignation(self, lease: LeaseState) -> LeaseState | None:
        """Return the Lease without a holder, so that another need not wait; ``None`` when it is not ours."""
        if lease.holder != self._identity:
            return None
        now = _micro_time(self._clock.now())
        return LeaseState(lease.version, "", 1, lease.acquired or now, now, lease.transitions)


def _micro_time(time: float) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
