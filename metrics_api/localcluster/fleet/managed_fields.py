"""Who manages which field of a Pod, as server-side apply keeps it: most of it says the same for every replica."""

from __future__ import annotations

from functools import lru_cache

from metrics_api.localcluster.fleet.inventory import FleetPod
from metrics_api.localcluster.fleet.objects import JsonObject


def managed_fields(pod: FleetPod) -> list[JsonObject]:
    """Return a Pod's ``metadata.managedFields``: a good part of what a real Pod weighs, and the same for many pods."""
    created = pod.created_text
    by_controller, by_kubelet = _fields_of(tuple(container.name for container in pod.containers))
    return [
        _managed("kube-controller-manager", created, by_controller),
        {**_managed("kubelet", created, by_kubelet), "subresource": "status"},
    ]


@lru_cache
def _fields_of(containers: tuple[str, ...]) -> tuple[JsonObject, JsonObject]:
    """Return what a controller and what the kubelet manages of a pod with those containers."""
    fields = (
        *("f:image", "f:imagePullPolicy", "f:name", "f:resources"),
        *("f:terminationMessagePath", "f:terminationMessagePolicy"),
    )
    owned: JsonObject = {f'k:{{"name":"{name}"}}': {".": {}, **{field: {} for field in fields}} for name in containers}
    conditions: JsonObject = {
        f'k:{{"type":"{kind}"}}': {".": {}, "f:lastProbeTime": {}, "f:lastTransitionTime": {}, "f:status": {}}
        for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")
    }
    spec: JsonObject = {"f:containers": owned, "f:dnsPolicy": {}, "f:restartPolicy": {}}
    status: JsonObject = {"f:conditions": conditions, "f:containerStatuses": {}, "f:phase": {}, "f:startTime": {}}
    return {"f:metadata": {"f:labels": {".": {}}}, "f:spec": spec}, {"f:status": status}


def _managed(manager: str, time: str, fields: JsonObject) -> JsonObject:
    return {
        "manager": manager,
        "operation": "Update",
        "apiVersion": "v1",
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
