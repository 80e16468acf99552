"""What a new cluster holds before anybody has created anything."""

from __future__ import annotations

from metrics_api.clock import Clock
from metrics_api.localcluster.authorities import FRONT_PROXY_NAME, Authorities
from metrics_api.localcluster.defaults import apply_defaults
from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.reading import AUTHENTICATION_CONFIG
from metrics_api.localcluster.resources import (
    API_SERVICES,
    CONFIG_MAPS,
    NAMESPACES,
    Resource,
    group_versions,
)
from metrics_api.localcluster.roles import bootstrap_roles
from metrics_api.localcluster.stored import JsonObject
from metrics_api.timetext import format_rfc3339

_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
_CORE_PRIORITY = 18000
_GROUP_PRIORITY = 17000


def bootstrap(objects: ObjectStore, authorities: Authorities, clock: Clock) -> None:
    """Create what is missing: namespaces, roles, the authentication ConfigMap, the local APIServices."""
    for name in _NAMESPACES:
        namespace: JsonObject = {"metadata": {"name": name}}
        apply_defaults(NAMESPACES, namespace, objects)
        _ensure(objects, NAMESPACES, namespace)
    for resource, obj in bootstrap_roles():
        _ensure(objects, resource, obj)
    publish_authentication_config(objects, authorities)
    for group, version in group_versions():
        _ensure(objects, API_SERVICES, _local_api_service(group, version, format_rfc3339(clock.now())))


def publish_authentication_config(objects: ObjectStore, authorities: Authorities) -> None:
    """Tell extension servers which authorities to believe; call it again with new ones to rotate them."""
    namespace, name = AUTHENTICATION_CONFIG
    config_map = {
        "metadata": {"name": name, "namespace": namespace},
        "data": {
            "client-ca-file": authorities.cluster.certificate.decode(),
            "requestheader-allowed-names": f'["{FRONT_PROXY_NAME}"]',
            "requestheader-client-ca-file": authorities.front_proxy.certificate.decode(),
            "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
            "requestheader-group-headers": '["X-Remote-Group"]',
            "requestheader-username-headers": '["X-Remote-User"]',
        },
    }
    if objects.find(CONFIG_MAPS, namespace, name) is None:
        objects.create(CONFIG_MAPS, config_map)
    else:
        objects.replace(CONFIG_MAPS, config_map)


def _local_api_service(group: str, version: str, now: str) -> JsonObject:
    spec = {
        **({"group": group} if group else {}),
        "version": version,
        "groupPriorityMinimum": _GROUP_PRIORITY if group else _CORE_PRIORITY,
        "versionPriority": 15 if group else 1,
    }
    condition = {
        "type": "Available",
        "status": "True",
        "lastTransitionTime": now,
        "reason": "Local",
        "message": "Local APIServices are always available",
    }
    labels = {"kube-aggregator.kubernetes.io/automanaged": "onstart"}
    return {
        "metadata": {"name": f"{version}.{group}", "labels": labels},
        "spec": spec,
        "status": {"conditions": [condition]},
    }


def _ensure(objects: ObjectStore, resource: Resource, obj: JsonObject) -> None:
    metadata = obj["metadata"]
    if objects.find(resource, metadata.get("namespace", ""), metadata["name"]) is None:
        objects.create(resource, obj)
