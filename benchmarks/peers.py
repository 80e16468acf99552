"""What a warm start costs: the giver in a process of its own, the taker in this one, TLS on loopback between them.

Run ``python -m benchmarks.peers``. The giver is looked at through its event loop: how late a task that wakes each
millisecond is at most while it gives. gzip is measured beside it, for the decision not to use it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import gzip
import random
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from pathlib import Path

from benchmarks.record import node_info, pod_info, scrape
from benchmarks.report import print_report
from metrics_api.api.app import build_api
from metrics_api.api.probes import Probes
from metrics_api.app.warm_start import WarmStart
from metrics_api.clock import SystemClock
from metrics_api.model import PodInfo
from metrics_api.peers.document import encode
from metrics_api.peers.giving import Giver, PeerGate
from metrics_api.peers.proof import PeerKey
from metrics_api.serving.certificates import find_pair
from metrics_api.serving.keeper import TlsKeeper
from metrics_api.serving.listen import open_listener
from metrics_api.serving.server import HttpsServer
from metrics_api.settings.values import PeerTarget, Settings
from metrics_api.store.store import Store

_TICK = 0.001


def known_store(nodes: int, pods: int) -> tuple[Store, list[list[PodInfo]]]:
    """Return a store that knows a cluster and has no samples."""
    store = Store(SystemClock(), resolution=15.0, max_age=90.0)
    infos = [[pod_info(node, number) for number in range(pods)] for node in range(nodes)]
    for node, of_node in enumerate(infos):
        store.set_node(node_info(node))
        for info in of_node:
            store.set_pod(info)
    return store, infos


def full_store(nodes: int, pods: int) -> Store:
    """Return a store with two scrapes of everything, the last of them just now."""
    store, infos = known_store(nodes, pods)
    now, random_ = time.time() - 15, random.Random(1)
    for turn in range(2):
        for node, of_node in enumerate(infos):
            store.record(node_info(node), scrape(of_node, turn, now, random_))
    return store


async def give(nodes: int, pods: int, folder: Path) -> None:
    """Serve a full store, say the port, and at the end of the input how late the loop was."""
    store, clock = full_store(nodes, pods), SystemClock()
    gc.freeze()
    keeper = TlsKeeper(find_pair("", "", str(folder), "127.0.0.1"))
    gate = PeerGate(_closed, lambda: PeerKey.read(str(folder / "key")), keeper.fingerprints)
    api = build_api(store, Probes((), (), ()), version="0", gate=gate, clock=clock)
    Giver(store, lambda: True).add_to(api)
    server = HttpsServer(api, open_listener("127.0.0.1", 0), keeper.context, drain=1)
    serving = asyncio.create_task(server.run())
    print(server.port, flush=True)
    ticking = asyncio.create_task(_longest())
    await asyncio.to_thread(sys.stdin.readline)
    ticking.cancel()
    print(*await ticking, flush=True)
    server.stop()
    await serving


async def _closed(_scope: object, _request: object) -> None:
    raise RuntimeError("only the peers' path is asked for")


async def _longest() -> tuple[float, float]:
    """Return how late the loop was at most, by the clock, and how much it worked between two of our turns, in CPU."""
    latest = worked = 0.0
    try:
        while True:
            due, spent = time.perf_counter() + _TICK, time.thread_time()
            await asyncio.sleep(_TICK)
            latest, worked = max(latest, time.perf_counter() - due), max(worked, time.thread_time() - spent)
    except asyncio.CancelledError:
        return latest, worked


async def take(nodes: int, pods: int) -> dict[str, float]:
    """Return figures of one warm start."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        (folder / "key").write_text("k" * 64)
        arguments = (f"--nodes={nodes}", f"--pods={pods}", f"--give={directory}")
        giver = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.peers", *arguments, stdin=PIPE, stdout=PIPE
        )
        if giver.stdout is None:
            raise RuntimeError("the giver has no standard output")
        port = int(await giver.stdout.readline())
        store, _ = known_store(nodes, pods)
        settings = Settings(peer_service=(PeerTarget("127.0.0.1", port),), peer_key_file=str(folder / "key"))
        warm_start = WarmStart(settings, SystemClock(), store, lambda: asyncio.sleep(0))
        began, cpu = time.perf_counter(), time.process_time()
        await warm_start.run()
        took, used = time.perf_counter() - began, time.process_time() - cpu
        latest, worked = map(float, (await giver.communicate(b"\n"))[0].split())
        if store.served_pods != nodes * pods:
            raise RuntimeError(f"{store.served_pods} pods were taken over of {nodes * pods}")
    return {
        "seconds until all is served": took,
        "the taker's CPU, seconds": used,
        "the giver's loop, latest by, ms": 1000 * latest,
        "the giver's loop, longest turn, CPU ms": 1000 * worked,
    }


def document(nodes: int, pods: int) -> dict[str, float]:
    """Return figures of the document and of gzip."""
    store = full_store(nodes, pods)
    began = time.process_time()
    frames = []
    for name in store.selected_nodes():
        node = store.hand_over(name)
        if node is not None:
            frames.append(encode(node))
    written = time.process_time() - began
    whole = b"".join(frames)
    began = time.process_time()
    packed = gzip.compress(whole, compresslevel=1)
    return {
        "document, MB": len(whole) / 1e6,
        "writing it, CPU seconds": written,
        "gzip -1, MB": len(packed) / 1e6,
        "gzip -1, CPU seconds": time.process_time() - began,
    }


def main() -> None:
    """Measure and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--pods", type=int, default=30, help="pods on each node, of two containers each")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--give", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.give:
        asyncio.run(give(options.nodes, options.pods, options.give))
        return
    figures = {**document(options.nodes, options.pods), **asyncio.run(take(options.nodes, options.pods))}
    rows = [{"figure": name, "value": value} for name, value in figures.items()]
    print_report("peers", rows, as_json=options.json, nodes=options.nodes, pods_per_node=options.pods)


if __name__ == "__main__":
    main()
