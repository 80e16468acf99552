"""What can go wrong with a kubelet, by name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

from metrics_api.localcluster import extension
from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.fleet.behaviour import Behaviour, Delay, DropConnection, Fail, ForbidStats, Hang
from metrics_api.localcluster.fleet.hostile import Drip, Flood, Say
from metrics_api.localcluster.fleet.lying import AnswerForAnother, Flap, OmitPods, SkewedClock
from metrics_api.localcluster.resources import (
    NODES,
)
from metrics_api.pki import Authority

_AHEAD = 120.0
_SLOW = 5.0
_NOBODY_LISTENS = 1
_USER = f"system:serviceaccount:{extension.NAMESPACE}:{extension.NAME}"

OF_CERTIFICATES = ("tls", "expired", "no-certificate")
"""Those that need a certificate of the node's own."""


class Silenced(Enum):
    """What then has no metrics."""

    NOTHING = 0
    PODS = 1
    ALL = 2


@dataclass(frozen=True, slots=True)
class NodeFault:
    """Something wrong with single nodes."""

    summary: str
    inject: Callable[[LocalCluster, str], Awaitable[None]]
    silences: Silenced = Silenced.ALL
    """What of the node, with its pods, then has no metrics."""


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


NODE_FAULTS: Mapping[str, NodeFault] = {
    "hang": NodeFault("accepts and never answers", _behave(lambda _: Hang())),
    "drip": NodeFault("answers a byte a second, without end", _behave(lambda cluster: Drip(cluster.clock))),
    "slow": NodeFault(
        "takes five seconds", _behave(lambda cluster: Delay(cluster.clock, _SLOW)), silences=Silenced.NOTHING
    ),
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
    "no-summary": NodeFault(
        "forbids /stats/summary alone", _behave(lambda _: ForbidStats(_USER)), silences=Silenced.NOTHING
    ),
    "not-found": NodeFault("answers 404", _behave(lambda _: Fail(404, "404: Page Not Found"))),
    "error": NodeFault("answers 500", _behave(lambda _: Fail())),
    "redirect": NodeFault(
        "redirects", _behave(lambda _: Say(b"", 302, headers=(("Location", "https://login.example/"),)))
    ),
    "garbage": NodeFault("answers with a login page", _behave(lambda _: Say(b"<html>log in</html>"))),
    "wrong-node": NodeFault("answers as another node", _behave(lambda _: AnswerForAnother())),
    "no-container-data": NodeFault("says nothing of its pods", _behave(lambda _: OmitPods()), Silenced.PODS),
    "clock-skew": NodeFault("has a clock two minutes ahead", _skew, silences=Silenced.NOTHING),
    "flapping": NodeFault("fails every other time", _behave(lambda _: Flap()), silences=Silenced.NOTHING),
    "no-address": NodeFault("has no address that is looked for", _no_address),
}
"""By name."""
