"""The nodes, pods and containers of a fleet, and what their cgroups count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf

from metrics_api.localcluster.fleet.load import MIB, ContainerLoad
from metrics_api.localcluster.fleet.load_sum import LoadSum
from metrics_api.model import PodKey
from metrics_api.timetext import format_rfc3339

_PAUSE_CPU = 28_000_000  # core-nanoseconds, used once when the sandbox starts
_PAUSE_MEMORY = 487_424
_ENDED_KEPT_FOR = 120.0  # longer than the two latest samples of a node reach back


class ContainerKind(StrEnum):
    """What a container is in its pod."""

    APP = "app"
    SIDECAR = "sidecar"
    """A restartable init container: it runs beside the others."""
    INIT = "init"
    """An init container that has finished."""


class WorkloadKind(StrEnum):
    """What owns a pod."""

    DEPLOYMENT = "Deployment"
    STATEFUL_SET = "StatefulSet"
    DAEMON_SET = "DaemonSet"
    STATIC = "Static"


@dataclass(frozen=True, slots=True)
class ContainerTemplate:
    """One container of a workload."""

    name: str
    kind: ContainerKind
    cpu_request_millicores: int
    cpu_mean: float
    """Nanocores of a usual replica; 0 when its replicas idle."""
    memory_middle: float
    """Bytes of a usual replica."""
    memory_limit: int | None
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What pods are made from."""

    kind: WorkloadKind
    namespace: str
    name: str
    uid: str
    template_hash: str
    """``pod-template-hash`` or ``controller-revision-hash``."""
    containers: tuple[ContainerTemplate, ...]


@dataclass(slots=True)
class FleetContainer:
    """One container."""

    template: ContainerTemplate
    salt: int
    """Tells its sampling moments from those of others."""
    load: ContainerLoad | None
    """``None`` for a finished init container."""
    _start_text: tuple[float, str] = (0.0, "")

    @property
    def name(self) -> str:
        """Return its name, unique in its pod."""
        return self.template.name

    def start_text(self, start: float) -> str:
        """Return the start of a life in RFC 3339; kept, for it is asked for at every scrape and hardly changes."""
        known, text = self._start_text
        if known != start:
            text = format_rfc3339(start)
            self._start_text = (start, text)
        return text


@dataclass(slots=True)
class FleetPod:
    """One pod on its node."""

    name: str
    uid: str
    """The API object's; a kubelet says ``config_hash`` for a static pod."""
    workload: Workload
    node_name: str
    address: str
    """Its pod IP; the node's when it shares the node's network."""
    created: float
    """When its sandbox was made: ``status.startTime``."""
    salt: int
    containers: tuple[FleetContainer, ...]
    config_hash: str | None = None
    """32 hexadecimal digits for a static pod, else ``None``."""
    ended: float = inf
    """When it was deleted."""
    loads: tuple[ContainerLoad, ...] = field(init=False)
    """Those of the containers that run."""
    memory_limit: int | None = field(init=False)
    """The limit of the pod's cgroup in bytes, ``None`` unless every container has one."""
    created_text: str = field(init=False)
    """``created`` in RFC 3339."""
    _sum: LoadSum | None = None  # of all its containers; made anew after a change

    def __post_init__(self) -> None:
        loads = []
        limit: int | None = 0
        for container in self.containers:
            if container.load is not None:
                loads.append(container.load)
                own = container.template.memory_limit
                limit = None if own is None or limit is None else limit + own
        self.loads = tuple(loads)
        self.memory_limit = limit
        self.created_text = format_rfc3339(self.created)

    @property
    def key(self) -> PodKey:
        """Return namespace and name."""
        return PodKey(self.workload.namespace, self.name)

    @property
    def kubelet_uid(self) -> str:
        """Return the uid its kubelet reports it under."""
        return self.config_hash or self.uid

    @property
    def running(self) -> Sequence[FleetContainer]:
        """Return the containers that run, sidecars included."""
        return [container for container in self.containers if container.load is not None]

    def restart(self, load: ContainerLoad, time: float) -> None:
        """Begin a new life of one of its containers."""
        load.restart(time)
        self._sum = None

    def cpu_used(self, time: float) -> float:
        """Return core-nanoseconds of its containers by ``time``, restarts notwithstanding; no more after its end."""
        return self._loads_sum().cpu(time if time < self.ended else self.ended)

    def cgroup_cpu(self, time: float) -> float:
        """Return what the pod's cgroup counts: its containers and the sandbox; 0 before it was made."""
        return self.cpu_used(time) + _PAUSE_CPU if time >= self.created else 0.0

    def memory_used(self, time: float) -> int:
        """Return the working sets of its containers in bytes; 0 from its end on."""
        return self._loads_sum().memory(time) if time < self.ended else 0

    def cgroup_memory(self, time: float) -> int:
        """Return the working set of the pod's cgroup: its containers and the sandbox."""
        return self.memory_used(time) + _PAUSE_MEMORY

    def _loads_sum(self) -> LoadSum:
        if self._sum is None:
            self._sum = LoadSum(self.loads)
        return self._sum


@dataclass(slots=True)
class FleetNode:
    """One node."""

    name: str
    uid: str
    index: int
    boot: float
    """When its kernel started."""
    created: float
    """When its kubelet started and registered it."""
    salt: int
    kubelet: ContainerLoad
    runtime: ContainerLoad
    control_plane: bool = False
    cpu_cores: int = 4
    memory: int = 16 << 30
    """Capacity in bytes."""
    max_pods: int = 110
    address: str = ""
    """Where its kubelet listens; empty until the fleet has chosen its network."""
    port: int = 0
    pods: dict[PodKey, FleetPod] = field(default_factory=dict)
    _ended: list[FleetPod] = field(default_factory=list)
    _ended_cpu: float = 0.0
    _sum: LoadSum | None = None  # of all containers; made anew after a change

    def place(self, pod: FleetPod) -> None:
        """Put a pod on the node.

        Raises:
            ValueError: A pod of that name runs there.
        """
        key = pod.key
        if key in self.pods:
            raise ValueError(f"node {self.name} runs a pod {key.namespace}/{pod.name} already")
        self.pods[key] = pod
        self._sum = None

    def restart(self, pod: FleetPod, load: ContainerLoad, time: float) -> None:
        """Begin a new life of a container of one of its pods."""
        pod.restart(load, time)
        self._sum = None

    def end(self, key: PodKey, time: float) -> None:
        """Take a pod off the node; what it used stays in the node's counter."""
        pod = self.pods.pop(key)
        pod.ended = time
        self._sum = None
        self._ended.append(pod)
        while self._ended and self._ended[0].ended < time - _ENDED_KEPT_FOR:
            self._ended_cpu += self._ended.pop(0).cgroup_cpu(time)

    def fit_capacity(self) -> None:
        """Give the node the smallest usual size that holds half as much again as its pods can use at once."""
        loads = [self.kubelet, self.runtime, *(load for pod in self.pods.values() for load in pod.loads)]
        cpu = 1.5 * sum([load.cpu.peak for load in loads]) / 1e9
        memory = 1.5 * sum([load.memory.peak for load in loads])
        self.cpu_cores = next((cores for cores in (4, 8, 16, 32, 64, 128) if cores >= cpu), 256)
        self.memory = next((gib << 30 for gib in (16, 32, 64, 128, 256, 512) if gib << 30 >= memory), 2048 << 30)
        self.max_pods = 110 if len(self.pods) <= 100 else 2 * len(self.pods)

    def pods_cpu(self, time: float) -> float:
        """Return core-nanoseconds of all pods it has had, by ``time``."""
        ended = self._ended_cpu + sum([pod.cgroup_cpu(time) for pod in self._ended])
        return ended + self._pods_sum().cpu(time) + _PAUSE_CPU * self._sandboxes(time)

    def pods_memory(self, time: float) -> int:
        """Return the working sets of its pods in bytes."""
        return self._pods_sum().memory(time) + _PAUSE_MEMORY * self._sandboxes(time)

    def system_cpu(self, time: float) -> float:
        """Return core-nanoseconds of kubelet and container runtime by ``time``."""
        return self.kubelet.total(time) + self.runtime.total(time)

    def system_memory(self, time: float) -> int:
        """Return what kubelet, runtime and kernel hold, in bytes."""
        return self.kubelet.working_set(time) + self.runtime.working_set(time) + 180 * MIB

    def cpu_used(self, time: float) -> float:
        """Return core-nanoseconds used on the node by ``time``."""
        return self.pods_cpu(time) + self.system_cpu(time)

    def memory_used(self, time: float) -> int:
        """Return the node's working set in bytes."""
        return self.pods_memory(time) + self.system_memory(time)

    def _pods_sum(self) -> LoadSum:
        if self._sum is None:
            self._sum = LoadSum([load for pod in self.pods.values() for load in pod.loads])
        return self._sum

    def _sandboxes(self, time: float) -> int:
        return sum([pod.created <= time for pod in self.pods.values()])
