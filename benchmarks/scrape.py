"""What a scrape costs: the server's CPU for one node and scrape, everything included, by endpoint and pods on a node.

A real ``metrics-api serve`` scrapes simulated kubelets in another process; nobody reads while CPU is measured. Then the
age of what is served is looked at. With ``--against`` another checkout is measured in turns with this one, in the same
run: on a shared machine only their ratio counts. Run ``python -m benchmarks.scrape [--quick]``.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import programs, served
from benchmarks.programs import Cluster
from benchmarks.report import print_report, quantile

_LOOKS = 5.0  # seconds of looking at ages
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
        async with programs.cluster(
            Path(directory), nodes=options.nodes, pods=variant.pods, seed=options.seed, psi=variant.psi
        ) as cluster:
            for _ in range(options.rounds):
                for tree, figures in zip(trees, rounds, strict=True):
                    figures.append(await _one_round(variant, cluster, tree, options))
    return [
        {
            "variant": variant.title,
            "tree": str(tree or "this"),
            **{key: quantile([each[key] for each in figures], 0.5) for key in figures[0]},
        }
        for tree, figures in zip(trees, rounds, strict=True)
    ]


async def _one_round(
    variant: Variant, cluster: Cluster, tree: Path | None, options: argparse.Namespace
) -> dict[str, float]:
    command = [*programs.ours(resolution=options.resolution), f"--kubelet-endpoint={variant.endpoint}"]
    name = "against" if tree else "metrics-api"
    async with (
        programs.server(cluster, command, name=name, tree=tree) as server,
        served.reader(cluster.facts, server.url) as client,
    ):
        start = await served.until_served(cluster, server, pods=False)
        await asyncio.sleep(_SETTLING)
        done = await served.scrapes(client)
        cpu = server.cpu_seconds()
        await asyncio.sleep(options.seconds)
        cpu = server.cpu_seconds() - cpu
        after = await served.scrapes(client)
        ages = await served.node_ages(client, _LOOKS)
    count = after["ok"] - done["ok"]
    if not count:
        raise RuntimeError(f"no scrape went well in {options.seconds} s: {after}")
    return {
        "CPU ms/scrape": cpu / count * 1e3,
        "scrapes": count,
        "failed": sum(after.values()) - after["ok"],
        "start s": start,
        "age p50 s": quantile(ages, 0.5),
        "age p99 s": quantile(ages, 0.99),
    }


def main() -> None:
    """Measure all variants; print a table, or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--pods", type=int, nargs="+", default=[10, 30, 110], help="on each node")
    parser.add_argument("--seconds", type=float, default=45, help="of measuring CPU, in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--resolution", type=float, default=15)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--against", type=Path, help="another checkout, measured in turns with this one")
    parser.add_argument("--quick", action="store_true", help="a small cluster, for a short time")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.nodes, options.pods, options.seconds, options.rounds, options.resolution = 100, [30], 10, 1, 10
    rows: list[dict[str, Any]] = []
    for variant in _variants(options):
        rows += asyncio.run(_measure(variant, options))
        print(f"measured: {variant.title}", file=sys.stderr, flush=True)
    print_report(
        "scrape",
        rows,
        as_json=options.json,
        nodes=options.nodes,
        resolution=options.resolution,
        rounds=options.rounds,
        seconds=options.seconds,
    )


if __name__ == "__main__":
    main()
