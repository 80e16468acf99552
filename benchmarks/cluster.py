"""The stand-in cluster as a process of its own, for benchmarks that measure a server beside it.

Says how it can be reached, and what there is to ask for, on standard output, as one line of JSON. Then reads commands,
each answered with a line of JSON, and ends with its input:

- ``register PORT`` hands the API group to the server on that port.
- ``ill`` and ``well`` have the kubelets fall ill (``benchmarks.illness``) and recover.
- ``failed`` is answered with the nodes that have sent an error since it was last asked.
- ``inventory`` is answered with all nodes, all pods with their nodes, and the nodes that do not answer well when ill.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.illness import Illness
from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.kubeconfig import write_kubeconfig
from metrics_api.localcluster.users import User

_WORKLOAD = 15
"""Pods that an HPA is to ask for, as near as the fleet has it."""


def workload(pods: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return a workload of about 15 pods in one of the largest namespaces: where, its selector, how many it has."""
    namespaces: Counter[str] = Counter()
    workloads: Counter[tuple[str, str]] = Counter()
    for pod in pods:
        metadata = pod["metadata"]
        namespaces[metadata["namespace"]] += 1
        if app := metadata.get("labels", {}).get("app"):
            workloads[metadata["namespace"], app] += 1
    most = max(namespaces[namespace] for namespace, _ in workloads)
    large = [each for each in workloads if namespaces[each[0]] >= 0.9 * most]
    namespace, app = min(large, key=lambda each: (abs(workloads[each] - _WORKLOAD), each))
    return {
        "namespace": namespace,
        "namespace_pods": namespaces[namespace],
        "selector": f"app={app}",
        "selected": workloads[namespace, app],
    }


async def _serve(options: argparse.Namespace) -> None:
    began = time.monotonic()
    async with LocalCluster(
        nodes=options.nodes,
        pods_per_node=options.pods,
        seed=options.seed,
        sampling=options.sampling,
        psi=options.psi,
        certificates="shared",
    ) as cluster:
        started = time.monotonic() - began
        kubeconfig = write_kubeconfig(Path(options.directory) / "kubeconfig", cluster.server_kubeconfig())
        found = workload(cluster.fleet.pod_objects())
        pod = next(each for each in cluster.fleet.pod_objects() if each["metadata"]["namespace"] == found["namespace"])
        _say(
            kubeconfig=str(kubeconfig),
            api_server=cluster.api.url,
            token=cluster.api.tokens.issue(User("benchmark", groups=("system:masters",))),
            nodes=len(cluster.fleet.node_names),
            pods=sum(1 for _ in cluster.fleet.pod_objects()),
            node=cluster.fleet.node_names[0],
            pod=pod["metadata"]["name"],
            started=started,
            **found,
        )
        illness = Illness(cluster.fleet, options.seed)
        while command := (await asyncio.to_thread(sys.stdin.readline)).split():
            _say(**await _obey(command, cluster, illness))


async def _obey(command: Sequence[str], cluster: LocalCluster, illness: Illness) -> dict[str, object]:
    match command:
        case ["register", port]:
            cluster.register_extension(int(port), verified=False, versions=["v1beta1"])
            await cluster.aggregator.idle()
        case ["ill"]:
            illness.spread()
        case ["well"]:
            illness.end()
        case ["failed"]:
            return {"failed": illness.failed_lately()}
        case ["inventory"]:
            pods = ((pod["metadata"], pod["spec"]["nodeName"]) for pod in cluster.fleet.pod_objects())
            return {
                "nodes": list(cluster.fleet.node_names),
                "incurable": list(illness.incurable()),
                "pods": [(metadata["namespace"], metadata["name"], node) for metadata, node in pods],
            }
        case _:
            raise ValueError(f"{' '.join(command)!r} is no command")
    return {"done": command[0]}


def _say(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def main() -> None:
    """Serve until standard input ends."""
    import uvloop

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nodes", type=int, required=True)
    parser.add_argument("--pods", type=int, required=True, help="on each node")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sampling", choices=("kubelet", "on_demand"), default="on_demand")
    parser.add_argument("--psi", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--directory", required=True, help="where the kubeconfig is written")
    uvloop.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
