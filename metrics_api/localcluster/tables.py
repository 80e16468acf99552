"""The columns that ``kubectl get`` prints, computed by the server.

Rules: kube-apiserver ``pkg/printers/internalversion``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from metrics_api.localcluster.resources import API_SERVICES, NODES, PODS, Resource
from metrics_api.localcluster.stored import JsonObject
from metrics_api.timetext import parse_rfc3339

_NONE = "<none>"
_UNKNOWN = "<unknown>"
_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400


class Column(NamedTuple):
    """One column definition."""

    name: str
    description: str
    type: str = "string"
    format: str = ""
    wide: bool = False
    """Whether it is shown with ``-o wide`` only."""

    def definition(self) -> JsonObject:
        """Return it as in a Table's ``columnDefinitions``."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": int(self.wide),
        }


class Layout(NamedTuple):
    """How one kind is printed."""

    columns: Sequence[Column]
    cells: Callable[[JsonObject, float], list[Any]]
    """(object, now in Unix seconds) -> one value a column."""


def layout_of(resource: Resource) -> Layout:
    """Return how a resource is printed; most kinds have name and age only."""
    return _LAYOUTS.get(resource, _PLAIN)


def human_duration(seconds: float) -> str:
    """Return an age the way kubectl prints it: two units at most, fewer the longer it is."""
    total = int(seconds)
    if total < 0:
        return "<invalid>" if total < -1 else "0s"
    if total < 2 * _MINUTE:
        return f"{total}s"
    if total < 10 * _MINUTE:
        return _two(total, _MINUTE, "m", 1, "s")
    if total < 3 * _HOUR:
        return f"{total // _MINUTE}m"
    if total < 8 * _HOUR:
        return _two(total, _HOUR, "h", _MINUTE, "m")
    if total < 2 * _DAY:
        return f"{total // _HOUR}h"
    if total < 8 * _DAY:
        return _two(total, _DAY, "d", _HOUR, "h")
    if total < 2 * _YEAR:
        return f"{total // _DAY}d"
    return _two(total, _YEAR, "y", _DAY, "d") if total < 8 * _YEAR else f"{total // _YEAR}y"


def _two(total: int, large: int, large_name: str, small: int, small_name: str) -> str:
    rest = total % large // small
    return f"{total // large}{large_name}" + (f"{rest}{small_name}" if rest else "")


def _age(obj: JsonObject, now: float) -> str:
    created = obj["metadata"].get("creationTimestamp")
    return human_duration(now - parse_rfc3339(created)) if created else _UNKNOWN


_NAME = Column("Name", "The object's name, unique within its namespace.", format="name")
_AGE = Column("Age", "How long ago the object was created.")


def _plain(obj: JsonObject, now: float) -> list[Any]:
    return [obj["metadata"]["name"], _age(obj, now)]


def _node(obj: JsonObject, now: float) -> list[Any]:
    status = obj.get("status", {})
    info = status.get("nodeInfo", {})
    ready = {"True": "Ready", "False": "NotReady"}
    ready_conditions = [one for one in status.get("conditions", ()) if one.get("type") == "Ready"]
    words = [ready.get(one.get("status", ""), "Unknown") for one in ready_conditions]
    words = words or ["Unknown"]
    if obj.get("spec", {}).get("unschedulable"):
        words.append("SchedulingDisabled")
    return [
        obj["metadata"]["name"],
        ",".join(words),
        _roles(obj["metadata"].get("labels") or {}),
        _age(obj, now),
        info.get("kubeletVersion", ""),
        _address(status, "InternalIP"),
        _address(status, "ExternalIP"),
        info.get("osImage") or _UNKNOWN,
        info.get("kernelVersion") or _UNKNOWN,
        info.get("containerRuntimeVersion") or _UNKNOWN,
    ]


def _roles(labels: Mapping[str, str]) -> str:
    roles = {key.removeprefix("node-role.kubernetes.io/") for key in labels if key.startswith("node-role.")}
    roles |= {labels["kubernetes.io/role"]} if labels.get("kubernetes.io/role") else set()
    return ",".join(sorted(filter(None, roles))) or _NONE


def _address(status: JsonObject, kind: str) -> str:
    return next((one.get("address", "") for one in status.get("addresses", ()) if one.get("type") == kind), _NONE)


def _pod(obj: JsonObject, now: float) -> list[Any]:
    spec, status = obj.get("spec", {}), obj.get("status", {})
    containers = status.get("containerStatuses") or []
    gates = spec.get("readinessGates") or ()
    true = {one.get("type") for one in status.get("conditions", ()) if one.get("status") == "True"}
    return [
        obj["metadata"]["name"],
        f"{sum(bool(one.get('ready')) for one in containers)}/{len(spec.get('containers') or ())}",
        _pod_status(obj, containers),
        str(sum(one.get("restartCount", 0) for one in containers)),
        _age(obj, now),
        status.get("podIP") or _NONE,
        spec.get("nodeName") or _NONE,
        status.get("nominatedNodeName") or _NONE,
        f"{sum(gate.get('conditionType') in true for gate in gates)}/{len(gates)}" if gates else _NONE,
    ]


def _pod_status(obj: JsonObject, containers: Sequence[JsonObject]) -> str:
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    reason: str = obj["status"].get("reason") or obj["status"].get("phase", "") if "status" in obj else ""
    for container in reversed(containers):
        state = container.get("state") or {}
        waiting, terminated = state.get("waiting") or {}, state.get("terminated") or {}
        if waiting.get("reason"):
            reason = waiting["reason"]
        elif terminated:
            reason = terminated.get("reason") or f"ExitCode:{terminated.get('exitCode', 0)}"
    return reason


def _api_service(obj: JsonObject, now: float) -> list[Any]:
    service = obj.get("spec", {}).get("service")
    conditions = obj.get("status", {}).get("conditions") or ()
    available = next((one for one in conditions if one["type"] == "Available"), None)
    text = "Unknown"
    if available:
        reason = f" ({available['reason']})" if available["status"] != "True" and available.get("reason") else ""
        text = available["status"] + reason
    where = f"{service['namespace']}/{service['name']}" if service else "Local"
    return [obj["metadata"]["name"], where, text, _age(obj, now)]


_PLAIN = Layout((_NAME, _AGE), _plain)
_LAYOUTS = {
    NODES: Layout(
        (
            _NAME,
            Column("Status", "Whether the node is ready, and whether pods are scheduled to it."),
            Column("Roles", "The node's roles, from its labels."),
            _AGE,
            Column("Version", "The kubelet's version."),
            Column("Internal-IP", "The first address of that type.", wide=True),
            Column("External-IP", "The first address of that type.", wide=True),
            Column("OS-Image", "The operating system as the kubelet names it.", wide=True),
            Column("Kernel-Version", "The kernel as the kubelet names it.", wide=True),
            Column("Container-Runtime", "The container runtime and its version.", wide=True),
        ),
        _node,
    ),
    PODS: Layout(
        (
            _NAME,
            Column("Ready", "Ready containers of all containers."),
            Column("Status", "The phase, or why a container does not run."),
            Column("Restarts", "Restarts of all containers together."),
            _AGE,
            Column("IP", "The pod's address.", wide=True),
            Column("Node", "The node the pod is bound to.", wide=True),
            Column("Nominated Node", "The node that is being cleared for the pod.", wide=True),
            Column("Readiness Gates", "Fulfilled readiness gates of all gates.", wide=True),
        ),
        _pod,
    ),
    API_SERVICES: Layout(
        (
            _NAME,
            Column("Service", "The service that serves it, Local when the API server itself does."),
            Column("Available", "Whether it answers."),
            _AGE,
        ),
        _api_service,
    ),
}
