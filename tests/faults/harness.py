"""Two simulated kubelets on real sockets with TLS, and the client that asks them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from metrics_api.clock import Clock, SystemClock
from metrics_api.kubelet.client import KubeletClient
from metrics_api.kubelet.options import EndpointMode, KubeletOptions, Network, TlsOptions, TlsVerification
from metrics_api.kubelet.tls import TlsContexts
from metrics_api.kubelet.transport import KubeletTransport
from metrics_api.localcluster.fleet.authorization import AcceptedTokens
from metrics_api.localcluster.fleet.certificates import Certificates
from metrics_api.localcluster.fleet.server import Fleet
from metrics_api.model import NodeInfo, NodeSamples
from tests.kubelet.fakes import Tokens

BAD, GOOD = "node-00000", "node-00001"
PODS = 4
"""On each."""


class Harness:
    """A fleet of two, and the client that asks them."""

    def __init__(self, fleet: Fleet, client: KubeletClient, nodes: dict[str, NodeInfo]) -> None:
        self.fleet = fleet
        self.client = client
        self.nodes = nodes

    async def scrape(self, name: str, deadline: float = 5.0) -> NodeSamples:
        return await self.client.scrape(self.nodes[name], deadline=deadline)


def node_info(fleet: Fleet, name: str) -> NodeInfo:
    found = fleet.node_object(name)
    addresses = tuple((each["type"], each["address"]) for each in found["status"]["addresses"])
    port = found["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
    return NodeInfo(
        name=name, uid=found["metadata"]["uid"], labels={}, addresses=addresses, kubelet_port=port, max_pods=110
    )


@asynccontextmanager
async def harness(
    endpoint: EndpointMode = "summary",
    *,
    certificates: Certificates = "per_node",
    verify: TlsVerification = "full",
    clock: Clock | None = None,
    fleet_clock: Clock | None = None,
    denied: tuple[Network, ...] = (),
) -> AsyncIterator[Harness]:
    """Yield both. ``clock`` is ours, ``fleet_clock`` the kubelets'; what is not given is the system's."""
    clock, tokens = clock or SystemClock(), AcceptedTokens({"good"})
    async with Fleet(
        2,
        PODS,
        clock=fleet_clock or clock,
        authorizer=tokens,
        sampling="on_demand",
        certificates=certificates,
    ) as fleet:
        options = KubeletOptions(
            address_types=("InternalIP",),
            use_node_status_port=True,
            denied_networks=denied,
            endpoint=endpoint,
            tls=TlsOptions(ca_data=fleet.authority.certificate, verify=verify),
        )
        client = KubeletClient(options, Tokens("good"), KubeletTransport(TlsContexts(options.tls, clock)), clock)
        try:
            yield Harness(fleet, client, {name: node_info(fleet, name) for name in fleet.node_names})
        finally:
            await client.close()
