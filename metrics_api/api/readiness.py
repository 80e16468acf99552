"""Ready means: worth sending readers to. Once it is so it stays so, until shutdown.

A metrics server that goes unready takes its API group with it: kube-apiserver is left without endpoints, discovery of
the whole cluster fails, namespaces hang. So missing data shows in metrics and in what is served, not here. At start
there is a bounded wait for the first data; a cluster that gives none within it has its API all the same.
"""

from __future__ import annotations

from collections.abc import Callable

from metrics_api.clock import Clock

LEAST_GRACE = 60.0


class Readiness:
    """Whether there is, or was, something to serve.

    Args:
        clock: Time.
        resolution: Seconds between scrapes; the wait for data, once the lists are complete, is two of them, at least a
            minute.
        served: Returns how many nodes and how many pods are served now.
        synced: Returns whether the first lists of nodes and pods are complete.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        resolution: float,
        served: Callable[[], tuple[int, int]],
        synced: Callable[[], bool],
    ) -> None:
        self._clock = clock
        self._served = served
        self._synced = synced
        self._grace = max(LEAST_GRACE, 2 * resolution)
        self._synced_at: float | None = None
        self._was_ready = False

    def check(self) -> str | None:
        """Return ``None`` when ready, else why not yet."""
        if self._was_ready:
            return None
        if not self._synced():
            return "the lists of nodes and pods are not complete yet"
        now = self._clock.monotonic()
        if self._synced_at is None:
            self._synced_at = now
        nodes, pods = self._served()
        if not (nodes and pods) and now < self._synced_at + self._grace:
            return "no metrics to serve"
        self._was_ready = True
        return None
