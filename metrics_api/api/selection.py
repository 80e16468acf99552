"""Which rows a list selects, remembered: an HPA asks for the same pods every 15 s, and they rarely change."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from metrics_api.api.listoptions import ListOptions
from metrics_api.model import Row

_SLICE = 2000
"""How many rows are tested before the event loop has its turn: half a millisecond."""

_REMEMBERED = 1024
_LONGEST_BYTES = 2048


class Selections:
    """The rows that recent lists of a namespace selected.

    They hold as long as the view returns the very same sequence, which it does until a row comes, goes or changes its
    labels. Lists of the whole cluster are not kept: each would hold on to all rows there were.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, bytes], tuple[Sequence[Row], Sequence[Row]]] = OrderedDict()

    async def select(
        self, rows: Sequence[Row], namespace: str, query_string: bytes, options: ListOptions
    ) -> Sequence[Row]:
        """Return those of ``rows`` that match.

        Args:
            rows: All of the namespace.
            namespace: Empty for what is not of one namespace.
            query_string: What ``options`` were parsed from.
            options: What to select.
        """
        if not namespace or len(query_string) > _LONGEST_BYTES:
            return await _select(rows, options)
        key = (namespace, query_string)
        kept = self._kept.get(key)
        if kept is None or kept[0] is not rows:
            kept = self._kept[key] = (rows, await _select(rows, options))
            if len(self._kept) > _REMEMBERED:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return kept[1]


async def _select(rows: Sequence[Row], options: ListOptions) -> Sequence[Row]:
    """Return the rows that match, giving way to the event loop after each slice."""
    if len(rows) <= _SLICE:
        return _matching(rows, options)
    selected: list[Row] = []
    for start in range(0, len(rows), _SLICE):
        selected += _matching(rows[start : start + _SLICE], options)
        await asyncio.sleep(0)
    return selected


def _matching(rows: Sequence[Row], options: ListOptions) -> list[Row]:
    has_labels = options.labels.matches
    chosen = list(rows) if options.labels.is_empty else [row for row in rows if has_labels(row.labels)]
    if options.fields.is_empty:
        return chosen
    has_fields = options.fields.matches
    return [row for row in chosen if has_fields({"metadata.name": row.name, "metadata.namespace": row.namespace})]
