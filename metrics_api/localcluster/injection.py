"""Faults by name, for the demo: what can go wrong with kubelets, and with what leads to an extension server.

Each says what a person who runs a cluster would see, not which switch brings it about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.cluster_faults import CLUSTER_FAULTS
from metrics_api.localcluster.node_faults import NODE_FAULTS, OF_CERTIFICATES, Silenced


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
        """How many nodes then have no metrics, nor have their pods."""
        return sum(count for name, count in self.nodes.items() if NODE_FAULTS[name].silences is Silenced.ALL)

    @property
    def nodes_with_silent_pods(self) -> int:
        """On how many nodes pods then have no metrics, whether or not the node has."""
        return sum(count for name, count in self.nodes.items() if NODE_FAULTS[name].silences is not Silenced.NOTHING)

    @property
    def breaks(self) -> bool:
        """Whether the metrics API then does not work."""
        return any(CLUSTER_FAULTS[name].breaks for name in self.cluster)

    @property
    def needs_own_certificates(self) -> bool:
        """Whether nodes must not share certificates."""
        return any(name in OF_CERTIFICATES for name in self.nodes)


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
