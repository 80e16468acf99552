"""The kubelets' documents that tests read, and short ways to decode them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from metrics_api.kubelet.resource import ResourceDecoder
from metrics_api.kubelet.summary import decode_summary
from metrics_api.model import NodeInfo, NodeSamples, Sample
from metrics_api.timetext import parse_rfc3339

DATA = Path(__file__).parent.parent / "data" / "kubelet"
NOW = parse_rfc3339("2026-09-01T12:00:00Z")
"""The moment the hand-made documents speak of."""


def read(name: str) -> bytes:
    return (DATA / name).read_bytes()


def node(name: str = "node-a", **fields: Any) -> NodeInfo:
    return NodeInfo(name, f"uid-{name}", {}, **fields)


def summary_of(body: bytes, name: str = "node-a", **fields: Any) -> NodeSamples:
    return decode_summary(body, node(name, **fields), requested=NOW - 0.1, received=NOW)


def resource_of(body: bytes, *, now: float = NOW, **fields: Any) -> NodeSamples:
    return ResourceDecoder().decode(body, node(**fields), requested=now - 0.1, received=now)


def containers_of(samples: NodeSamples) -> dict[str, Sample]:
    """Return ``namespace/pod/container`` -> sample; each is there once in the documents this is used for."""
    return {
        f"{pod.namespace}/{pod.name}/{name}": sample for pod in samples.pods for name, sample in pod.containers.items()
    }


def container(name: str = "app", **fields: object) -> dict[str, object]:
    """Return a container as the Summary document has it; a field is replaced when given, left out when ``...``."""
    stats: dict[str, object] = {
        "name": name,
        "startTime": "2026-09-01T11:00:00Z",
        "cpu": {"time": "2026-09-01T11:59:50Z", "usageNanoCores": 250, "usageCoreNanoSeconds": 9_000},
        "memory": {"time": "2026-09-01T11:59:51Z", "workingSetBytes": 4096},
        **fields,
    }
    return {key: value for key, value in stats.items() if value is not ...}


def pod(
    name: str = "web-0", uid: str = "uid-1", namespace: str = "shop", containers: object = ...
) -> dict[str, object]:
    listed = [container()] if containers is ... else containers
    return {"podRef": {"name": name, "namespace": namespace, "uid": uid}, "containers": listed}


def summary(*pods: object, **node_fields: object) -> bytes:
    return msgspec.json.encode({"node": {"nodeName": "node-a", **node_fields}, "pods": list(pods)})
