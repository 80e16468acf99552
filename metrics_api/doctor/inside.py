"""Asks the server how it stands, and how its nodes do: through kube-apiserver, or directly.

metrics-server has no such documents, so not having them is no fault.
"""

from __future__ import annotations

from collections.abc import Sequence

from metrics_api.doctor.facts import GROUP, VERSIONS, Unknown
from metrics_api.doctor.looking import Looking
from metrics_api.reports import MOST_NODES, NODES, STATUS, NodeReport, NodesReport, StatusReport

_MOST_REPORTS = 2 * MOST_NODES
DIRECT = ("/debug",)
THROUGH_KUBE_APISERVER = tuple(f"/apis/{GROUP}/{version}/debug" for version in VERSIONS)
"""One may be broken, or not registered, while the other works."""


class Inside:
    """Asks.

    Args:
        looking: Asks whoever leads there.
        roots: The paths under which the documents may lie; the first that has them is used.
    """

    def __init__(self, looking: Looking, roots: Sequence[str] = THROUGH_KUBE_APISERVER) -> None:
        self._looking = looking
        self._roots = tuple(roots)
        self.is_direct = self._roots == DIRECT
        """Whether the server is asked at an address that was named, not through kube-apiserver."""

    async def status(self) -> StatusReport | Unknown:
        """Return how the server stands."""
        answers = []
        for root in self._roots:
            answer = await self._looking.fetch(f"{root}/{STATUS}", StatusReport)
            if not isinstance(answer, Unknown):
                self._roots = (root,)
                return answer
            answers.append(answer)
        # 404 says least: that version may just not be registered.
        return next((answer for answer in answers if answer.code != 404), answers[0])

    async def unwell_nodes(self) -> tuple[NodeReport, ...] | Unknown:
        """Return the nodes of which something can be said beyond that all is well; at most a thousand."""
        return await self._nodes((("unwell", "true"),))

    async def find_node(self, name: str) -> NodeReport | Unknown | None:
        """Return one node, ``None`` when it is not scraped."""
        status = await self.status()
        if isinstance(status, Unknown):
            return status
        found = await self._nodes((("name", name),))
        return found if isinstance(found, Unknown) else next(iter(found), None)

    async def _nodes(self, query: Sequence[tuple[str, str]]) -> tuple[NodeReport, ...] | Unknown:
        def to_be_continued(pages: Sequence[NodesReport]) -> str:
            return pages[-1].continued if sum(len(page.items) for page in pages) < _MOST_REPORTS else ""

        query = (*query, ("limit", str(MOST_NODES)))
        pages = await self._looking.pages(f"{self._roots[0]}/{NODES}", NodesReport, query, to_be_continued)
        return pages if isinstance(pages, Unknown) else tuple(item for page in pages for item in page.items)
