"""What the API server adds to a new object, for the kinds where clients rely on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.resources import API_SERVICES, NAMESPACES, PODS, SECRETS, SERVICES, Resource
from metrics_api.localcluster.stored import JsonObject


def apply_defaults(resource: Resource, obj: JsonObject, objects: ObjectStore) -> None:
    """Fill in what the client left out of an object that is to be created.

    Args:
        resource: What it is.
        obj: The object, changed in place.
        objects: The cluster's state, for addresses that are still free.
    """
    if resource == SERVICES:
        _service(obj, objects)
    default = _DEFAULTS.get(resource)
    if default is not None:
        default(obj)


def _namespace(obj: JsonObject) -> None:
    obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"]["name"]
    obj["spec"] = {"finalizers": ["kubernetes"]}
    obj["status"] = {"phase": "Active"}


def _pod(obj: JsonObject) -> None:
    spec = obj.setdefault("spec", {})
    for key, value in (
        ("restartPolicy", "Always"),
        ("terminationGracePeriodSeconds", 30),
        ("dnsPolicy", "ClusterFirst"),
        ("schedulerName", "default-scheduler"),
        ("enableServiceLinks", True),
    ):
        spec.setdefault(key, value)
    obj["status"] = {"phase": "Pending"}


def _service(obj: JsonObject, objects: ObjectStore) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    if spec["type"] != "ExternalName" and not spec.get("clusterIP"):
        taken = {stored.fields["spec.clusterIP"] for stored in objects.stored(SERVICES)}
        spec["clusterIP"] = next(address for address in _cluster_ips() if address not in taken)
        spec["clusterIPs"] = [spec["clusterIP"]]
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))
    obj["status"] = {"loadBalancer": {}}


def _cluster_ips() -> Iterator[str]:
    return (f"10.96.{high}.{low}" for high in range(1, 255) for low in range(1, 255))


def _secret(obj: JsonObject) -> None:
    obj.setdefault("type", "Opaque")


def _api_service(obj: JsonObject) -> None:
    service = obj.get("spec", {}).get("service")
    if service:
        service.setdefault("port", 443)
    obj["status"] = {}


_DEFAULTS: dict[Resource, Callable[[JsonObject], None]] = {
    NAMESPACES: _namespace,
    PODS: _pod,
    SECRETS: _secret,
    API_SERVICES: _api_service,
}
