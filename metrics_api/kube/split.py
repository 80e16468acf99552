"""Cuts the items out of a list without recursion, for pages in which one object is nested too deeply to decode."""

from __future__ import annotations

import re

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)


def split_items(body: bytes) -> tuple[bytes, list[bytes]]:
    """Return the list without its items, and the items, all still encoded.

    Brackets are counted outside strings; nothing else of JSON is checked, so decode what comes out.

    Raises:
        ValueError: There is no top-level ``items`` array, or it does not end.
    """
    depth, opened, key = 0, -1, b""
    item_start, items = 0, []
    for token in _TOKEN.finditer(body):
        first = token[0][:1]
        if first in b"{[":
            if depth == 1 and first == b"[" and key == b'"items"':
                opened = token.end()
            elif depth == 2 and opened >= 0:
                item_start = token.start()
            depth += 1
        elif first in b"}]":
            depth -= 1
            if depth == 2 and opened >= 0:
                items.append(body[item_start : token.end()])
            elif depth == 1 and opened >= 0:
                return body[:opened] + body[token.start() :], items
        elif depth == 1:
            key = token[0]
    raise ValueError("no complete top-level items array")
