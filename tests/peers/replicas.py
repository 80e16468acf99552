"""Replicas that give, on real sockets with real TLS, and the strangers that stand where one should be."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from metrics_api.api.app import build_api
from metrics_api.api.probes import Probes
from metrics_api.api.requestinfo import RequestInfo
from metrics_api.clock import SystemClock
from metrics_api.errors import StatusError
from metrics_api.model import NodeInfo
from metrics_api.peers.asking import PATIENCE, Patience, ask
from metrics_api.peers.finding import Place
from metrics_api.peers.giving import Giver, PeerGate, Samples, Scope
from metrics_api.peers.proof import PeerKey
from metrics_api.serving.certificates import find_pair
from metrics_api.serving.context import server_context
from metrics_api.store.store import Store
from tests.serving.wire import serving
from tests.store.builders import node_info, pod_info, pod_of, sample
from tests.store.builders import scrape as scrape_of

SECRET = b"a key that only the replicas know"
KEY = PeerKey(SECRET)
SHORT_SILENCE = Patience(silence=0.5, introduction=10)
SHORT_INTRODUCTION = Patience(silence=10, introduction=0.5)

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def known_store(nodes: int = 3, pods: int = 4) -> Store:
    """Return a store that knows nodes and pods and has no samples."""
    return know(Store(SystemClock(), resolution=15, max_age=90), nodes, pods)


def know(store: Store, nodes: int = 3, pods: int = 4) -> Store:
    """Tell a store of nodes and pods; return it."""
    for number in range(nodes):
        store.set_node(node(number))
        for pod in range(pods):
            store.set_pod(pod_info(f"web-{number}-{pod}", "app", node_name=node(number).name))
    return store


def node(number: int) -> NodeInfo:
    return node_info(f"node-{number}")


def full_store(nodes: int = 3, pods: int = 4) -> Store:
    """Return a store that serves everything."""
    store, clock = known_store(nodes, pods), SystemClock()
    at = clock.now() - 5
    for number in range(nodes):
        samples = [pod_of({"app": sample(at, rate=7)}, f"web-{number}-{pod}") for pod in range(pods)]
        store.record(node(number), scrape_of(clock, *samples, node=sample(at, rate=7)))  # type: ignore[arg-type] # only now() is read
    return store


async def _closed(_scope: Scope, _request: RequestInfo) -> None:
    raise StatusError(403, "Forbidden", "nobody passes the other gate")


@contextlib.asynccontextmanager
async def giving(
    directory: Path, samples: Samples, secret: bytes = SECRET, *, has_begun: bool = True
) -> AsyncIterator[Place]:
    """Serve as a replica does that has these samples and this key, behind a gate that lets nobody pass."""
    pair = find_pair("", "", str(directory), "127.0.0.1")
    gate = PeerGate(_closed, lambda: PeerKey(secret), lambda: [pair.fingerprint()])
    api = build_api(known_store(), Probes((), (), ()), version="0", gate=gate)
    Giver(samples, lambda: has_begun).add_to(api)
    async with serving(directory, api) as server:
        yield Place("127.0.0.1", server.port)


@contextlib.asynccontextmanager
async def stranger(directory: Path, talk: Talk) -> AsyncIterator[Place]:
    """Listen with a certificate of its own, and talk as told on every connection."""
    context = server_context(find_pair("", "", str(directory), "127.0.0.1"))
    talks: set[asyncio.Task[None]] = set()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            talks.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await talk(reader, writer)
        writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", 0, ssl=context)
    try:
        yield Place("127.0.0.1", server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


async def connect(place: Place) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return await asyncio.open_connection(*place, ssl=context)


async def taken(place: Place, key: PeerKey = KEY, patience: Patience = PATIENCE) -> list[str]:
    """Return the names of the nodes that the peer gives."""
    return [each.name async for each in ask(place, key, patience)]
