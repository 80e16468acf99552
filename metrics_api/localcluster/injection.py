"""Faults by name, for the demo: what can go wrong with kubelets, and with what leads to an extension server.

Each says what a person who runs a cluster would see, not which switch brings it about.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import NamedTuple

from metrics_api.localcluster import extension
from metrics_api.localcluster.authorities import FRONT_PROXY_NAME
from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.fleet.behaviour import Behaviour, Delay, DropConnection, Fail, ForbidStats, Hang
from metrics_api.localcluster.fleet.hostile import Drip, Flood, Say
from metrics_api.localcluster.fleet.lying import AnswerForAnother, Flap, OmitPods, SkewedClock
from metrics_api.localcluster.reading import AUTHENTICATION_CONFIG
from metrics_api.localcluster.resources import (
    API_SERVICES,
    CERTIFICATE_SIGNING_REQUESTS,
    CLUSTER_ROLE_BINDINGS,
    CONFIG_MAPS,
    HORIZONTAL_POD_AUTOSCALERS,
    NODES,
    SERVICES,
)
from metrics_api.localcluster.stored import JsonObject
from metrics_api.pki import Authority

_AHEAD = 120.0
_SLOW = 5.0
_DISCOVERY = 2.0
_NOBODY_LISTENS = 1
_USER = f"system:serviceaccount:{extension.NAMESPACE}:{extension.NAME}"


@dataclass(frozen=True, slots=True)
class NodeFault:
    """Something wrong with single nodes."""

    summary: str
    inject: Callable[[LocalCluster, str], Awaitable[None]]
    silences: bool = True
    """Whether the node, or its pods, then have no metrics."""


@dataclass(frozen=True, slots=True)
class ClusterFault:
    """Something wrong with what leads to the extension server."""

    summary: str
    inject: Callable[[LocalCluster], None]
    """Called when the extension server is registered, and before it starts."""
    breaks: bool = True
    """Whether the metrics API then does not work."""


class Plan(NamedTuple):
    """Which faults are wanted."""

    nodes: Mapping[str, int] = {}
    """Fault -> how many nodes have it."""
    cluster: Sequence[str] = ()

    @property
    def faulty_nodes(self) -> int:
        """How many nodes have a fault."""
        return sum(self.nodes.values())

    @property
    def silent_nodes(self) -> int:
        """How many nodes then have no metrics, or their pods none."""
        return sum(count for name, count in self.nodes.items() if NODE_FAULTS[name].silences)

    @property
    def breaks(self) -> bool:
        """Whether the metrics API then does not work."""
        return any(CLUSTER_FAULTS[name].breaks for name in self.cluster)

    @property
    def needs_own_certificates(self) -> bool:
        """Whether nodes must not share certificates."""
        return any(name in _OF_CERTIFICATES for name in self.nodes)


def parse_plan(text: str) -> Plan:
    """Return the faults of ``hang=2,tls=1,no-endpoints``; a node fault without a number holds for one node.

    Raises:
        ValueError: a name or a number is wrong; the message says what there is.
    """
    nodes: dict[str, int] = {}
    cluster: list[str] = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, given, number = part.partition("=")
        if name in NODE_FAULTS:
            if given and not (number.isascii() and number.isdigit() and 1 <= int(number[:9]) <= 5000):
                raise ValueError(f"{part[:80]!r}: the number of nodes must be a whole number from 1 to 5000")
            nodes[name] = nodes.get(name, 0) + (int(number) if given else 1)
        elif name not in CLUSTER_FAULTS:
            raise ValueError(_unknown(name))
        elif given:
            raise ValueError(f"{part[:80]!r}: this fault is the cluster's, it takes no number")
        elif name not in cluster:
            cluster.append(name)
    return Plan(nodes, tuple(cluster))


async def inject(cluster: LocalCluster, plan: Plan) -> Mapping[str, str]:
    """Bring the faults about and return node -> fault; the cluster's last nodes are chosen, in the plan's order.

    Raises:
        ValueError: there are not enough nodes.
    """
    names = cluster.fleet.node_names
    if plan.faulty_nodes > len(names):
        raise ValueError(f"faults for {plan.faulty_nodes} nodes are wanted, and there are {len(names)}")
    wanted = [name for name, count in plan.nodes.items() for _ in range(count)]
    chosen = dict(zip(names[len(names) - len(wanted) :], wanted, strict=True))
    for node, fault in chosen.items():
        await NODE_FAULTS[fault].inject(cluster, node)
    for name in plan.cluster:
        CLUSTER_FAULTS[name].inject(cluster)
    return chosen


def _unknown(name: str) -> str:
    nearest = "".join(get_close_matches(name[:100], [*NODE_FAULTS, *CLUSTER_FAULTS], n=1))
    hint = f", did you mean {nearest}?" if nearest else "."
    return (
        f"no fault {name[:100]!r}{hint} Of nodes there are {', '.join(NODE_FAULTS)}; "
        f"of the cluster {', '.join(CLUSTER_FAULTS)}"
    )


def _behave(behaviour: Callable[[LocalCluster], Behaviour]) -> Callable[[LocalCluster, str], Awaitable[None]]:
    async def change(cluster: LocalCluster, name: str) -> None:
        cluster.fleet.behave(name, behaviour(cluster))

    return change


def _change_node(cluster: LocalCluster, name: str, **status: object) -> None:
    node = cluster.objects.get(NODES, "", name)
    if node is None:
        raise LookupError(f"the cluster has no node {name!r}")
    cluster.objects.replace_status(NODES, {**node, "status": {**node["status"], **status}})


async def _refuse(cluster: LocalCluster, name: str) -> None:
    _change_node(cluster, name, daemonEndpoints={"kubeletEndpoint": {"Port": _NOBODY_LISTENS}})


async def _no_address(cluster: LocalCluster, name: str) -> None:
    _change_node(cluster, name, addresses=[{"type": "ExternalDNS", "address": f"{name}.example"}])


async def _sign_itself(cluster: LocalCluster, name: str) -> None:
    """Show what kubeadm's kubelets do: an authority of the node's own, and its name but not its address."""
    authority = Authority.create(f"{name}-ca@1788264000")
    cluster.fleet.present_certificate(name, authority.issue(f"{name}@1788264000", dns_names=[name], server=True))


async def _expire(cluster: LocalCluster, name: str) -> None:
    now = datetime.now(UTC)
    address = next(each["address"] for each in cluster.fleet.node_object(name)["status"]["addresses"])
    pair = cluster.authorities.cluster.issue(
        f"system:node:{name}",
        ip_addresses=[address],
        server=True,
        not_before=now - timedelta(days=31),
        not_after=now - timedelta(days=1),
    )
    cluster.fleet.present_certificate(name, pair)


async def _withhold_certificate(cluster: LocalCluster, name: str) -> None:
    await cluster.fleet.withhold_certificate(name)


async def _skew(cluster: LocalCluster, name: str) -> None:
    cluster.fleet.set_clock(name, SkewedClock(cluster.clock, _AHEAD))


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
    condition = {
        "type": "ScalingActive",
        "status": "False",
        "reason": "FailedGetResourceMetric",
        "message": "the HPA was unable to compute the replica count: failed to get cpu utilization: missing request "
        "for cpu in container app of Pod web-1",
    }
    metric = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
    hpa: JsonObject = {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 1,
            "maxReplicas": 3,
            "metrics": [{"type": "Resource", "resource": metric}],
        },
        "status": {"conditions": [condition], "currentReplicas": 1, "desiredReplicas": 1},
    }
    cluster.objects.create(HORIZONTAL_POD_AUTOSCALERS, hpa)


NODE_FAULTS: Mapping[str, NodeFault] = {
    "hang": NodeFault("accepts and never answers", _behave(lambda _: Hang())),
    "drip": NodeFault("answers a byte a second, without end", _behave(lambda cluster: Drip(cluster.clock))),
    "slow": NodeFault("takes five seconds", _behave(lambda cluster: Delay(cluster.clock, _SLOW)), silences=False),
    "flood": NodeFault("answers with a gigabyte", _behave(lambda _: Flood())),
    "reset": NodeFault("drops connections", _behave(lambda _: DropConnection())),
    "refused": NodeFault("does not listen", _refuse),
    "tls": NodeFault("has signed its certificate itself, for another name", _sign_itself),
    "expired": NodeFault("has a certificate that has expired", _expire),
    "no-certificate": NodeFault("waits for its serving certificate", _withhold_certificate),
    "unauthorized": NodeFault("answers 401", _behave(lambda _: Fail(401, "Unauthorized"))),
    "forbidden": NodeFault(
        "answers 403",
        _behave(lambda _: Fail(403, f"Forbidden (user={_USER}, verb=get, resource=nodes, subresource(s)=[stats])\n")),
    ),
    "no-summary": NodeFault("forbids /stats/summary alone", _behave(lambda _: ForbidStats(_USER)), silences=False),
    "not-found": NodeFault("answers 404", _behave(lambda _: Fail(404, "404: Page Not Found"))),
    "error": NodeFault("answers 500", _behave(lambda _: Fail())),
    "redirect": NodeFault(
        "redirects", _behave(lambda _: Say(b"", 302, headers=(("Location", "https://login.example/"),)))
    ),
    "garbage": NodeFault("answers with a login page", _behave(lambda _: Say(b"<html>log in</html>"))),
    "wrong-node": NodeFault("answers as another node", _behave(lambda _: AnswerForAnother())),
    "no-container-data": NodeFault("says nothing of its pods", _behave(lambda _: OmitPods())),
    "clock-skew": NodeFault("has a clock two minutes ahead", _skew, silences=False),
    "flapping": NodeFault("fails every other time", _behave(lambda _: Flap()), silences=False),
    "no-address": NodeFault("has no address that is looked for", _no_address),
}
"""By name."""

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

_OF_CERTIFICATES = ("tls", "expired", "no-certificate")
