"""What watching whole pods costs against watching their metadata only: memory, CPU, bytes on the wire, pauses.

Each variant runs in a fresh process. It takes pages from a pipe, so that making them up costs it nothing, decodes
them as the reflector does, and keeps every ``PodInfo`` in a dict by its key. CPU is the process's own, without the
reading. Run ``python -m benchmarks.watch --pods 150000``.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from benchmarks.pod_documents import pages
from benchmarks.report import by_figure, print_report
from metrics_api.kube.decode import Decoder, pod_decoder
from metrics_api.model import PodInfo, PodKey

_VARIANTS = ("whole", "metadata")
_PAGE_LIMIT = 500  # as the reflector
_SLICE = 100  # as the reflector: pods between two turns of the event loop
_LENGTH_BYTES = 8


class _Collections:
    """Times the garbage collector, whose pauses are part of the longest block."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._began = 0.0
        gc.callbacks.append(self._called)

    def _called(self, phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.process_time()
        else:
            self.longest = max(self.longest, time.process_time() - self._began)


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _generate(count: int, *, whole: bool, seed: int) -> None:
    for page in pages(count, _PAGE_LIMIT, whole=whole, seed=seed):
        sys.stdout.buffer.write(len(page).to_bytes(_LENGTH_BYTES, "big") + page)
    sys.stdout.buffer.flush()


def _read_page(pipe: IO[bytes]) -> bytes:
    return pipe.read(int.from_bytes(pipe.read(_LENGTH_BYTES), "big"))


def _measure(count: int, variant: str, seed: int) -> dict[str, Any]:
    decoder = pod_decoder()
    for page in pages(20, 20, whole=variant == "whole", seed=seed + 1):
        list(decoder.page(page).items)  # so that what a process has once is not counted for the pods
    known: dict[PodKey, PodInfo] = {}
    wire, cpu, longest, peak = 0, 0.0, 0.0, 0
    command = [
        sys.executable,
        "-m",
        "benchmarks.watch",
        "--generate",
        variant,
        "--pods",
        str(count),
        "--seed",
        str(seed),
    ]
    gc.collect()
    collections = _Collections()
    before = _resident_bytes()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as generator:
        assert generator.stdout is not None  # noqa: S101 - it is PIPE
        while body := _read_page(generator.stdout):
            wire += len(body)
            for block in _blocks(decoder, body, known):
                cpu += block
                longest = max(longest, block)
            peak = max(peak, _resident_bytes() - before)
    del body
    longest_collection = collections.longest
    gc.collect()
    kept = _resident_bytes() - before
    return {
        "variant": variant,
        "pods": len(known),
        "wire_bytes_per_pod": wire / count,
        "resident_bytes_per_pod": kept / count,
        "resident_total_bytes": kept,
        "resident_peak_bytes": peak,
        "cpu_seconds": cpu,
        "cpu_microseconds_per_pod": cpu / count * 1e6,
        "longest_block_ms": longest * 1e3,
        "longest_collection_ms": longest_collection * 1e3,
    }


def _blocks(decoder: Decoder[PodInfo], body: bytes, known: dict[PodKey, PodInfo]) -> Iterator[float]:
    """Yield the CPU seconds of each stretch in which the event loop would wait."""
    began = time.process_time()
    items = decoder.page(body).items
    yield time.process_time() - began
    while True:
        began = time.process_time()
        slice_of_items = list(itertools.islice(items, _SLICE))
        for item in slice_of_items:
            known[item.key] = item
        yield time.process_time() - began
        if not slice_of_items:
            return


def main() -> None:
    """Run each variant in a process of its own; print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--variant", choices=_VARIANTS, help="measure this one in this process")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--generate", choices=_VARIANTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.generate:
        _generate(options.pods, whole=options.generate == "whole", seed=options.seed)
    elif options.variant:
        print(json.dumps(_measure(options.pods, options.variant, options.seed)))
    else:
        command = [sys.executable, "-m", "benchmarks.watch", "--pods", str(options.pods), "--seed", str(options.seed)]
        outputs = [
            subprocess.run([*command, "--variant", variant], check=True, capture_output=True, text=True).stdout
            for variant in _VARIANTS
        ]
        results = (json.loads(output) for output in outputs)
        columns = {result.pop("variant"): result for result in results}
        print_report("watch", by_figure(columns), as_json=options.json)


if __name__ == "__main__":
    main()
