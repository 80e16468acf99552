"""``/stats/summary`` of one node at a moment."""

from __future__ import annotations

from typing import Literal

from metrics_api.localcluster.fleet import summary_text as text
from metrics_api.localcluster.fleet.inventory import FleetNode, FleetPod
from metrics_api.localcluster.fleet.readings import Reading, read_container, read_node, read_pod
from metrics_api.localcluster.fleet.sampling import Sampling
from metrics_api.timetext import format_rfc3339

FirstRate = Literal["zero", "absent"]
"""What ``usageNanoCores`` is after a cgroup's first sample: kubelets do both, by runtime and version."""

_STALLED_PART = 50  # of a busy cgroup's CPU time, one part in so many was waited for
_PADS = {depth: "\n" + " " * (depth + 1) for depth in (2, 3, 4, 5)}

# depth of a container's, a system container's, a pod's and the node's members
_CONTAINER, _SYSTEM, _POD, _NODE = 5, 4, 3, 2


class SummaryWriter:
    """Writes one node's summaries.

    Args:
        node: Whose.
        sample: Which samples its kubelet has.
        pressure: Whether there are ``psi`` blocks, as from Kubernetes 1.34 on.
        first_rate: What the rate is after a first sample.
    """

    def __init__(
        self, node: FleetNode, sample: Sampling, *, pressure: bool = True, first_rate: FirstRate = "zero"
    ) -> None:
        self._node = node
        self._sample = sample
        self._pressure = pressure
        self._first_rate = first_rate

    def document(self, now: float, *, full: bool = False) -> bytes:
        """Return the whole document with file systems and network, or (not ``full``) that of CPU and memory only."""
        node = self._node
        reading = read_node(node, self._sample, now)
        time = format_rfc3339(reading.node.time)
        # Asked for CPU and memory only, a kubelet gives the root cgroup's creation instead of the kernel's boot.
        start = node.boot if full else node.created
        pods = [self._pod(pod, now, full=full) for pod in node.pods.values()]
        return (
            text.DOCUMENT
            % (
                node.name,
                self._system_containers(reading.pods, reading.kubelet, reading.runtime, full=full),
                format_rfc3339(start),
                *self._usage(reading.node, time, _NODE, node.memory),
                text.node_extras(time, pressure=self._pressure) if full else "",
                time,
                "[\n" + ",\n".join(pods) + "\n ]" if pods else "[]",
            )
        ).encode("ascii")

    def _system_containers(self, pods: Reading, kubelet: Reading, runtime: Reading, *, full: bool) -> str:
        time = format_rfc3339(pods.time)
        extras = text.system_container_extras(time, pressure=self._pressure) if full else ""
        blocks = [
            text.SYSTEM_CONTAINER
            % (name, format_rfc3339(reading.start), *self._usage(reading, time, _SYSTEM, None), extras, time)
            for name, reading in (("kubelet", kubelet), ("runtime", runtime))
        ]
        usage = self._usage(pods, time, _SYSTEM, self._node.memory)
        blocks.append(text.PODS_CGROUP % ("pods", format_rfc3339(pods.start), *usage, extras, time))
        return ",\n".join(blocks)

    def _pod(self, pod: FleetPod, now: float, *, full: bool) -> str:
        reading = read_pod(pod, self._sample, now)
        time = format_rfc3339(reading.time)
        limit = pod.memory_limit
        return (text.POD if limit is None else text.POD_WITH_LIMIT) % (
            pod.name,
            pod.workload.namespace,
            pod.kubelet_uid,
            pod.created_text,
            self._containers(pod, now, full=full),
            *self._usage(reading, time, _POD, limit),
            text.pod_extras(time, pressure=self._pressure) if full else "",
            time,
        )

    def _containers(self, pod: FleetPod, now: float, *, full: bool) -> str:
        blocks = []
        for container in pod.containers:
            reading = read_container(container, self._sample, now)
            if reading is None:
                continue
            time = format_rfc3339(reading.time)
            blocks.append(
                text.CONTAINER
                % (
                    container.template.name,
                    container.start_text(reading.start),
                    *self._usage(reading, time, _CONTAINER, container.template.memory_limit or 0),
                    text.container_extras(time, pressure=self._pressure) if full else "",
                    time,
                )
            )
        return ",\n".join(blocks)

    def _usage(self, reading: Reading, time: str, depth: int, limit: int | None) -> tuple[str | int, ...]:
        """Return what fills the ``cpu`` and ``memory`` members; ``limit`` 0 is a gap without a limit to report."""
        _, _, counter, rate, working_set = reading
        if rate is None and self._first_rate == "absent":
            rate_member = ""
        else:
            rate_member = f'{_PADS[depth]}"usageNanoCores": {rate or 0},'
        cpu_pressure = memory_pressure = ""
        if self._pressure:
            cpu_pressure = memory_pressure = text.NO_PRESSURE[depth]
            if rate:
                busy = 1 + (rate > 20_000_000) + (rate > 200_000_000)
                cpu_pressure = text.CPU_PRESSURE[depth][busy] % (counter // _STALLED_PART)
        memory = (
            working_set + (working_set >> 12 << 10),
            working_set,
            working_set - (working_set >> 13 << 11),
            800 + counter // 100_000_000,
            memory_pressure,
        )
        if limit is None:
            return (time, rate_member, counter, cpu_pressure, time, *memory)
        return (time, rate_member, counter, cpu_pressure, time, max(limit - working_set, 0), *memory)
