"""Who lives in a fleet: nodes, workloads and pods drawn from a seed, in proportions that clusters have.

A namespace of a large cluster has about 300 pods and its workloads about 15 replicas each, spread over the nodes, so
that a HorizontalPodAutoscaler's query matches 15 of 300. Pods have 1.67 containers on average.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random

from metrics_api.localcluster.fleet.inventory import (
    ContainerKind,
    ContainerTemplate,
    FleetContainer,
    FleetNode,
    FleetPod,
    Workload,
    WorkloadKind,
)
from metrics_api.localcluster.fleet.load import IDLE, MIB, ContainerLoad, draw_cpu_curve, draw_memory_curve
from metrics_api.localcluster.fleet.names import draw_suffix, draw_uid, namespace_names, workload_names

_NAMESPACE_PODS = 300
_REPLICAS_PER_NAMESPACE = 20  # a workload has this part of its namespace's pods
_DAY = 86_400.0
_CONTAINER_COUNTS, _CONTAINER_WEIGHTS = (1, 2, 3), (50, 33, 17)  # mean 1.67
_COMPANIONS = ("envoy", "log-shipper", "metrics-exporter", "oauth-proxy", "vault-agent", "config-reloader")
_CONTROL_PLANE = (
    ("etcd", 45e6, 140 * MIB),
    ("kube-apiserver", 120e6, 620 * MIB),
    ("kube-controller-manager", 30e6, 110 * MIB),
    ("kube-scheduler", 8e6, 60 * MIB),
)
_CONTROL_PLANE_EVERY = 25  # nodes
SYSTEM_NAMESPACE = "kube-system"
# An enumeration's member is looked up by a call, and these are for every pod.
_DEPLOYMENT, _STATEFUL_SET, _STATIC = WorkloadKind.DEPLOYMENT, WorkloadKind.STATEFUL_SET, WorkloadKind.STATIC
_INIT = ContainerKind.INIT


class Population:
    """Draws workloads, nodes and pods; the same seed and the same calls give the same ones.

    Args:
        seed: Any integer.
        epoch: When the fleet begins; everything drawn by ``populate`` is older, so that it has its samples.
    """

    def __init__(self, seed: int, epoch: float) -> None:
        self._rng = Random(seed)  # noqa: S311 -- a model of load, not a secret
        self._epoch = epoch
        self._kube_proxy = self._system_workload(WorkloadKind.DAEMON_SET, "kube-proxy", 3e6, 32 * MIB)
        self._control_plane = tuple(
            self._system_workload(WorkloadKind.STATIC, name, cpu, memory) for name, cpu, memory in _CONTROL_PLANE
        )
        self._applications: list[Workload] = []
        self._pod_count = 0
        self._suffixes: set[tuple[str, str]] = set()  # of a workload's uid, given out
        self._replicas: Counter[str] = Counter()  # a StatefulSet's uid -> how many names it has given out

    @property
    def namespaces(self) -> list[str]:
        """Return the names of the namespaces used, in order of their creation."""
        return list(dict.fromkeys([SYSTEM_NAMESPACE, *(workload.namespace for workload in self._applications)]))

    def populate(self, nodes: int, pods_per_node: int) -> list[FleetNode]:
        """Return nodes with their pods; call it once."""
        drawn = [self.draw_node(index, self._epoch - self._rng.uniform(1, 60) * _DAY) for index in range(nodes)]
        free = [pods_per_node - self._place_system_pods(node, pods_per_node) for node in drawn]
        replicas = self._application_replicas(sum(free))
        while any(free):
            for index, node in enumerate(drawn):
                if free[index]:
                    free[index] -= 1
                    self.place(node, next(replicas))
        for node in drawn:
            node.fit_capacity()
        return drawn

    def populate_node(self, index: int, pods: int, now: float) -> FleetNode:
        """Return a node that has just come up with its pods."""
        node = self.draw_node(index, now)
        for number in range(pods):
            self.place(node, self.any_application() if number else self._kube_proxy, started=now)
        node.fit_capacity()
        return node

    def draw_node(self, index: int, created: float) -> FleetNode:
        """Return a node without pods."""
        rng = self._rng
        boot = created - rng.uniform(40, 90)
        return FleetNode(
            name=f"node-{index:05d}",
            uid=draw_uid(rng),
            index=index,
            boot=boot,
            created=created,
            salt=rng.getrandbits(32),
            kubelet=self._system_load(40e6, 95 * MIB, boot),
            runtime=self._system_load(25e6, 180 * MIB, boot),
            control_plane=index % _CONTROL_PLANE_EVERY == 0,
        )

    def any_application(self) -> Workload:
        """Return one of the application workloads."""
        if not self._applications:
            self._applications.extend(self._draw_workloads(next(namespace_names()), 2))
        return self._rng.choice(self._applications)

    def place(self, node: FleetNode, workload: Workload, *, started: float | None = None, name: str = "") -> FleetPod:
        """Make a pod and put it on the node.

        Args:
            node: Where.
            workload: What of.
            started: When its containers start; ``None`` draws a time before the epoch.
            name: The pod's name; empty draws one.
        """
        rng = self._rng
        draw = rng.random
        if started is None:
            started = max(node.created + 15, self._epoch - (0.01 + 19.99 * draw()) * _DAY)
            started = min(started, self._epoch - 60)
        self._pod_count += 1
        pod = FleetPod(
            name=name or self._pod_name(workload, node),
            uid=draw_uid(rng),
            workload=workload,
            node_name=node.name,
            address="" if workload.namespace == SYSTEM_NAMESPACE else self._pod_address(),
            created=started - (0.8 + 1.7 * draw()),
            salt=rng.getrandbits(32),
            containers=tuple([self._draw_container(template, started) for template in workload.containers]),
            config_hash=f"{rng.getrandbits(128):032x}" if workload.kind is _STATIC else None,
        )
        node.place(pod)
        return pod

    def _place_system_pods(self, node: FleetNode, limit: int) -> int:
        workloads = [self._kube_proxy, *(self._control_plane if node.control_plane else ())][: max(limit - 1, 0)]
        for workload in workloads:
            self.place(node, workload)
        return len(workloads)

    def _application_replicas(self, count: int) -> Iterator[Workload]:
        namespaces = max(3, round(count / _NAMESPACE_PODS))
        names = namespace_names()
        while True:
            pods = max(2, -(-count // namespaces))
            for workload in self._draw_workloads(next(names), pods):
                self._applications.append(workload)
                for _ in range(_replicas(pods)):
                    yield workload

    def _draw_workloads(self, namespace: str, pods: int) -> Iterator[Workload]:
        names = workload_names(self._rng)
        for number in range(-(-pods // _replicas(pods))):
            name = next(names)
            kind = WorkloadKind.STATEFUL_SET if number % 8 == 3 else WorkloadKind.DEPLOYMENT
            yield self._workload(kind, namespace, name, tuple(self._draw_templates(name)))

    def _draw_templates(self, name: str) -> Iterator[ContainerTemplate]:
        rng = self._rng
        if rng.random() < 0.25:
            yield self._template("migrate", ContainerKind.INIT, 0, 0)
        (count,) = rng.choices(_CONTAINER_COUNTS, _CONTAINER_WEIGHTS)
        companions = rng.sample(_COMPANIONS, count - 1)
        sidecars = [companion for companion in companions if rng.random() < 0.3]
        for companion in sidecars:
            yield self._companion(companion, ContainerKind.SIDECAR)
        mean = min(rng.lognormvariate(2.1, 1.1), 250) * 1e6
        middle = min(rng.lognormvariate(4.3, 0.8), 1500) * MIB
        yield self._template(name, ContainerKind.APP, mean, middle)
        for companion in companions:
            if companion not in sidecars:
                yield self._companion(companion, ContainerKind.APP)

    def _companion(self, name: str, kind: ContainerKind) -> ContainerTemplate:
        return self._template(name, kind, self._rng.uniform(0.3, 6) * 1e6, self._rng.uniform(8, 60) * MIB)

    def _template(self, name: str, kind: ContainerKind, mean: float, middle: float) -> ContainerTemplate:
        idle = kind is not ContainerKind.INIT and self._rng.random() < 0.12
        limit = int(middle * 2.5) // MIB * MIB if middle and self._rng.random() < 0.6 else None
        return ContainerTemplate(name, kind, max(10, round(mean / 1e6)), 0.0 if idle else mean, middle, limit)

    def _workload(
        self, kind: WorkloadKind, namespace: str, name: str, containers: tuple[ContainerTemplate, ...]
    ) -> Workload:
        template_hash = draw_suffix(self._rng) + draw_suffix(self._rng)
        return Workload(kind, namespace, name, draw_uid(self._rng), template_hash, containers)

    def _system_workload(self, kind: WorkloadKind, name: str, cpu: float, memory: float) -> Workload:
        container = ContainerTemplate(name, ContainerKind.APP, 100, cpu, memory, None)
        return self._workload(kind, SYSTEM_NAMESPACE, name, (container,))

    def _draw_container(self, template: ContainerTemplate, started: float) -> FleetContainer:
        rng = self._rng
        draw = rng.random
        salt = rng.getrandbits(32)
        if template.kind is _INIT:
            return FleetContainer(template, salt, None)
        idle = not template.cpu_mean or draw() < 0.05
        load = ContainerLoad(
            IDLE if idle else draw_cpu_curve(rng, template.cpu_mean * (0.7 + 0.6 * draw())),
            draw_memory_curve(rng, template.memory_middle * (0.8 + 0.4 * draw())),
            startup=24_000_000 + int(36_000_000 * draw()),
            started=started - 0.3 * draw(),
            epoch=self._epoch,
            restart_every=300 + 3300 * draw() if draw() < 0.01 else None,
        )
        return FleetContainer(template, salt, load)

    def _system_load(self, cpu: float, memory: float, started: float) -> ContainerLoad:
        rng = self._rng
        curve = draw_cpu_curve(rng, cpu * rng.uniform(0.7, 1.3))
        return ContainerLoad(
            curve, draw_memory_curve(rng, memory), startup=900_000_000, started=started, epoch=self._epoch
        )

    def _with_suffix(self, prefix: str, workload: Workload) -> str:
        """Return a name nobody had: among a thousand of one DaemonSet two draw the same suffix now and then."""
        while (key := (workload.uid, draw_suffix(self._rng))) in self._suffixes:
            pass
        self._suffixes.add(key)
        return f"{prefix}-{key[1]}"

    def _pod_name(self, workload: Workload, node: FleetNode) -> str:
        kind = workload.kind
        if kind is _DEPLOYMENT:
            return self._with_suffix(f"{workload.name}-{workload.template_hash}", workload)
        if kind is _STATEFUL_SET:
            self._replicas[workload.uid] += 1
            return f"{workload.name}-{self._replicas[workload.uid] - 1}"
        if kind is _STATIC:
            return f"{workload.name}-{node.name}"
        return self._with_suffix(workload.name, workload)

    def _pod_address(self) -> str:
        return f"10.{128 + self._pod_count // 65536 % 128}.{self._pod_count // 256 % 256}.{self._pod_count % 256}"


def _replicas(namespace_pods: int) -> int:
    return max(2, namespace_pods // _REPLICAS_PER_NAMESPACE)
