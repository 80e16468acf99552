"""A fleet of simulated kubelets, and the objects that an API server would have for their nodes and pods."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Literal, NamedTuple, Self

from metrics_api.clock import Clock
from metrics_api.errors import StartupError
from metrics_api.localcluster.fleet.authorization import Authorizer
from metrics_api.localcluster.fleet.behaviour import Behaviour
from metrics_api.localcluster.fleet.certificates import Certificates, ServingContexts, present
from metrics_api.localcluster.fleet.inventory import FleetNode
from metrics_api.localcluster.fleet.kubelet import Counts, Kubelet
from metrics_api.localcluster.fleet.listeners import Listeners
from metrics_api.localcluster.fleet.network import LoopbackNetwork
from metrics_api.localcluster.fleet.objects import JsonObject, namespace_object, node_object
from metrics_api.localcluster.fleet.pod_objects import pod_object
from metrics_api.localcluster.fleet.population import Population
from metrics_api.localcluster.fleet.resource import ResourceWriter
from metrics_api.localcluster.fleet.sampling import kubelet_instants, on_demand_instants
from metrics_api.localcluster.fleet.summary import FirstRate, SummaryWriter
from metrics_api.localcluster.fleet.truth import Truth, running_container
from metrics_api.model import PodKey
from metrics_api.pki import Authority, KeyPair

SamplingMode = Literal["kubelet", "on_demand"]
"""Samples 10 to 30 s apart as a kubelet takes them, or taken when asked."""

_SAMPLINGS = {"kubelet": kubelet_instants, "on_demand": on_demand_instants}
_NAMESPACE_AGE = 90 * 86_400.0


class NodeObjects(NamedTuple):
    """A node that came or went, with its pods."""

    node: JsonObject
    pods: list[JsonObject]


class Fleet:
    """Kubelets on loopback addresses; ``async with`` starts and stops them.

    Everything they say follows from the seed, the epoch, the clock and the changes made. A second fleet made with the
    same arguments, ``epoch``, ``network`` and ``port`` among them, has the same objects and the same truth without
    being started: so a benchmark asks for the truth of a fleet that runs in another process.

    Methods that name a node or pod which is not there raise ``LookupError``.

    Args:
        nodes: How many at the beginning.
        pods_per_node: Running pods on each, static ones and those of DaemonSets included.
        clock: The time of samples, documents, idle connections and objects.
        authorizer: Who may read.
        seed: Of everything drawn.
        authority: Signs the serving certificates; ``None`` makes one.
        client_authorities: PEM of the authorities of client certificates; ``None`` asks for no certificates.
        sampling: Which samples the kubelets have.
        psi: Whether summaries have pressure blocks, as from Kubernetes 1.34 on.
        first_rate: What ``usageNanoCores`` is after a first sample.
        epoch: Unix time at which the fleet begins; ``None`` is now. Its first pods and nodes are older.
        network: First three octets of the first address; ``None`` chooses, and tries again if it is in use.
        port: The port of all; 0 chooses.
        certificates: A certificate for each node, or shared ones.
        idle_timeout: Seconds after which a kubelet closes an idle connection.
    """

    def __init__(
        self,
        nodes: int,
        pods_per_node: int,
        *,
        clock: Clock,
        authorizer: Authorizer,
        seed: int = 1,
        authority: Authority | None = None,
        client_authorities: bytes | None = None,
        sampling: SamplingMode = "kubelet",
        psi: bool = True,
        first_rate: FirstRate = "zero",
        epoch: float | None = None,
        network: str | None = None,
        port: int = 0,
        certificates: Certificates = "per_node",
        idle_timeout: float = 90.0,
    ) -> None:
        self.clock = clock
        self.epoch = clock.now() if epoch is None else epoch
        self.authority = authority or Authority.create("kubelet-serving")
        """Whose certificates the kubelets serve with."""
        self._authorizer = authorizer
        self._sample = _SAMPLINGS[sampling]
        self._psi = psi
        self._first_rate: FirstRate = first_rate
        self._certificates: Certificates = certificates
        self._population = Population(seed, self.epoch)
        self._nodes = {node.name: node for node in self._population.populate(nodes, pods_per_node)}
        self._kubelets = {name: self._kubelet(node) for name, node in self._nodes.items()}
        self._node_of = {key: node for node in self._nodes.values() for key in node.pods}
        self._next_index = nodes
        loopback = LoopbackNetwork(block=network, port=port)
        if network is not None and port:
            for node in self._nodes.values():
                node.address, node.port = loopback.address(node.index), port
        contexts = ServingContexts(self.authority, client_authorities)
        self._listeners = Listeners(loopback, contexts, clock, idle_timeout)
        self.truth = Truth(self._nodes, self._running_node)

    async def __aenter__(self) -> Self:
        """Start all kubelets.

        Raises:
            StartupError: No port is free on all their addresses.
        """
        await self._listeners.start(list(self._kubelets.values()), self._certificates)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop all kubelets and drop their connections."""
        await self._listeners.close()

    # -- the objects --

    @property
    def node_names(self) -> list[str]:
        """Return the names of all nodes, in the order they came."""
        return list(self._nodes)

    @property
    def pod_keys(self) -> list[PodKey]:
        """Return the names of all pods."""
        return list(self._node_of)

    def node_objects(self) -> Iterator[JsonObject]:
        """Yield all Nodes; raises ``StartupError`` while their addresses are not known."""
        return (self.node_object(name) for name in self._nodes)

    def pod_objects(self) -> Iterator[JsonObject]:
        """Yield all Pods, node by node; raises ``StartupError`` while their nodes' addresses are not known."""
        return (self.pod_object(key) for node in self._nodes.values() for key in node.pods)

    def namespace_objects(self) -> Iterator[JsonObject]:
        """Yield the Namespaces of the pods."""
        return (namespace_object(name, self.epoch - _NAMESPACE_AGE) for name in self._population.namespaces)

    def node_object(self, name: str) -> JsonObject:
        """Return one Node as it is now."""
        return node_object(_addressed(self._node(name)), self.clock.now())

    def pod_object(self, key: PodKey) -> JsonObject:
        """Return one Pod as it is now; containers that restart by themselves show in its status."""
        node = self._running_node(key)
        return pod_object(node.pods[key], _addressed(node), self.clock.now())

    # -- changes --

    async def add_node(self, pods: int = 0) -> NodeObjects:
        """Start one more node whose pods start now, and return the objects.

        Raises:
            StartupError: Its address is taken.
        """
        node = self._population.populate_node(self._next_index, pods, self.clock.now())
        self._next_index += 1
        kubelet = self._kubelet(node)
        await self._listeners.add(kubelet)
        self._nodes[node.name] = node
        self._kubelets[node.name] = kubelet
        self._node_of.update(dict.fromkeys(node.pods, node))
        return self._objects_of(node)

    async def remove_node(self, name: str) -> NodeObjects:
        """Stop a node: its port is closed and its pods are gone. Return the objects as they last were."""
        node = self._node(name)
        objects = self._objects_of(node)
        del self._nodes[name], self._kubelets[name]
        for key in node.pods:
            del self._node_of[key]
        await self._listeners.remove(name)
        return objects

    def add_pod(self, node_name: str, *, like: PodKey | None = None) -> JsonObject:
        """Start a pod now, another replica of what ``like`` is or of any application, and return it."""
        node = self._node(node_name)
        model = None if like is None else self._running_node(like).pods[like]
        workload = self._population.any_application() if model is None else model.workload
        pod = self._population.place(node, workload, started=self.clock.now())
        self._node_of[pod.key] = node
        return self.pod_object(pod.key)

    def remove_pod(self, key: PodKey) -> JsonObject:
        """Delete a pod and return it as it last was."""
        removed = self.pod_object(key)
        self._node_of.pop(key).end(key, self.clock.now())
        return removed

    def recreate_pod(self, key: PodKey, *, node_name: str | None = None) -> tuple[JsonObject, JsonObject]:
        """Delete a pod and start one of the same name, as a StatefulSet does; return the old one and the new.

        Args:
            key: Which.
            node_name: Where the new one runs; ``None`` is the same node.
        """
        node = self._running_node(key)
        target = node if node_name is None else self._node(node_name)
        workload = node.pods[key].workload
        removed = self.remove_pod(key)
        self._population.place(target, workload, started=self.clock.now(), name=key.name)
        self._node_of[key] = target
        return removed, self.pod_object(key)

    def restart_container(self, key: PodKey, container: str) -> JsonObject:
        """Let a running container start anew now, and return its pod."""
        node = self._running_node(key)
        pod = node.pods[key]
        _, load = running_container(pod, container)
        node.restart(pod, load, self.clock.now())
        return self.pod_object(key)

    def behave(self, node_name: str, behaviour: Behaviour | None) -> None:
        """Let a node's kubelet do something else than answer; ``None`` heals it."""
        self._node(node_name)
        self._kubelets[node_name].behaviour = behaviour

    def set_clock(self, node_name: str, clock: Clock) -> None:
        """Let a node have a clock of its own."""
        self._node(node_name)
        self._kubelets[node_name].clock = clock

    def present_certificate(self, node_name: str, pair: KeyPair) -> None:
        """Let a node's kubelet show another serving certificate from the next connection on.

        With shared certificates its neighbours do the same.
        """
        present(self._listeners.context(node_name), pair)

    async def start_anew(self, node_name: str, pair: KeyPair) -> None:
        """Let a node's kubelet begin anew with this certificate: no connection and no TLS session goes on."""
        self._node(node_name)
        await self._listeners.start_anew(self._kubelets[node_name], pair)

    async def withhold_certificate(self, node_name: str) -> None:
        """Let a node's kubelet have no serving certificate yet."""
        self._node(node_name)
        await self._listeners.withhold_certificate(self._kubelets[node_name])

    @property
    def counts(self) -> Mapping[str, Counts]:
        """Return what each node's kubelet has seen."""
        return {name: kubelet.counts for name, kubelet in self._kubelets.items()}

    def _kubelet(self, node: FleetNode) -> Kubelet:
        return Kubelet(
            node,
            summary=SummaryWriter(node, self._sample, pressure=self._psi, first_rate=self._first_rate),
            resource=ResourceWriter(node, self._sample),
            authorizer=self._authorizer,
            clock=self.clock,
        )

    def _objects_of(self, node: FleetNode) -> NodeObjects:
        now = self.clock.now()
        return NodeObjects(
            node_object(_addressed(node), now), [pod_object(pod, node, now) for pod in node.pods.values()]
        )

    def _node(self, name: str) -> FleetNode:
        node = self._nodes.get(name)
        if node is None:
            raise LookupError(f"the fleet has no node {name!r}")
        return node

    def _running_node(self, key: PodKey) -> FleetNode:
        node = self._node_of.get(key)
        if node is None:
            raise LookupError(f"the fleet has no pod {key.namespace}/{key.name}")
        return node


def _addressed(node: FleetNode) -> FleetNode:
    if not node.address:
        raise StartupError(f"node {node.name} has no address yet; start the fleet, or give it a network and a port")
    return node


async def serve_fleet(fleet: Fleet, started: asyncio.Event | None = None) -> None:
    """Serve until cancelled; for a process of its own.

    Args:
        fleet: What to serve.
        started: Set once every kubelet listens.
    """
    async with fleet:
        if started is not None:
            started.set()
        await asyncio.get_running_loop().create_future()
