"""Whether kube-apiserver is heard of, where one resource is concerned."""

from __future__ import annotations

import logging

from metrics_api.clock import Clock
from metrics_api.errors import KubeError
from metrics_api.kube.advice import advice

logger = logging.getLogger(__name__)


class Contact:
    """Remembers when it was heard of and what is wrong, and logs a loss once and the return once.

    Args:
        noun: What is asked for, in messages.
        clock: Time.
    """

    def __init__(self, noun: str, clock: Clock) -> None:
        self._noun = noun
        self._clock = clock
        self._lost_since: float | None = None
        self.last: float | None = None
        """Unix time at which it last sent a page or an event; ``None`` before the first."""
        self.fault = ""
        """What went wrong since, in words; empty when nothing did."""

    def heard(self) -> None:
        """Take note of a page or an event."""
        self.last = self._clock.now()

    def answered(self) -> None:
        """Take note of a list that is complete, or of a watch that has begun."""
        if self._lost_since is not None:
            away = self._clock.monotonic() - self._lost_since
            logger.info("%s: kube-apiserver answers again after %.0f s", self._noun, away)
            self._lost_since = None
        self.fault = ""

    def failed(self, error: KubeError, known: int) -> None:
        """Take note of a failure.

        Args:
            error: What happened.
            known: How many objects stay as they were.
        """
        what = advice(self._noun, error)
        self.fault = f"{error}; {what}"
        if self._lost_since is None:
            self._lost_since = self._clock.monotonic()
            logger.warning("%s: %s; %d known stay as they were, asking again; %s", self._noun, error, known, what)
