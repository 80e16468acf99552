"""The stand-in cluster as a process of its own, whose kubelets fall ill and recover when told.

Says how it can be reached on standard output, as one line of JSON; then reads commands: ``ill`` and ``well``, each
answered with a line; ``failed`` is answered with the nodes that have sent a 500 since it was last asked. Ends with its
standard input.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from random import Random

from metrics_api.clock import SystemClock
from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.fleet.behaviour import Behaviour, Hang
from metrics_api.localcluster.fleet.hostile import Drip, Flaky, Flood
from metrics_api.localcluster.fleet.kubelet import Counts
from metrics_api.localcluster.kubeconfig import write_kubeconfig
from metrics_api.localcluster.users import User

HUNG = 3
FAILING_SHARE = 0.05


def illnesses(names: list[str], seed: int) -> dict[str, Behaviour]:
    """Return the behaviours of nodes that never answer well: three hang, one drips, one floods."""
    chosen = Random(seed).sample(names, HUNG + 2)
    ill: dict[str, Behaviour] = {name: Hang() for name in chosen[:HUNG]}
    return {**ill, chosen[HUNG]: Drip(SystemClock()), chosen[HUNG + 1]: Flood()}


class Failures:
    """Which nodes have answered with an error since this was last asked."""

    def __init__(self) -> None:
        self._before: dict[str, int] = {}

    def news(self, counts: Mapping[str, Counts]) -> list[str]:
        """Return their names."""
        now = {name: _errors(each) for name, each in counts.items()}
        found = [name for name, errors in now.items() if errors > self._before.get(name, 0)]
        self._before = now
        return found


def _errors(counts: Counts) -> int:
    return sum(count for (_, status), count in counts.answered.items() if status >= 500)


async def _serve(options: argparse.Namespace) -> None:
    async with LocalCluster(
        nodes=options.nodes,
        pods_per_node=options.pods,
        seed=options.seed,
        sampling="on_demand",
        psi=options.psi,
        shared_certificates=True,
    ) as cluster:
        names = cluster.fleet.node_names
        ill, rng, failures = illnesses(names, options.seed), Random(options.seed), Failures()
        kubeconfig = write_kubeconfig(Path(options.directory) / "kubeconfig", cluster.server_kubeconfig())
        _say(
            kubeconfig=str(kubeconfig),
            token=cluster.api.tokens.issue(User("benchmark", groups=("system:masters",))),
            ill=sorted(ill),
            nodes={name: [] for name in names},
            pods=[
                [pod["metadata"]["namespace"], pod["metadata"]["name"], pod["spec"]["nodeName"]]
                for pod in cluster.fleet.pod_objects()
            ],
        )
        while command := (await asyncio.to_thread(sys.stdin.readline)).strip():
            if command == "failed":
                _say(failed=failures.news(cluster.fleet.counts))
                continue
            for name in names:
                behaviour = ill.get(name) or Flaky(FAILING_SHARE, rng)
                cluster.fleet.behave(name, behaviour if command == "ill" else None)
            _say(done=command)


def _say(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def main() -> None:
    """Serve until standard input ends."""
    import uvloop

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, required=True)
    parser.add_argument("--pods", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--directory", required=True)
    parser.add_argument("--psi", action=argparse.BooleanOptionalAction, default=True, help="pressure in summaries")
    uvloop.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
