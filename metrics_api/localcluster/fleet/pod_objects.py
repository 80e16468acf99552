"""Pod objects as an API server has them, static pods' mirrors included.

A real Pod is several kilobytes, most of which says the same for every replica; so is one of these, for the cost of
reading it is part of what a benchmark measures.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256

from metrics_api.localcluster.fleet.inventory import (
    ContainerKind,
    FleetContainer,
    FleetNode,
    FleetPod,
    Workload,
    WorkloadKind,
)
from metrics_api.localcluster.fleet.managed_fields import managed_fields
from metrics_api.localcluster.fleet.objects import JsonObject
from metrics_api.timetext import format_rfc3339

_INIT_SECONDS = 0.7  # how long before the pod's containers its init containers ended

_TOLERATIONS: list[JsonObject] = [
    {"key": f"node.kubernetes.io/{taint}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    for taint in ("not-ready", "unreachable")
]


def pod_object(pod: FleetPod, node: FleetNode, now: float) -> JsonObject:
    """Return the Pod as it is at ``now``: running, its init containers finished.

    Parts that are the same for many pods are shared between their objects: copy before you change one.
    """
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": _metadata(pod, node),
        "spec": _spec(pod),
        "status": _status(pod, node, now),
    }


def _metadata(pod: FleetPod, node: FleetNode) -> JsonObject:
    workload = pod.workload
    metadata: JsonObject = {
        "name": pod.name,
        "namespace": workload.namespace,
        "uid": pod.uid,
        "generation": 1,
        "creationTimestamp": format_rfc3339(pod.created - 1),
        "labels": _labels(pod),
        "ownerReferences": [_owner(workload, node)],
        "managedFields": managed_fields(pod),
    }
    if workload.kind in (WorkloadKind.DEPLOYMENT, WorkloadKind.DAEMON_SET):
        metadata["generateName"] = pod.name.rpartition("-")[0] + "-"
    if pod.config_hash is not None:
        metadata["annotations"] = {
            "kubernetes.io/config.hash": pod.config_hash,
            "kubernetes.io/config.mirror": pod.config_hash,
            "kubernetes.io/config.seen": format_rfc3339(pod.created).replace("Z", ".615387324Z"),
            "kubernetes.io/config.source": "file",
        }
    return metadata


def _labels(pod: FleetPod) -> dict[str, str]:
    workload = pod.workload
    match workload.kind:
        case WorkloadKind.DEPLOYMENT:
            return {
                "app": workload.name,
                "app.kubernetes.io/part-of": workload.namespace,
                "pod-template-hash": workload.template_hash,
            }
        case WorkloadKind.STATEFUL_SET:
            return {
                "app": workload.name,
                "app.kubernetes.io/part-of": workload.namespace,
                "apps.kubernetes.io/pod-index": pod.name.rpartition("-")[2],
                "controller-revision-hash": f"{workload.name}-{workload.template_hash}",
                "statefulset.kubernetes.io/pod-name": pod.name,
            }
        case WorkloadKind.DAEMON_SET:
            return {
                "k8s-app": workload.name,
                "controller-revision-hash": workload.template_hash,
                "pod-template-generation": "1",
            }
        case WorkloadKind.STATIC:
            return {"component": workload.name, "tier": "control-plane"}


def _owner(workload: Workload, node: FleetNode) -> JsonObject:
    if workload.kind is WorkloadKind.STATIC:
        return {"apiVersion": "v1", "kind": "Node", "name": node.name, "uid": node.uid, "controller": True}
    deployed = workload.kind is WorkloadKind.DEPLOYMENT
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet" if deployed else workload.kind.value,
        "name": f"{workload.name}-{workload.template_hash}" if deployed else workload.name,
        "uid": workload.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _spec(pod: FleetPod) -> JsonObject:
    system = pod.workload.kind in (WorkloadKind.DAEMON_SET, WorkloadKind.STATIC)
    volume = f"kube-api-access-{pod.uid[:5]}"
    spec: JsonObject = {
        "volumes": [_token_volume(volume)],
        "containers": [_container(c, pod, volume) for c in pod.containers if c.template.kind is ContainerKind.APP],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "serviceAccountName": "default",
        "serviceAccount": "default",
        "nodeName": pod.node_name,
        "securityContext": {},
        "schedulerName": "default-scheduler",
        "tolerations": _TOLERATIONS,
        "priority": 2_000_001_000 if system else 0,
        "enableServiceLinks": True,
        "preemptionPolicy": "PreemptLowerPriority",
    }
    if system:
        spec["hostNetwork"] = True
        spec["priorityClassName"] = "system-node-critical"
    if init := [_container(c, pod, volume) for c in pod.containers if c.template.kind is not ContainerKind.APP]:
        spec["initContainers"] = init
    return spec


def _token_volume(name: str) -> JsonObject:
    field_reference = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    return {
        "name": name,
        "projected": {
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": field_reference}]}},
            ],
            "defaultMode": 420,
        },
    }


def _container(container: FleetContainer, pod: FleetPod, volume: str) -> JsonObject:
    template = container.template
    resources: JsonObject = {
        "requests": {
            "cpu": f"{template.cpu_request_millicores}m",
            "memory": f"{max(int(template.memory_middle) >> 20, 8)}Mi",
        }
    }
    if template.memory_limit is not None:
        resources["limits"] = {"memory": f"{template.memory_limit >> 20}Mi"}
    document: JsonObject = {
        "name": template.name,
        "image": _image(template.name),
        "env": [{"name": "SERVICE", "value": pod.workload.name}],
        "resources": resources,
        "volumeMounts": [
            {"name": volume, "readOnly": True, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
        ],
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
    }
    if template.kind is ContainerKind.SIDECAR:
        document["restartPolicy"] = "Always"
    return document


def _status(pod: FleetPod, node: FleetNode, now: float) -> JsonObject:
    address = pod.address or node.address
    app: list[JsonObject] = []
    init: list[JsonObject] = []
    for container in pod.containers:
        entry = _container_status(container, pod, now)
        (app if container.template.kind is ContainerKind.APP else init).append(entry)
    ready_since = max([load.life_start(now) for load in pod.loads], default=pod.created)
    created, ready = pod.created_text, format_rfc3339(ready_since)
    status: JsonObject = {
        "observedGeneration": 1,
        "phase": "Running",
        "conditions": [
            {"type": kind, "observedGeneration": 1, "status": "True", "lastProbeTime": None, "lastTransitionTime": at}
            for kind, at in (
                ("PodReadyToStartContainers", created),
                ("Initialized", created),
                ("Ready", ready),
                ("ContainersReady", ready),
                ("PodScheduled", created),
            )
        ],
        "hostIP": node.address,
        "hostIPs": [{"ip": node.address}],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": created,
        "containerStatuses": app,
        "qosClass": "Burstable",
    }
    if init:
        status["initContainerStatuses"] = init
    return status


def _container_status(container: FleetContainer, pod: FleetPod, now: float) -> JsonObject:
    template, load = container.template, container.load
    document: JsonObject = {
        "name": template.name,
        "state": {},
        "lastState": {},
        "ready": True,
        "restartCount": 0,
        "image": _image(template.name),
        "imageID": _image_id(template.name),
    }
    if load is None:
        document["containerID"] = _container_id(pod, template.name, pod.created)
        done = pod.created + _INIT_SECONDS
        document["state"] = {"terminated": _terminated(pod, template.name, pod.created, done, 0, "Completed")}
        return document
    start, lives = load.life_start(now), load.lives(now)
    document["state"] = {"running": {"startedAt": format_rfc3339(start)}}
    document["containerID"] = _container_id(pod, template.name, start)
    document["started"] = True
    if lives > 1:
        before = load.life_start(start - 1e-3)
        document["restartCount"] = lives - 1
        document["lastState"] = {"terminated": _terminated(pod, template.name, before, start, 1, "Error")}
    return document


def _terminated(pod: FleetPod, name: str, start: float, end: float, code: int, reason: str) -> JsonObject:
    return {
        "exitCode": code,
        "reason": reason,
        "startedAt": format_rfc3339(start),
        "finishedAt": format_rfc3339(end),
        "containerID": _container_id(pod, name, start),
    }


def _image(name: str) -> str:
    return f"registry.example/{name}:1.4.2"


@lru_cache
def _image_id(name: str) -> str:
    return f"{_image(name).partition(':')[0]}@sha256:{_digest(name)}"


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _container_id(pod: FleetPod, name: str, start: float) -> str:
    return f"containerd://{_digest(f'{pod.uid}/{name}/{start}')}"
