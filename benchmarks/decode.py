"""What decoding costs: microseconds for one document of each endpoint, and for gzip.

Run ``python -m benchmarks.decode [--pods 30]``. The documents are made here as a kubelet of 1.36 with pressure figures
(PSI) writes them: JSON indented by one space, Prometheus text with swap and pod series. Each turn decodes another
document, for a second scrape has the same names but new numbers. The best of several rounds is shown, because the
machine has other work too.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import time
from collections.abc import Callable
from typing import Any

from benchmarks.report import print_report
from metrics_api.kubelet.gzipped import gunzip
from metrics_api.kubelet.resource import ResourceDecoder
from metrics_api.kubelet.summary import decode_summary
from metrics_api.model import NodeInfo
from metrics_api.timetext import format_rfc3339

_NOW = 1_788_264_000.0
_NODE = NodeInfo("node-17.example.internal", "0b1f4c1e-0000-4000-8000-000000000017", {}, max_pods=110)
_TURNS = 40
_Containers = list[tuple[str, str, str, str]]


def make_containers(pods: int, rng: random.Random) -> _Containers:
    """Return (namespace, pod, uid, container): two of three pods have a sidecar."""
    found = []
    for number in range(pods):
        namespace = rng.choice(("default", "kube-system", "team-payments", "shop", "observability"))
        pod = f"workload-{number:02d}-{rng.getrandbits(36):09x}-{rng.getrandbits(20):05x}"
        uid = f"{rng.getrandbits(32):08x}-6f55-4a3e-9d7c-{rng.getrandbits(48):012x}"
        found.append((namespace, pod, uid, "app"))
        if number % 3:
            found.append((namespace, pod, uid, "istio-proxy"))
    return found


def make_summary(containers: _Containers, rng: random.Random) -> bytes:
    """Return the document for ``only_cpu_and_memory=true``."""
    pods: dict[str, dict[str, Any]] = {}
    for namespace, name, uid, container in containers:
        pod = pods.setdefault(
            uid,
            {
                "podRef": {"name": name, "namespace": namespace, "uid": uid},
                "startTime": format_rfc3339(_NOW - 86_400 - len(pods)),
                "containers": [],
            },
        )
        start = {"name": container, "startTime": format_rfc3339(_NOW - 86_390 - rng.randrange(10_000))}
        pod["containers"].append({**start, **_readings(rng)})
    for pod in pods.values():
        pod.update(_readings(rng))
    system = [
        {"name": name, "startTime": format_rfc3339(_NOW - 90_000), **_readings(rng)} for name in ("kubelet", "pods")
    ]
    node = {"nodeName": _NODE.name, "systemContainers": system, "startTime": format_rfc3339(_NOW - 90_000)}
    return json.dumps({"node": {**node, **_readings(rng)}, "pods": list(pods.values())}, indent=1).encode()


def _readings(rng: random.Random) -> dict[str, Any]:
    when = format_rfc3339(_NOW - rng.randrange(20))
    stall = {"total": rng.randrange(10**9), "avg10": 0.12, "avg60": 0.05, "avg300": 0}
    psi = {"full": stall, "some": stall}
    size = rng.randrange(10**7, 10**9)
    return {
        "cpu": {
            "time": when,
            "usageNanoCores": rng.randrange(10**6, 10**9),
            "usageCoreNanoSeconds": rng.randrange(10**11, 10**14),
            "psi": psi,
        },
        "memory": {
            "time": when,
            "usageBytes": size + 4096,
            "workingSetBytes": size,
            "rssBytes": size // 2,
            "pageFaults": rng.randrange(10**6),
            "majorPageFaults": 0,
            "psi": psi,
        },
        "swap": {"time": when, "swapUsageBytes": 0},
    }


def make_resource(containers: _Containers, rng: random.Random) -> bytes:
    """Return the Prometheus text."""
    labelled = sorted(f'{{container="{c}",namespace="{namespace}",pod="{pod}"}}' for namespace, pod, _, c in containers)
    pods = sorted({f'{{namespace="{namespace}",pod="{pod}"}}' for namespace, pod, _, _ in containers})
    lines: list[str] = []

    def family(name: str, labels: list[str], value: Callable[[], str], *, stamped: bool = True) -> None:
        lines.append(f"# HELP {name} [STABLE] What a series of this name says, in a sentence of usual length")
        lines.append(f"# TYPE {name} gauge")
        for label in labels:
            stamp = f" {int(_NOW * 1000) - rng.randrange(20_000)}" if stamped else ""
            lines.append(f"{name}{label} {value()}{stamp}")

    def cpu() -> str:
        return repr(rng.randrange(10**11, 10**14) / 1e9)

    def size() -> str:
        return f"{rng.randrange(10**7, 10**9):e}"

    family("container_cpu_usage_seconds_total", labelled, cpu)
    family("container_memory_working_set_bytes", labelled, size)
    family("container_start_time_seconds", labelled, lambda: "1.788177601588e+09", stamped=False)
    family("container_swap_limit_bytes", labelled, lambda: "0")
    family("container_swap_usage_bytes", labelled, lambda: "0")
    family("node_cpu_usage_seconds_total", [""], cpu)
    family("node_memory_working_set_bytes", [""], size)
    family("node_swap_usage_bytes", [""], lambda: "0")
    family("pod_cpu_usage_seconds_total", pods, cpu)
    family("pod_memory_working_set_bytes", pods, size)
    family("pod_swap_usage_bytes", pods, lambda: "0")
    family("resource_scrape_error", [""], lambda: "0", stamped=False)
    return "\n".join([*lines, ""]).encode()


def measure(run: Callable[[bytes], object], documents: list[bytes], rounds: int) -> float:
    """Return microseconds for one document, in the best round."""
    best = float("inf")
    for _ in range(rounds):
        begun = time.perf_counter()
        for document in documents:
            run(document)
        best = min(best, time.perf_counter() - begun)
    return best / len(documents) * 1e6


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pods", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rng = random.Random(1)
    containers = make_containers(arguments.pods, rng)
    summaries = [make_summary(containers, rng) for _ in range(_TURNS)]
    texts = [make_resource(containers, rng) for _ in range(_TURNS)]
    packed = [gzip.compress(text, 6) for text in texts]
    decoder = ResourceDecoder()

    def summary(body: bytes) -> object:
        return decode_summary(body, _NODE, requested=_NOW, received=_NOW)

    def resource(body: bytes) -> object:
        return decoder.decode(body, _NODE, requested=_NOW, received=_NOW)

    decoders: dict[str, tuple[Callable[[bytes], object], list[bytes]]] = {
        "summary": (summary, summaries),
        "resource": (resource, texts),
        "gunzip of resource": (lambda body: gunzip(body, 1 << 24), packed),
    }
    rows = [
        {"document": name, "bytes": len(documents[0]), "µs": measure(run, documents, arguments.rounds)}
        for name, (run, documents) in decoders.items()
    ]
    print_report("decode", rows, as_json=arguments.json, pods=arguments.pods, containers=len(containers))


if __name__ == "__main__":
    main()
