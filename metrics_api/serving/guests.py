"""Connections of clients that have shown no certificate. Anyone can open them, so their number is bounded.

Those that have proven by a certificate to belong to the cluster are never counted: all traffic of kube-apiserver may
come through many connections from one address, and must not suffer from strangers.
"""

from __future__ import annotations

import logging
from typing import Protocol

_log = logging.getLogger(__name__)


class Guest(Protocol):
    """A connection."""

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        ...

    def dismiss(self) -> None:
        """End the connection at once."""
        ...


class Guests:
    """Bounds them: when one too many arrives, the one that has been idle longest must go.

    Args:
        limit: How many may stay.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._present: dict[Guest, None] = {}
        self._is_full = False

    def __len__(self) -> int:
        return len(self._present)

    def welcome(self, guest: Guest) -> None:
        """Count a new connection; when there is no idle one to make room, it is the new one that goes."""
        if len(self._present) >= self._limit:
            leaving = next((each for each in self._present if each.is_idle), guest)
            self._say_once()
            self._present.pop(leaving, None)
            leaving.dismiss()
            if leaving is guest:
                return
        else:
            self._is_full = False
        self._present[guest] = None

    def dismiss_idlest(self) -> bool:
        """Send away the one idle longest; return whether there was one."""
        leaving = next((each for each in self._present if each.is_idle), None)
        if leaving is None:
            return False
        del self._present[leaving]
        leaving.dismiss()
        return True

    def refresh(self, guest: Guest) -> None:
        """Note that the connection has just been used."""
        if self._present.pop(guest, guest) is None:
            self._present[guest] = None

    def forget(self, guest: Guest) -> None:
        """Count a connection no more."""
        self._present.pop(guest, None)

    def _say_once(self) -> None:
        if not self._is_full:
            self._is_full = True
            _log.warning(
                "Too many connections without a client certificate: the one idle longest is closed for each new one",
                extra={"fields": {"limit": self._limit}},
            )
