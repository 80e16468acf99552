"""The giving side: the path at which other replicas ask, who may, and what they get."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
)
from contextlib import AbstractContextManager
from time import perf_counter
from typing import Any, Protocol

from fastapi import FastAPI, Request, Response
from starlette.types import Receive, Send

from metrics_api.errors import PeerError, StatusError
from metrics_api.handover import NodeHandover
from metrics_api.peers.document import MEDIA_TYPE, PATH, encode
from metrics_api.peers.proof import PeerKey

Scope = MutableMapping[str, Any]
Gate = Callable[[Scope, Any], Awaitable[None]]
"""Returns when a request may be answered, or raises."""

_log = logging.getLogger(__name__)
_PROOF = "peer_proof"
_MOST_AT_ONCE = 4
_CHUNK = 1 << 16
_LONGEST_TURN = 0.002
"""Seconds of work after which readers have their turn."""


class Samples(Protocol):
    """What is given."""

    @property
    def served_nodes(self) -> int:
        """How many nodes have usage."""
        ...

    def selected_nodes(self) -> Sequence[str]:
        """Return the names of all nodes."""
        ...

    def hand_over(self, node_name: str) -> NodeHandover | None:
        """Return what there is of one."""
        ...


class Requested(Protocol):
    """What a request asks for."""

    @property
    def path(self) -> str: ...  # noqa: D102


class PeerGate:
    """A gate before another: the peers' path is for peers, who prove that they are; all else is the other's affair.

    No user of the cluster is let in here, nor is kube-apiserver asked: who can read the key's Secret may read more than
    this anyway, and a replica must be able to start warm while kube-apiserver is busy.

    Args:
        gate: Decides on every other path.
        key: Reads the key; raises ``PeerError``.
        fingerprints: Returns those of our own serving certificates.
    """

    def __init__(self, gate: Gate, key: Callable[[], PeerKey], fingerprints: Callable[[], Iterable[bytes]]) -> None:
        self._gate = gate
        self._key = key
        self._fingerprints = fingerprints

    async def __call__(self, scope: Scope, request: Requested) -> None:
        """Return when the request may be answered.

        Raises:
            StatusError: 401: no peer, and whatever the other gate raises.
        """
        if request.path.rstrip("/") != PATH:
            await self._gate(scope, request)
            return
        shown = [value for name, value in scope["headers"] if name == b"authorization"]
        proof = self._answer(shown[0].decode("latin-1")) if shown else None
        if proof is None:
            raise StatusError(401, "Unauthorized", "Unauthorized")
        scope["state"][_PROOF] = proof

    def _answer(self, header: str) -> str | None:
        try:
            return self._key().answer(header, self._fingerprints())
        except PeerError as error:  # said aloud when this replica started; a stranger must not fill the log with it
            _log.debug("A peer cannot be answered", extra={"fields": {"error": str(error)}})
            return None


class Giver:
    """Answers peers.

    Args:
        samples: What there is.
        has_begun: Returns whether we have taken what there was to take ourselves. Until then there is nothing to give:
            a replica that starts finds its own address among the peers', and may not content itself with that.
    """

    def __init__(self, samples: Samples, has_begun: Callable[[], bool]) -> None:
        self._samples = samples
        self._has_begun = has_begun
        self._giving = 0

    def add_to(self, api: FastAPI) -> None:
        """Add the path."""

        async def give(request: Request) -> Response:
            return self._answer(request)

        api.add_api_route(PATH, give, methods=["GET"], response_model=None, include_in_schema=False)

    def _answer(self, request: Request) -> Response:
        if not (self._has_begun() and self._samples.served_nodes):
            raise StatusError(503, "ServiceUnavailable", "there are no samples here yet")
        headers = {"Authentication-Info": request.scope["state"][_PROOF]}
        content = self._give(self._samples.selected_nodes())
        return _Admitted(self._admission, content, media_type=MEDIA_TYPE, headers=headers)

    @contextlib.contextmanager
    def _admission(self) -> Iterator[None]:
        if self._giving >= _MOST_AT_ONCE:
            raise StatusError(429, "TooManyRequests", "other replicas are being given samples", retry_after=1)
        self._giving += 1
        try:
            yield
        finally:
            self._giving -= 1

    async def _give(self, names: Sequence[str]) -> AsyncGenerator[bytes]:
        """Yield the document, giving way in between."""
        chunk, began = bytearray(), perf_counter()
        for name in names:
            node = self._samples.hand_over(name)
            if node is not None:
                chunk += encode(node)
            if len(chunk) >= _CHUNK:
                yield bytes(chunk)
                chunk.clear()
            if perf_counter() - began > _LONGEST_TURN:
                await asyncio.sleep(0)
                began = perf_counter()
        yield bytes(chunk)


class _Admitted(Response):
    """A response that is admitted before its head is sent, and counts until it has ended, however it ends.

    Starlette's own streaming would have the first peer wait, and all readers with it, while its engine is imported.

    Args:
        admission: Entered before anything is sent; may raise ``StatusError``.
        content: The body; not read on when the peer has gone.
        media_type: Its type.
        headers: Of the response.
    """

    def __init__(
        self,
        admission: Callable[[], AbstractContextManager[None]],
        content: AsyncGenerator[bytes],
        *,
        media_type: str,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(media_type=media_type, headers=headers)
        del self.headers["content-length"]  # not known yet: chunks
        self._admission = admission
        self._content = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._admission():
            leaving = asyncio.create_task(_left(receive))
            try:
                async with contextlib.aclosing(self._content):
                    await self._send(send, leaving)
            finally:
                leaving.cancel()

    async def _send(self, send: Send, leaving: asyncio.Task[None]) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for chunk in self._content:
            if leaving.done():
                return
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _left(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
