"""How many requests are answered at once. Those above are told to come back, before they cost a review.

Rules: apiserver ``pkg/server/filters/maxinflight.go``.
"""

from __future__ import annotations

from metrics_api.errors import TooManyRequestsError
from metrics_api.serving.asgi import Scope

_SLOT = "in_flight"
"""Key in ``scope["state"]`` of a request that is counted."""


class InFlight:
    """Counts requests from their entry to their end.

    Args:
        limit: How many at once (``--max-requests-inflight``); 0 for any number.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.count = 0
        """How many are being answered now."""

    def enter(self, scope: Scope, *, exempt: bool) -> None:
        """Count this request until ``leave``; one that is exempt passes uncounted when there is no room.

        Raises:
            TooManyRequestsError: there is no room.
        """
        if self._limit and self.count >= self._limit:
            if exempt:
                return
            raise TooManyRequestsError("Too many requests, please try again later.", retry_after=1)
        self.count += 1
        scope["state"][_SLOT] = True

    def leave(self, scope: Scope) -> None:
        """Count this request no more, if it was counted."""
        if scope["state"].pop(_SLOT, False):
            self.count -= 1
