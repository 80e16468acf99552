"""Node and Namespace objects as an API server has them, whole enough for clients that check required fields.

No object has a ``resourceVersion``: whoever keeps the objects gives them one.
"""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from metrics_api.localcluster.fleet.inventory import FleetNode
from metrics_api.timetext import format_rfc3339

JsonObject = dict[str, Any]

KUBERNETES_VERSION = "v1.36.1"
_DISK = 104 << 30
_HEALTHY = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)


def namespace_object(name: str, created: float) -> JsonObject:
    """Return an active Namespace; its uid follows from its name."""
    return {
        "kind": "Namespace",
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            "uid": str(uuid5(NAMESPACE_DNS, name)),
            "creationTimestamp": format_rfc3339(created),
            "labels": {"kubernetes.io/metadata.name": name},
        },
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }


def node_object(node: FleetNode, now: float) -> JsonObject:
    """Return a Ready Node that names its kubelet's address and port."""
    return {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {
            "name": node.name,
            "uid": node.uid,
            "creationTimestamp": format_rfc3339(node.created),
            "labels": _node_labels(node),
            "annotations": {
                "node.alpha.kubernetes.io/ttl": "0",
                "volumes.kubernetes.io/controller-managed-attach-detach": "true",
            },
        },
        "spec": _node_spec(node),
        "status": {
            "capacity": _resources(node, reserved=0),
            "allocatable": _resources(node, reserved=100 << 20),
            "conditions": _conditions(node, now),
            "addresses": [
                {"type": "InternalIP", "address": node.address},
                {"type": "Hostname", "address": node.name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": node.port}},
            "nodeInfo": _node_info(node),
            "images": [],
        },
    }


def _node_labels(node: FleetNode) -> dict[str, str]:
    labels = {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": node.name,
        "kubernetes.io/os": "linux",
        "pool": f"pool-{node.index % 4}",
        "topology.kubernetes.io/region": "local",
        "topology.kubernetes.io/zone": f"local-{'abc'[node.index % 3]}",
    }
    if node.control_plane:
        labels["node-role.kubernetes.io/control-plane"] = ""
    return labels


def _node_spec(node: FleetNode) -> JsonObject:
    cidr = f"10.{128 + node.index // 256 % 128}.{node.index % 256}.0/24"
    spec: JsonObject = {"podCIDR": cidr, "podCIDRs": [cidr]}
    if node.control_plane:
        spec["taints"] = [{"key": "node-role.kubernetes.io/control-plane", "effect": "PreferNoSchedule"}]
    return spec


def _resources(node: FleetNode, *, reserved: int) -> dict[str, str]:
    return {
        "cpu": str(node.cpu_cores),
        "ephemeral-storage": f"{_DISK >> 10}Ki",
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "memory": f"{(node.memory - reserved) >> 10}Ki",
        "pods": str(node.max_pods),
    }


def _conditions(node: FleetNode, now: float) -> list[JsonObject]:
    return [
        {
            "type": kind,
            "status": status,
            "lastHeartbeatTime": format_rfc3339(max(now, node.created)),
            "lastTransitionTime": format_rfc3339(node.created),
            "reason": reason,
            "message": message,
        }
        for kind, status, reason, message in _HEALTHY
    ]


def _node_info(node: FleetNode) -> dict[str, str]:
    machine = uuid5(NAMESPACE_DNS, node.uid)
    return {
        "machineID": machine.hex,
        "systemUUID": str(machine),
        "bootID": str(uuid5(machine, "boot")),
        "kernelVersion": "6.12.48",
        "osImage": "Debian GNU/Linux 13 (trixie)",
        "containerRuntimeVersion": "containerd://2.2.1",
        "kubeletVersion": KUBERNETES_VERSION,
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": "amd64",
    }
