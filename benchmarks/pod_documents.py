"""Made-up pods as kube-apiserver writes them, whole or their metadata only; seeded, so every run sees the same."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import orjson

Document = dict[str, Any]

_PODS_PER_REPLICA_SET = 12
_PODS_PER_NODE = 30
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_WORDS = ("checkout", "catalog", "search", "payment", "identity", "ledger", "mailer", "gateway", "session", "report")
_CONTAINERS_WEIGHTS = (6, 3, 1)  # of pods with one, two and three containers
_CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
_SECRETS = "/var/run/secrets/kubernetes.io/serviceaccount"


def pages(count: int, limit: int, *, whole: bool, seed: int = 1) -> Iterator[bytes]:
    """Yield the bodies of a paginated list of ``count`` pods, ``limit`` in each."""
    rng = random.Random(seed)
    kind = "PodList" if whole else "PartialObjectMetadataList"
    for start in range(0, count, limit):
        end = min(start + limit, count)
        metadata = {"resourceVersion": "10000001", "continue": f"from-{end}" if end < count else ""}
        items = [_pod(rng, number, whole=whole) for number in range(start, end)]
        yield orjson.dumps({"kind": kind, "apiVersion": "v1", "metadata": metadata, "items": items})


def _pod(rng: random.Random, number: int, *, whole: bool) -> Document:
    shared = random.Random(number // _PODS_PER_REPLICA_SET)
    word = shared.choice(_WORDS)
    names = [word, "istio-proxy", "log-shipper"][: shared.choices((1, 2, 3), _CONTAINERS_WEIGHTS)[0]]
    time = f"2026-11-{rng.randrange(1, 20):02d}T{rng.randrange(24):02d}:{rng.randrange(60):02d}:17Z"
    metadata = _metadata(rng, shared, number, word, names, time)
    if not whole:
        return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
    return {"metadata": metadata, "spec": _spec(names, number), "status": _status(names, number, time)}


def _metadata(
    rng: random.Random, shared: random.Random, number: int, word: str, names: list[str], time: str
) -> Document:
    app, team = f"{word}-{shared.randrange(1000)}", f"team-{shared.randrange(200):03d}"
    template = "".join(shared.choices(_LETTERS, k=10))
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{app}-{template}", "uid": _uid(shared)}
    return {
        "name": f"{app}-{template}-{''.join(rng.choices(_LETTERS, k=5))}",
        "generateName": f"{app}-{template}-",
        "namespace": team,
        "uid": _uid(rng),
        "resourceVersion": str(10_000_000 + number),
        "generation": 1,
        "creationTimestamp": time,
        "labels": {
            "app": app,
            "app.kubernetes.io/name": word,
            "app.kubernetes.io/part-of": "shop",
            "pod-template-hash": template,
            "team": team,
        },
        "annotations": {"prometheus.io/scrape": "true", "checksum/config": f"{shared.getrandbits(256):064x}"},
        "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
        "managedFields": _managed_fields(names, time),
    }


def _uid(rng: random.Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _fields(*names: str, **nested: Document) -> Document:
    return {**{f"f:{name}": {} for name in names}, **{f"f:{name}": value for name, value in nested.items()}}


def _managed_fields(names: list[str], time: str) -> list[Document]:
    port = {'k:{"containerPort":8080,"protocol":"TCP"}': {".": {}, **_fields("containerPort", "protocol")}}
    resources = _fields(limits=_fields("memory"), requests=_fields("cpu", "memory"))
    container = {
        ".": {},
        **_fields("image", "imagePullPolicy", "name", "terminationMessagePath", ports=port, resources=resources),
    }
    spec = _fields(
        "dnsPolicy", "enableServiceLinks", "restartPolicy", "schedulerName", "securityContext", "serviceAccount",
        containers={f'k:{{"name":"{name}"}}': container for name in names},
    )  # fmt: skip
    metadata = _fields("generateName", "ownerReferences", labels=_fields("app", "pod-template-hash", "team"))
    condition = {".": {}, **_fields("lastProbeTime", "lastTransitionTime", "status", "type")}
    status = _fields(
        "containerStatuses", "hostIP", "hostIPs", "phase", "podIP", "startTime",
        conditions={f'k:{{"type":"{kind}"}}': condition for kind in _CONDITIONS[:4]},
    )  # fmt: skip
    entry = {"operation": "Update", "apiVersion": "v1", "time": time, "fieldsType": "FieldsV1"}
    return [
        {"manager": "kube-controller-manager", **entry, "fieldsV1": _fields(metadata=metadata, spec=spec)},
        {"manager": "kubelet", **entry, "fieldsV1": _fields(status=status), "subresource": "status"},
    ]


def _spec(names: list[str], number: int) -> Document:
    node = number // _PODS_PER_NODE
    token = {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}
    toleration = {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    return {
        "volumes": [{"name": "kube-api-access-x7k2p", "projected": {"sources": [token], "defaultMode": 420}}],
        "containers": [_container(name) for name in names],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "serviceAccountName": "default",
        "nodeName": f"ip-10-{node // 250}-{node % 250}-7.eu-central-1.compute.internal",
        "securityContext": {},
        "schedulerName": "default-scheduler",
        "tolerations": [{"key": f"node.kubernetes.io/{key}", **toleration} for key in ("not-ready", "unreachable")],
        "priority": 0,
        "enableServiceLinks": True,
        "preemptionPolicy": "PreemptLowerPriority",
    }


def _container(name: str) -> Document:
    return {
        "name": name,
        "image": f"registry.example.com/shop/{name}:v1.24.3",
        "ports": [{"containerPort": 8080, "protocol": "TCP"}],
        "env": [{"name": "LOG_LEVEL", "value": "info"}],
        "resources": {"limits": {"memory": "256Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
        "volumeMounts": [{"name": "kube-api-access-x7k2p", "readOnly": True, "mountPath": _SECRETS}],
        "terminationMessagePath": "/dev/termination-log",
        "imagePullPolicy": "IfNotPresent",
    }


def _status(names: list[str], number: int, time: str) -> Document:
    condition = {"status": "True", "lastProbeTime": None, "lastTransitionTime": time}
    container = {
        "state": {"running": {"startedAt": time}},
        "lastState": {},
        "ready": True,
        "restartCount": 0,
        "imageID": f"registry.example.com/shop/app@sha256:{number * 2654435761:064x}",
        "containerID": f"containerd://{number * 40503:064x}",
        "started": True,
    }
    return {
        "phase": "Running",
        "conditions": [{"type": kind, **condition} for kind in _CONDITIONS],
        "hostIP": "10.0.0.7",
        "hostIPs": [{"ip": "10.0.0.7"}],
        "podIP": "10.1.2.3",
        "podIPs": [{"ip": "10.1.2.3"}],
        "startTime": time,
        "containerStatuses": [{"name": name, **container} for name in names],
        "qosClass": "Burstable",
    }
