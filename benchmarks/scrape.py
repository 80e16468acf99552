"""What a scrape costs: the server's CPU for one node and scrape, everything included, by endpoint and pods on a node.

A real ``metrics-api serve`` scrapes simulated kubelets in another process; nobody reads while CPU is measured. Then the
age of what is served is looked at. With ``--against`` another checkout is measured in turns with this one, in the same
run: on a shared machine only their ratio counts. Run ``python -m benchmarks.scrape [--quick]``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from benchmarks.processes import (
    Cluster,
    circumstances,
    cpu_seconds,
    items,
    quantile,
    raise_file_limit,
    running_cluster,
    running_server,
    scrapes,
    until_served,
)
from metrics_api.timetext import parse_rfc3339

_LOOKS = 5
_SETTLING = 5.0


class Variant(NamedTuple):
    """What kubelets are asked for, and how much they have to say."""

    endpoint: str
    psi: bool
    pods: int

    @property
    def title(self) -> str:
        """How it is called in the table."""
        return f"{self.endpoint}{' with pressure' if self.psi else ''}, {self.pods} pods"


def _variants(options: argparse.Namespace) -> Iterator[Variant]:
    for pods in options.pods:
        yield Variant("summary", psi=False, pods=pods)
        yield Variant("summary", psi=True, pods=pods)
        yield Variant("resource", psi=False, pods=pods)


async def _measure(variant: Variant, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the figures of each checkout, which are measured in turns on one cluster."""
    trees: list[Path | None] = [None, options.against] if options.against else [None]
    rounds: list[list[dict[str, float]]] = [[] for _ in trees]
    with tempfile.TemporaryDirectory(prefix="metrics-api-scrape-") as directory:
        async with running_cluster(
            directory, nodes=options.nodes, pods=variant.pods, seed=options.seed, psi=variant.psi
        ) as cluster:
            for _ in range(options.rounds):
                for tree, figures in zip(trees, rounds, strict=True):
                    figures.append(await _one_round(variant, cluster, directory, tree, options))
    return [
        {
            "variant": variant.title,
            "tree": str(tree or "this"),
            **{key: round(quantile([each[key] for each in figures], 0.5), 3) for key in figures[0]},
        }
        for tree, figures in zip(trees, rounds, strict=True)
    ]


async def _one_round(
    variant: Variant, cluster: Cluster, directory: str, tree: Path | None, options: argparse.Namespace
) -> dict[str, float]:
    flags = [f"--kubelet-endpoint={variant.endpoint}"]
    began = time.monotonic()
    async with running_server(cluster, directory, options.resolution, flags, tree) as server:
        await until_served(server.client, options.nodes)
        start = time.monotonic() - began
        await asyncio.sleep(_SETTLING)
        done = await scrapes(server.client)
        cpu = cpu_seconds(server.pid)
        await asyncio.sleep(options.seconds)
        cpu = cpu_seconds(server.pid) - cpu
        after = await scrapes(server.client)
        ages = [age for _ in range(_LOOKS) for age in await _ages(server.client)]
    count = after["ok"] - done["ok"]
    if not count:
        raise RuntimeError(f"no scrape went well in {options.seconds} s: {after}")
    return {
        "cpu_ms_per_scrape": cpu / count * 1e3,
        "scrapes": count,
        "failed": sum(after.values()) - after["ok"],
        "start_s": start,
        "age_p50_s": quantile(ages, 0.5),
        "age_p99_s": quantile(ages, 0.99),
    }


async def _ages(client: httpx.AsyncClient) -> list[float]:
    await asyncio.sleep(1)
    rows, now = await items(client, "nodes"), time.time()
    return [now - parse_rfc3339(row["timestamp"]) for row in rows]


def _table(results: list[dict[str, Any]]) -> str:
    keys = [key for key in results[0] if key not in ("variant", "tree")]
    lines = [f"{'':34}" + "".join(f"{key:>19}" for key in keys)]
    for each in results:
        name = each["variant"] if each["tree"] == "this" else "  against it"
        lines.append(f"{name:34}" + "".join(f"{each[key]:>19}" for key in keys))
    return "\n".join(lines)


def main() -> None:
    """Measure all variants; print JSON, then a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--pods", type=int, nargs="+", default=[10, 30, 110], help="on each node")
    parser.add_argument("--seconds", type=float, default=45, help="of measuring CPU, in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--resolution", type=float, default=15)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--against", type=Path, help="another checkout, measured in turns with this one")
    parser.add_argument("--quick", action="store_true", help="a small cluster, for a short time")
    options = parser.parse_args()
    if options.quick:
        options.nodes, options.pods, options.seconds, options.rounds, options.resolution = 100, [30], 10, 1, 10
    raise_file_limit()
    results: list[dict[str, Any]] = []
    for variant in _variants(options):
        results += asyncio.run(_measure(variant, options))
        print(f"measured: {variant.title}", file=sys.stderr, flush=True)
    print(json.dumps({**circumstances(), "nodes": options.nodes, "resolution": options.resolution, "runs": results}))
    print(f"\n{options.nodes} nodes at {options.resolution:g} s, {options.rounds} rounds of {options.seconds:g} s")
    print(_table(results))


if __name__ == "__main__":
    main()
