"""What a kubelet knows of each cgroup at a moment: its latest sample, and the rate since the one before."""

from __future__ import annotations

from typing import NamedTuple

from metrics_api.localcluster.fleet import sampling
from metrics_api.localcluster.fleet.inventory import FleetContainer, FleetNode, FleetPod
from metrics_api.localcluster.fleet.load import ContainerLoad
from metrics_api.localcluster.fleet.sampling import Sampling


class Reading(NamedTuple):
    """One cgroup in one answer."""

    start: float
    """When the cgroup was made: for a container, when this life of it began."""
    time: float
    """When it was sampled."""
    counter: int
    """Core-nanoseconds since ``start``."""
    rate: int | None
    """Nanocores, mean since the sample before; ``None`` when this is the first one."""
    working_set: int
    """Bytes."""


class NodeReading(NamedTuple):
    """The root cgroup and those under it that are no pod's, all sampled at once."""

    node: Reading
    pods: Reading
    """All pods together."""
    kubelet: Reading
    runtime: Reading


def read_container(container: FleetContainer, sample: Sampling, now: float) -> Reading | None:
    """Return the container's reading, ``None`` when it does not run at ``now``."""
    load = container.load
    if load is None:
        return None
    start = load.life_start(now)
    if start > now:
        return None
    cadence = sampling.IDLE if load.idle else sampling.WORKING
    time, previous = sample(start, container.salt, cadence, now)
    counter = int(load.counter(time, start))
    rate = None if previous is None else _rate(counter, load.counter(previous, start), time - previous)
    return Reading(start, time, counter, rate, load.working_set(time))


def read_pod(pod: FleetPod, sample: Sampling, now: float) -> Reading:
    """Return the reading of the pod's own cgroup, which has sampling moments of its own."""
    time, previous = sample(pod.created, pod.salt, sampling.WORKING, now)
    counter = int(pod.cgroup_cpu(time))
    rate = None if previous is None else _rate(counter, pod.cgroup_cpu(previous), time - previous)
    return Reading(pod.created, time, counter, rate, pod.cgroup_memory(time))


def read_node(node: FleetNode, sample: Sampling, now: float) -> NodeReading:
    """Return the readings of the node's own cgroups."""
    time, previous = sample(node.created, node.salt, sampling.NODE, now)
    pods_now = node.pods_cpu(time)
    counter = int(pods_now + node.system_cpu(time))
    pods_rate = rate = None
    if previous is not None:
        pods_before = node.pods_cpu(previous)
        pods_rate = _rate(int(pods_now), pods_before, time - previous)
        rate = _rate(counter, pods_before + node.system_cpu(previous), time - previous)
    memory = node.pods_memory(time)
    whole = memory + node.system_memory(time)
    return NodeReading(
        Reading(node.boot, time, counter, rate, whole),
        Reading(node.created, time, int(pods_now), pods_rate, memory),
        _read_system(node.kubelet, time, previous),
        _read_system(node.runtime, time, previous),
    )


def _read_system(load: ContainerLoad, time: float, previous: float | None) -> Reading:
    counter = int(load.total(time))
    rate = None if previous is None else _rate(counter, load.total(previous), time - previous)
    return Reading(load.created, time, counter, rate, load.working_set(time))


def _rate(counter: int, before: float, seconds: float) -> int:
    return int((counter - int(before)) / seconds)
