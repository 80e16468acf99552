"""What each format costs in the application alone: no socket, no TLS, no store.

``python -m benchmarks.formats [--json] [--quick]``. For each format: one pod, and an HPA's list of 15 pods, the rows
being unchanged since the last request; all nodes and all pods, made anew after every row has changed (``first``), made
anew (``again``), and from the snapshot (``kept``). CPU is that of all threads; ``stall`` is the longest time for which
the event loop got to nothing else in the first of these. The best of several rounds counts: the machine is shared.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import time
from collections.abc import Mapping

from benchmarks.report import Figures, print_report
from benchmarks.routes import HEADERS, V1BETA1, FixedView, Sink, no_body, request_scope
from metrics_api.api.app import MetricsAPI, build_api
from metrics_api.api.probes import PING, Probes
from metrics_api.clock import SystemClock

_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_PARTIAL = "as=PartialObjectMetadata{list};v=v1;g=meta.k8s.io"
FORMATS: Mapping[str, str] = {
    "JSON": "application/json",
    "protobuf": "application/vnd.kubernetes.protobuf, */*",
    "YAML": "application/yaml",
    "JSON, indented": "application/json;pretty=1",
    "Table": _TABLE,
    "Table as YAML": _TABLE.replace("json", "yaml"),
    "metadata, JSON": f"application/json;{_PARTIAL}",
    "metadata, protobuf": f"application/vnd.kubernetes.protobuf;{_PARTIAL}",
}
_POD = f"{V1BETA1}/namespaces/namespace-042/pods/app-07-110"
_HPA = (f"{V1BETA1}/namespaces/namespace-042/pods", "labelSelector=app%3Dapp-07")


class _SkippingClock(SystemClock):
    """Time that can be made to pass."""

    def __init__(self) -> None:
        self.skipped = 0.0

    def monotonic(self) -> float:
        """Return the machine's time and what was skipped."""
        return super().monotonic() + self.skipped


class Bench:
    """An application over a fixed view, and ways to measure it.

    Args:
        rounds: How often each thing is measured.
    """

    def __init__(self, rounds: int) -> None:
        self._rounds = rounds
        self._view = FixedView(seed=1)
        self._clock = _SkippingClock()
        probes = Probes((PING,), (PING,), (PING,))
        self._api: MetricsAPI = build_api(self._view, probes, version="0.0.0", clock=self._clock)

    async def small(self, path: str, query: str, accept: str) -> float:
        """Return the seconds of CPU of one short answer."""
        best = float("inf")
        for _ in range(self._rounds):
            start = time.process_time()
            for _ in range(1000):
                await self._ask(path, query, accept, gzip=False)
            best = min(best, (time.process_time() - start) / 1000)
        return best

    async def whole(self, path: str, accept: str, *, gzip: bool) -> dict[str, float]:
        """Return seconds of CPU and of stall, and bytes, of a list that is long enough to be a snapshot."""
        best = dict.fromkeys(("first", "again", "kept", "stall"), float("inf"))
        length = 0
        for _ in range(self._rounds):
            for row in (*self._view.nodes(), *self._view.pods(None)):
                row.protobuf = None
            for case in ("first", "again", "kept"):
                self._clock.skipped += 0.0 if case == "kept" else 2.0
                gc.collect()
                watch = asyncio.create_task(_longest_turn())
                await asyncio.sleep(0)
                start = time.process_time()
                length = await self._ask(path, "", accept, gzip=gzip)
                best[case] = min(best[case], time.process_time() - start)
                watch.cancel()
                if case == "first":
                    best["stall"] = min(best["stall"], await watch)
        return {**best, "bytes": length}

    async def _ask(self, path: str, query: str, accept: str, *, gzip: bool) -> int:
        changed = {b"accept": accept.encode(), b"accept-encoding": b"gzip" if gzip else b"identity"}
        headers = [(name, changed.get(name, value)) for name, value in HEADERS]
        sink = Sink()
        await self._api(request_scope(path, query, headers), no_body, sink.send)
        if sink.code != 200:
            raise RuntimeError(f"{path}?{query} answered {sink.code} to {accept}")
        return sink.length


async def _longest_turn() -> float:
    """Return, when cancelled, the longest time that passed between two turns."""
    longest, last = 0.0, time.perf_counter()
    try:
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
    except asyncio.CancelledError:
        return longest


async def _run(rounds: int) -> dict[str, list[Figures]]:
    """Return the tables, by name: of short answers, and of each whole list."""
    bench = Bench(rounds)
    tables: dict[str, list[Figures]] = {"short answers": []}
    for name, accept in FORMATS.items():
        one, many = accept.format(list=""), accept.format(list="List")
        pod, hpa = await bench.small(_POD, "", one), await bench.small(*_HPA, many)
        tables["short answers"].append({"format": name, "1 pod µs": pod * 1e6, "HPA µs": hpa * 1e6})
        for gzip in (False, True):
            for objects in ("nodes", "pods"):
                measured = await bench.whole(f"{V1BETA1}/{objects}", many, gzip=gzip)
                cells = {f"{case} ms": value * 1e3 for case, value in measured.items() if case != "bytes"}
                row = {"format": name, **cells, "bytes": measured["bytes"]}
                tables.setdefault(f"all {objects}{', gzip' if gzip else ''}", []).append(row)
    return tables


def main() -> None:
    """Measure and print tables, or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--quick", action="store_true", help="one round only")
    arguments = parser.parse_args()
    tables = asyncio.run(_run(1 if arguments.quick else 5))
    print_report("formats", tables, as_json=arguments.json)


if __name__ == "__main__":
    main()
