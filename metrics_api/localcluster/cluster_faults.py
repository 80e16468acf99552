"""What can go wrong with what leads to an extension server, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from metrics_api.localcluster import extension
from metrics_api.localcluster.authorities import FRONT_PROXY_NAME
from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.reading import AUTHENTICATION_CONFIG
from metrics_api.localcluster.resources import (
    API_SERVICES,
    CERTIFICATE_SIGNING_REQUESTS,
    CLUSTER_ROLE_BINDINGS,
    CONFIG_MAPS,
    DEPLOYMENTS,
    HORIZONTAL_POD_AUTOSCALERS,
    PODS,
    SERVICES,
)
from metrics_api.localcluster.stored import JsonObject
from metrics_api.pki import Authority

_DISCOVERY = 2.0


@dataclass(frozen=True, slots=True)
class ClusterFault:
    """Something wrong with what leads to the extension server."""

    summary: str
    inject: Callable[[LocalCluster], None]
    """Called when the extension server is registered, and before it starts."""
    breaks: bool = True
    """Whether the metrics API then does not work."""


def _drop_front_proxy(cluster: LocalCluster) -> None:
    namespace, name = AUTHENTICATION_CONFIG
    config_map = cluster.objects.get(CONFIG_MAPS, namespace, name) or {}
    data = {key: value for key, value in config_map["data"].items() if not key.startswith("requestheader-")}
    cluster.objects.replace(CONFIG_MAPS, {**config_map, "data": data})


def _renew_front_proxy(cluster: LocalCluster) -> None:
    authority = Authority.create("front-proxy-ca of last year")
    cluster.aggregator.front_proxy = authority.issue(FRONT_PROXY_NAME, client=True)


def _delete_binding(name: str) -> Callable[[LocalCluster], None]:
    def delete(cluster: LocalCluster) -> None:
        cluster.objects.delete(CLUSTER_ROLE_BINDINGS, "", name)

    return delete


def _delete_service(cluster: LocalCluster) -> None:
    cluster.objects.delete(SERVICES, extension.NAMESPACE, extension.NAME)


def _delete_api_services(cluster: LocalCluster) -> None:
    for name in _api_service_names(cluster):
        cluster.objects.delete(API_SERVICES, "", name)


def _split(cluster: LocalCluster) -> None:
    name = _api_service_names(cluster)[0]
    found = cluster.objects.get(API_SERVICES, "", name) or {}
    service = {"namespace": "monitoring", "name": "prometheus-adapter", "port": 443}
    cluster.objects.replace(API_SERVICES, {**found, "spec": {**found["spec"], "service": service}})


def _api_service_names(cluster: LocalCluster) -> list[str]:
    names = [each["metadata"]["name"] for each in cluster.objects.list(API_SERVICES)]
    return [name for name in names if name.endswith(f".{extension.GROUP}")]


def _delay_discovery(cluster: LocalCluster) -> None:
    cluster.api.faults.discovery_delay = _DISCOVERY


def _request_certificates(cluster: LocalCluster) -> None:
    for name in cluster.fleet.node_names[:3]:
        spec = {"signerName": "kubernetes.io/kubelet-serving", "username": f"system:node:{name}", "request": "LQ=="}
        request: JsonObject = {"metadata": {"name": f"csr-{name}"}, "spec": spec}
        cluster.objects.create(CERTIFICATE_SIGNING_REQUESTS, request)


def _autoscale_without_requests(cluster: LocalCluster) -> None:
    """Take the requests from a workload's pods, and have an autoscaler complain of it."""
    pods = cluster.objects.list(PODS)
    one = next((each for each in pods if "pod-template-hash" in each["metadata"]["labels"]), pods[0])
    labels, namespace = one["metadata"]["labels"], one["metadata"]["namespace"]
    chosen = {"app": labels["app"]} if "app" in labels else labels
    name = labels.get("app", one["metadata"]["name"])
    pods = [
        each
        for each in pods
        if each["metadata"]["namespace"] == namespace and chosen.items() <= each["metadata"]["labels"].items()
    ]
    for pod in pods:
        containers = [{**each, "resources": {}} for each in pod["spec"]["containers"]]
        cluster.objects.replace(PODS, {**pod, "spec": {**pod["spec"], "containers": containers}})
    metadata = {"name": name, "namespace": namespace}
    template = {"metadata": {"labels": chosen}, "spec": {"containers": [{"name": "app", "image": "app"}]}}
    deployment: JsonObject = {
        "metadata": metadata,
        "spec": {"replicas": len(pods), "selector": {"matchLabels": chosen}, "template": template},
    }
    cluster.objects.create(DEPLOYMENTS, deployment)
    cluster.objects.create(HORIZONTAL_POD_AUTOSCALERS, _complaining_autoscaler(metadata, pods))


def _complaining_autoscaler(metadata: JsonObject, pods: Sequence[JsonObject]) -> JsonObject:
    container, pod = pods[0]["spec"]["containers"][0]["name"], pods[0]["metadata"]["name"]
    condition = {
        "type": "ScalingActive",
        "status": "False",
        "reason": "FailedGetResourceMetric",
        "message": "the HPA was unable to compute the replica count: failed to get cpu utilization: missing request "
        f"for cpu in container {container} of Pod {pod}",
    }
    metric = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
    return {
        "metadata": metadata,
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": metadata["name"]},
            "minReplicas": 1,
            "maxReplicas": 2 * len(pods),
            "metrics": [{"type": "Resource", "resource": metric}],
        },
        "status": {"conditions": [condition], "currentReplicas": len(pods), "desiredReplicas": len(pods)},
    }


CLUSTER_FAULTS: Mapping[str, ClusterFault] = {
    "no-front-proxy-ca": ClusterFault("the aggregation layer is not enabled", _drop_front_proxy),
    "front-proxy-differs": ClusterFault(
        "kube-apiserver shows a certificate of another authority than the published one", _renew_front_proxy
    ),
    "rbac-missing": ClusterFault(
        "the server may not read nodes and pods, or ask kubelets",
        _delete_binding("system:metrics-server"),
    ),
    "no-delegation": ClusterFault(
        "the server may not ask who somebody is",
        _delete_binding("metrics-server:system:auth-delegator"),
        breaks=False,
    ),
    "no-endpoints": ClusterFault(
        "nothing ready is behind the Service", lambda cluster: cluster.set_endpoint_ready(ready=False)
    ),
    "service-missing": ClusterFault(
        "the Service is gone",
        _delete_service,
    ),
    "apiservice-missing": ClusterFault("the API group was never handed over", _delete_api_services),
    "apiservice-split": ClusterFault("two servers have a version each", _split),
    "discovery-slow": ClusterFault("discovery takes two seconds", _delay_discovery, breaks=False),
    "csr-pending": ClusterFault("kubelets wait for serving certificates", _request_certificates, breaks=False),
    "hpa-no-requests": ClusterFault("an autoscaler's pods have no requests", _autoscale_without_requests, breaks=False),
}
"""By name."""
