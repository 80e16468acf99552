"""The debug documents on the application, under two kinds of paths.

``/debug/…`` is for who reaches the server itself. Behind kube-apiserver only the paths of an APIService arrive with the
name of who asks: its proxy for Services and pods takes the credentials off and shows none of its own, so all who come
that way are anonymous. Hence ``/apis/metrics.k8s.io/<version>/debug/…`` too, which discovery does not name. Both are
authorized like any other request.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response

from metrics_api.api.group import DEBUG, GROUP, VERSIONS
from metrics_api.api.status import bad_request
from metrics_api.app.debug.nodes import DEFAULT_LIMIT, NodesReporter, Wanted
from metrics_api.app.debug.status import StatusReporter
from metrics_api.reports import MOST_NODES, NODES, STATUS

_LONGEST_NAME = 253


class DebugPaths:
    """Answers both documents, one request at a time: whoever asks too often waits for himself.

    Args:
        status: Gathers the one.
        nodes: Gathers the other.
    """

    def __init__(self, status: StatusReporter, nodes: NodesReporter) -> None:
        self._status = status
        self._nodes = nodes
        self._reporting = asyncio.Lock()

    def add_to(self, api: FastAPI) -> None:
        """Add the paths."""

        async def status(_: Request) -> Response:
            return await self._answer(self._status.report)

        async def nodes(request: Request) -> Response:
            wanted = _wanted(request)
            return await self._answer(lambda: self._nodes.report(wanted))

        for root in ("", *(f"/apis/{GROUP}/{version}" for version in VERSIONS)):
            for name, handler in ((STATUS, status), (NODES, nodes)):
                path = f"{root}/{DEBUG}/{name}"
                api.add_api_route(path, handler, methods=["GET"], response_model=None, include_in_schema=False)

    async def _answer(self, report: Callable[[], Awaitable[msgspec.Struct]]) -> Response:
        async with self._reporting:
            document = await report()
            body = await asyncio.to_thread(_encode, document)
        return Response(body, media_type="application/json", headers={"X-Content-Type-Options": "nosniff"})


def _encode(document: msgspec.Struct) -> bytes:
    """Return JSON in ASCII: what nodes said cannot do anything to a terminal that it is printed on."""
    return json.dumps(msgspec.to_builtins(document), separators=(",", ":")).encode("ascii") + b"\n"


def _wanted(request: Request) -> Wanted:
    """Return what the query asks for.

    Raises:
        StatusError: 400, a parameter makes no sense.
    """
    query: Any = request.query_params
    unwell, limit = query.get("unwell", "false"), query.get("limit", str(DEFAULT_LIMIT))
    if unwell not in ("true", "false"):
        raise bad_request("unwell must be true or false")
    if not (
        limit.isascii() and limit.isdigit() and len(limit) <= len(str(MOST_NODES)) and 1 <= int(limit) <= MOST_NODES
    ):
        raise bad_request(f"limit must be a whole number from 1 to {MOST_NODES}")
    return Wanted(query.get("name", "")[:_LONGEST_NAME], unwell == "true", int(limit), query.get("continue", ""))
