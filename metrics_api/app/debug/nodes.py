"""Gathers what is known of each node, page by page."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable
from typing import NamedTuple, Protocol

from metrics_api.app.reasons import Reasons
from metrics_api.model import Endpoint, PodKey
from metrics_api.reports import MOST_NODES, NodeReport, NodesReport, PodReport
from metrics_api.scraper.node_state import Situation
from metrics_api.store.store import Store

DEFAULT_LIMIT = 100
_NODES_AT_ONCE = 4  # then reads have their turn
_MOST_EXAMPLES = 5
_LOST = ("pod uids", "CPU at a pod's first scrape", "the true CPU of Windows nodes")
_SKEWED = 2.0
_SLOW = 0.5


class Way(Protocol):
    """How a node was asked the last time."""

    @property
    def host(self) -> str:
        """The node's address."""
        ...

    @property
    def address(self) -> str:
        """The IP that was dialled."""
        ...

    @property
    def port(self) -> int:
        """The port."""
        ...

    @property
    def endpoint(self) -> Endpoint | None:
        """The document that was answered last."""
        ...


class Wanted(NamedTuple):
    """Which nodes are asked for."""

    name: str = ""
    """One of them; empty for all."""
    unwell: bool = False
    """Only those of which something can be said beyond that all is well."""
    limit: int = DEFAULT_LIMIT
    after: str = ""
    """Those whose names come after this one."""


class NodesReporter:
    """Says how each node stands.

    Args:
        store: What is served.
        situation: How the scraping of a node stands, by name; ``None`` when it is not scraped.
        way: How a node was asked, by uid; ``None`` when it was not.
        reasons: Why rows are lacking.
        timeout: Seconds a scrape is given at least; a node that takes more than half of it is slow.
    """

    def __init__(
        self,
        store: Store,
        situation: Callable[[str], Situation | None],
        way: Callable[[str], Way | None],
        reasons: Reasons,
        timeout: float,
    ) -> None:
        self._store = store
        self._situation = situation
        self._way = way
        self._reasons = reasons
        self._timeout = timeout

    async def report(self, wanted: Wanted) -> NodesReport:
        """Return a page; gives way to other work while it is made."""
        names = sorted(self._store.selected_nodes())
        total = len(names)
        if wanted.name:
            names = [wanted.name]
        limit = min(wanted.limit, MOST_NODES)
        items: list[NodeReport] = []
        for index in range(bisect_right(names, wanted.after), len(names)):
            if index % _NODES_AT_ONCE == 0:
                await asyncio.sleep(0)
            report = self._report(names[index])
            if report is None or (wanted.unwell and self._is_well(report)):
                continue
            if len(items) == limit:
                return NodesReport(tuple(items), total, items[-1].name)
            items.append(report)
        return NodesReport(tuple(items), total)

    def _report(self, name: str) -> NodeReport | None:
        found, situation = self._store.node_pods(name), self._situation(name)
        if found is None or situation is None:
            return None
        way = self._way(found.info.uid)
        endpoint = None if way is None else way.endpoint
        return NodeReport(
            name=name,
            ready=found.info.ready,
            address=""
            if way is None
            else f"[{way.address}]:{way.port}"
            if ":" in way.address
            else f"{way.address}:{way.port}",
            host="" if way is None else way.host,
            endpoint=None if endpoint is None else str(endpoint),
            lost=_LOST if endpoint is Endpoint.RESOURCE else (),
            served=found.served,
            failures=situation.failures,
            recent=situation.recent,
            recent_failures=situation.recent_failures,
            reason=situation.reason,
            message=situation.message,
            since_answer=situation.since_answer,
            since_asked=situation.since_asked,
            until_next=situation.until_next,
            took=situation.took,
            deadline=situation.deadline,
            sample_age=found.age,
            skew=found.skew,
            pods=found.pods,
            pods_served=found.pods - len(found.unserved),
            lacking=dict(self._reasons.kinds_of_pods(name, found.unserved)),
            examples=tuple(map(self._example, found.unserved[:_MOST_EXAMPLES])),
        )

    def _example(self, key: PodKey) -> PodReport:
        return PodReport(key.namespace, key.name, self._reasons.pod(*key) or "it is gone")

    def _is_well(self, report: NodeReport) -> bool:
        return (
            report.served
            and not report.recent_failures
            and not report.lacking
            and not report.lost
            and abs(report.skew) < _SKEWED
            and report.took < self._timeout * _SLOW
        )
