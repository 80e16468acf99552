"""The workers' counts in the terms of ``telemetry``."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from metrics_api.api.watch.watches import Watches
from metrics_api.app.admission import Admission
from metrics_api.app.certificates import described, described_file, first_expiry
from metrics_api.app.collection import Collection
from metrics_api.app.warm_start import WarmStart
from metrics_api.reports import SKEWED
from metrics_api.store.store import Store
from metrics_api.store.tally import RowTally
from metrics_api.telemetry.sources import (
    CacheCounts,
    NodesStanding,
    RowCounts,
    WarmStartCounts,
    WatchCounts,
    WatcherCounts,
)

_NODES_AT_ONCE = 30  # then reads have their turn; about a millisecond
_PARTS = (0.5, 0.9, 0.99, 1.0)


class Measured:
    """Fulfils ``telemetry.sources.Sources``.

    Args:
        store: Whose rows are counted.
        collection: Watches and scrapes.
        admission: Reviews.
        watches: Of our clients; ``None`` when they are refused.
        certificate: Where the serving certificate lies now; ``None`` when that is of no interest.
        warm_start: Of this process; ``None`` when that is of no interest.
    """

    def __init__(
        self,
        store: Store,
        collection: Collection,
        admission: Admission,
        watches: Watches | None = None,
        certificate: Callable[[], Path] | None = None,
        warm_start: WarmStart | None = None,
    ) -> None:
        self._store = store
        self._collection = collection
        self._admission = admission
        self._watches = watches
        self._certificate = certificate
        self._warm_start = warm_start
        self._skewed = 0
        empty = store.new_tally()
        self._rows = {"nodes": _counts(empty.nodes), "pods": _counts(empty.pods)}

    async def count_rows(self) -> None:
        """Count anew what ``rows`` returns, giving way in between."""
        tally, skewed = self._store.new_tally(), 0
        for index, name in enumerate(self._store.selected_nodes()):
            self._store.count(name, tally)
            skewed += abs(self._store.clock_ahead(name) or 0.0) >= SKEWED
            if index % _NODES_AT_ONCE == _NODES_AT_ONCE - 1:
                await asyncio.sleep(0)
        self._rows = {"nodes": _counts(tally.nodes), "pods": _counts(tally.pods)}
        self._skewed = skewed

    def rows(self) -> Mapping[str, RowCounts]:
        """Return what was counted last."""
        return self._rows

    def skewed_nodes(self) -> int:
        """Return what was counted last."""
        return self._skewed

    def warm_start(self) -> WarmStartCounts | None:
        """Return how it went."""
        return None if self._warm_start is None else self._warm_start.outcome

    def scrape_results(self) -> Mapping[str, int]:
        """Return the scraper's results."""
        scraper = self._collection.scraper
        return {} if scraper is None else dict(scraper.results)

    def dropped_points(self) -> Mapping[str, int]:
        """Return what decoders and store left out."""
        scraper = self._collection.scraper
        dropped = Counter(self._store.dropped)
        if scraper is not None:
            dropped.update(scraper.dropped)
        return dropped

    def nodes_standing(self) -> Mapping[str, NodesStanding]:
        """Return how the scraping stands."""
        scraper = self._collection.scraper
        if scraper is None:
            return {}
        return {name: NodesStanding(*counts) for name, counts in scraper.standings().items()}

    def body_bytes(self) -> Mapping[str, int]:
        """Return bytes by document."""
        kubelets = self._collection.kubelets
        return {} if kubelets is None else {str(document): count for document, count in kubelets.body_bytes.items()}

    def watches(self) -> Mapping[str, WatchCounts]:
        """Return the counts of both watches."""
        return {
            name: WatchCounts(len(watch.known), watch.restarts, watch.relists, watch.skipped)
            for name, watch in self._collection.watches.items()
        }

    def watchers(self) -> WatcherCounts:
        """Return counts of those who watch us."""
        watches = self._watches
        return WatcherCounts(0, 0) if watches is None else WatcherCounts(watches.count, watches.cut_off)

    def review_caches(self) -> Mapping[str, CacheCounts]:
        """Return the counts of both caches."""
        return {
            name: CacheCounts(len(cache), cache.hits, cache.misses)
            for name, cache in self._admission.review_caches.items()
        }

    def certificate_expiries(self) -> Mapping[str, float]:
        """Read the certificates, and return when the first of each kind expires."""
        serving = None if self._certificate is None else described_file(self._certificate())
        trust = self._admission.trust
        ends = {
            "serving": first_expiry([serving] if serving is not None else []),
            "front-proxy-ca": first_expiry(described(trust.proxy_ca)),
            "client-ca": first_expiry(described(trust.client_ca)),
        }
        return {name: end for name, end in ends.items() if end is not None}


def _counts(tally: RowTally) -> RowCounts:
    ages = {part: tally.age(part) for part in _PARTS}
    return RowCounts(tally.expected, tally.served, tally.stale, ages, tally.points)
