"""From what was found to the bytes of the answer: how it is made, and what is made once for many.

Single objects and selections are made for each who asks, and current. Long lists without a selector are snapshots.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from metrics_api.api.body import GZIP_ABOVE_BYTES, Body, gzipped, list_body, materialized
from metrics_api.api.formats.format import Format
from metrics_api.api.formats.layouts import Layout, layout_of, page_layout
from metrics_api.api.negotiation import accepts_gzip
from metrics_api.api.resources import Found
from metrics_api.api.snapshots import Snapshots
from metrics_api.clock import Clock

_LONG_ROWS = 256
"""A shorter list is made in less time than it takes to send it."""

_THREADS = 2


class Answers:
    """Makes the bodies of answers.

    Args:
        clock: Time, for the age of snapshots.
    """

    def __init__(self, clock: Clock) -> None:
        self._snapshots = Snapshots(clock)
        # Not asyncio's own threads: name look-ups of the scrapes wait for those.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="gzip")

    async def body(self, found: Found, wanted: Format, accept_encoding: bytes) -> Body:
        """Return the answer.

        Args:
            found: What it is to hold.
            wanted: How it is to be written.
            accept_encoding: The header, empty for none.
        """
        layout = _layout(found, wanted)
        if not found.is_list:
            document = layout.one(found.rows[0])
            body = Body(layout.content_type, len(document), document)
        elif found.is_whole and len(found.rows) > _LONG_ROWS:
            gzip = accepts_gzip(accept_encoding)
            key = (found.resource, found.version, found.namespace, wanted, gzip)
            return await self._snapshots.get(key, partial(self._snapshot, found, layout, gzip=gzip))
        else:
            body = await list_body(found.rows, layout)
        if body.length > GZIP_ABOVE_BYTES and accepts_gzip(accept_encoding):
            return await gzipped(body, self._threads)
        return body

    async def _snapshot(self, found: Found, layout: Layout, *, gzip: bool) -> Body:
        body = await list_body(found.rows, layout)
        if gzip and body.length > GZIP_ABOVE_BYTES:
            return await gzipped(body, self._threads)
        return await materialized(body)


def _layout(found: Found, wanted: Format) -> Layout:
    if found.meta is None:
        return layout_of(found.resource, found.version, wanted)
    return page_layout(found.resource, found.version, wanted, found.meta)
