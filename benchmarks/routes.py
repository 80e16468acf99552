"""What one request costs in the application alone: no socket, no TLS, no store.

``python -m benchmarks.routes [--json]``. The view is made once from a seed; each route is called for about a second of
CPU, in five rounds of which the fastest counts, for the machine is shared. Requests are as the HPA controller's: they
ask for protobuf and for gzip. Whole lists are snapshots, made once a second; ``benchmarks.formats`` has what making one
costs, and the other formats.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections.abc import Mapping, Sequence
from zlib import crc32

from starlette.types import Message, Scope

from benchmarks.report import print_report
from metrics_api.api.app import MetricsAPI, build_api
from metrics_api.api.probes import PING, Probes
from metrics_api.model import ContainerUsage, Row, Usage
from metrics_api.quantity import format_cpu, format_memory
from metrics_api.timetext import format_duration, format_rfc3339

_ROUNDS = 5
_ROUND_SECONDS = 0.2
_NODES = 1000
_PODS_PER_NAMESPACE = 300
_PODS_PER_APP = 15
_NAMESPACES = 100
V1BETA1 = "/apis/metrics.k8s.io/v1beta1"
HEADERS = [
    (b"host", b"10.0.0.1:443"),
    (b"user-agent", b"kube-controller-manager/v1.36.0 (linux/amd64) kubernetes/0 /horizontal-pod-autoscaler"),
    (b"accept", b"application/vnd.kubernetes.protobuf, */*"),
    (b"accept-encoding", b"gzip"),
    (b"audit-id", b"6f1f9f4e-95b5-4d0b-8a8c-0d3c1f6f7f10"),
    (b"x-forwarded-for", b"10.0.0.2"),
    (b"x-forwarded-host", b"10.0.0.1:443"),
    (b"x-forwarded-proto", b"https"),
    (b"x-remote-group", b"system:serviceaccounts"),
    (b"x-remote-group", b"system:serviceaccounts:kube-system"),
    (b"x-remote-group", b"system:authenticated"),
    (b"x-remote-user", b"system:serviceaccount:kube-system:horizontal-pod-autoscaler"),
]


class FixedView:
    """A cluster that never changes: 1,000 nodes, 30,000 pods in 100 namespaces, 15 pods to a workload."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        self._nodes = {f"node-{i:04}": _node(f"node-{i:04}", chance) for i in range(_NODES)}
        self._pods: dict[str, dict[str, Row]] = {}
        for number in range(_NAMESPACES):
            namespace = f"namespace-{number:03}"
            rows = [_pod(namespace, index, chance) for index in range(_PODS_PER_NAMESPACE)]
            self._pods[namespace] = {row.name: row for row in rows}
        self._namespaces = {namespace: tuple(rows.values()) for namespace, rows in self._pods.items()}
        self._all_nodes = tuple(self._nodes.values())
        self._all_pods = tuple(row for rows in self._pods.values() for row in rows.values())

    def node(self, name: str) -> Row | None:
        """Return a node's row."""
        return self._nodes.get(name)

    def knows_node(self, name: str) -> bool:
        """Tell whether there is the node."""
        return name in self._nodes

    def nodes(self) -> Sequence[Row]:
        """Return all nodes."""
        return self._all_nodes

    def pod(self, namespace: str, name: str) -> Row | None:
        """Return a pod's row."""
        return self._pods[namespace].get(name)

    def knows_pod(self, namespace: str, name: str) -> bool:
        """Tell whether there is the pod."""
        return name in self._pods[namespace]

    def pods(self, namespace: str | None) -> Sequence[Row]:
        """Return the pods of a namespace, or all."""
        return self._all_pods if namespace is None else self._namespaces[namespace]


_TIMESTAMP, _CREATED, _WINDOW = 1_767_225_620.0, 1_767_225_630.0, 15.034


def _row(namespace: str, name: str, labels: dict[str, str], chance: random.Random) -> Row:
    one = ContainerUsage(
        "app" if namespace else "", chance.randrange(10**6, 10**9), chance.randrange(10**4, 10**6) << 10
    )
    metadata: dict[str, object] = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    metadata |= {"creationTimestamp": format_rfc3339(_CREATED), "labels": labels}
    quantities = {"cpu": format_cpu(one.cpu), "memory": format_memory(one.memory)}
    document = {
        "metadata": metadata,
        "timestamp": format_rfc3339(_TIMESTAMP),
        "window": format_duration(_WINDOW),
        **({"containers": [{"name": one.name, "usage": quantities}]} if namespace else {"usage": quantities}),
    }
    item = json.dumps(document, separators=(",", ":")).encode()
    return Row(namespace, name, labels, Usage(_TIMESTAMP, _WINDOW, (one,)), _CREATED, item)


def _node(name: str, chance: random.Random) -> Row:
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "topology.kubernetes.io/zone": "a"}
    return _row("", name, labels, chance)


def _pod(namespace: str, index: int, chance: random.Random) -> Row:
    app = f"app-{index // _PODS_PER_APP:02}"
    labels = {"app": app, "pod-template-hash": f"{crc32(f'{namespace}/{app}'.encode()):09x}"}
    return _row(namespace, f"{app}-{index:03}", labels, chance)


class Sink:
    """Takes a response and remembers its status and length."""

    def __init__(self) -> None:
        self.code = 0
        self.length = 0

    async def send(self, message: Message) -> None:
        """Take a part of the response."""
        if message["type"] == "http.response.start":
            self.code = message["status"]
        else:
            self.length += len(message.get("body", b""))


async def no_body() -> Message:
    """Stand for a request without a body."""
    raise RuntimeError("no request body is to be read")


def request_scope(path: str, query: str, headers: Sequence[tuple[bytes, bytes]] = HEADERS) -> Scope:
    """Return the scope of a GET."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": list(headers),
        "client": ("10.0.0.2", 40000),
        "server": ("10.0.0.1", 443),
        "state": {},
    }


ROUTES: Mapping[str, tuple[str, str]] = {
    "one pod": (f"{V1BETA1}/namespaces/namespace-042/pods/app-07-110", ""),
    "HPA: selector, 15 of 300 pods": (f"{V1BETA1}/namespaces/namespace-042/pods", "labelSelector=app%3Dapp-07"),
    "all nodes (1,000)": (f"{V1BETA1}/nodes", ""),
    "all pods (30,000)": (f"{V1BETA1}/pods", ""),
    "selector over all pods, 1,500 of 30,000": (f"{V1BETA1}/pods", "labelSelector=app%3Dapp-07"),
    "discovery of a version": (V1BETA1, ""),
    "/livez": ("/livez", ""),
}


async def _measure(api: MetricsAPI, path: str, query: str) -> tuple[float, int]:
    """Return the seconds of CPU that one request takes, and the bytes of its body."""
    scope = request_scope(path, query)
    best = float("inf")
    length = 0
    for _ in range(_ROUNDS):
        calls = 0
        start = time.process_time()
        while (spent := time.process_time() - start) < _ROUND_SECONDS:
            sink = Sink()
            await api(dict(scope), no_body, sink.send)
            calls += 1
            length = sink.length
            if sink.code != 200:
                raise RuntimeError(f"{path}?{query} answered {sink.code}")
        best = min(best, spent / calls)
    return best, length


async def _run() -> list[dict[str, object]]:
    api = build_api(FixedView(seed=1), Probes((PING,), (PING,), (PING,)), version="0.0.0")
    results: list[dict[str, object]] = []
    for name, (path, query) in ROUTES.items():
        seconds, length = await _measure(api, path, query)
        results.append({"route": name, "CPU µs": seconds * 1e6, "bytes": length})
    return results


def main() -> None:
    """Measure and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    results = asyncio.run(_run())
    print_report("routes", results, as_json=arguments.json)


if __name__ == "__main__":
    main()
