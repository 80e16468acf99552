"""The Summary document, ``/stats/summary?only_cpu_and_memory=true``, into samples.

What is checked here is what can be told from the document alone: who it is of, names, ranges, times, duplicates,
numbers of things. Whether a reading is plausible in size or age is for who keeps the earlier ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from metrics_api.errors import ScrapeError
from metrics_api.kubelet.dropped import Dropped
from metrics_api.kubelet.names import is_pod_name, is_uid, shared_label
from metrics_api.kubelet.summary_document import (
    ContainerStats,
    NodeStats,
    PodStats,
    read_document,
)
from metrics_api.model import Endpoint, NodeInfo, NodeSamples, PodSample, Sample
from metrics_api.timetext import parse_rfc3339

MOST_CONTAINERS = 200
"""Containers read of one pod."""
_LEAST_PODS = 1000
_TIME_STEP = 1.0  # metav1.Time is written in whole seconds, cut


def most_pods(node: NodeInfo) -> int:
    """Return how many pods of a node's document are read: twice what it may run, at least 1000."""
    return max(2 * (node.max_pods or 0), _LEAST_PODS)


def decode_summary(
    body: bytes, node: NodeInfo, *, requested: float, received: float, server_time: float | None = None
) -> NodeSamples:
    """Return what the document says.

    Args:
        body: The document.
        node: Who was asked; the document must name it.
        requested: Our clock when the request was sent.
        received: Our clock when the answer had come.
        server_time: The ``Date`` header.

    Raises:
        DecodeError: it is no Summary document.
        ScrapeError: ``wrong_node``, it is another node's.
    """
    dropped = Dropped()
    document = read_document(body, dropped)
    stats = document.node
    if stats.node_name != node.name:
        raise ScrapeError(
            "wrong_node",
            f"the kubelet says it is node {stats.node_name[:253]!r}: another machine has this address now, or a load"
            " balancer stands before it",
        )
    pods = document.pods or []
    limit = most_pods(node)
    if len(pods) > limit:
        dropped["too_many"] += len(pods) - limit
        pods = pods[:limit]
    node_sample = _sample(stats, dropped)
    return NodeSamples(
        node=node_sample,
        pods=_pods(pods, dropped),
        endpoint=Endpoint.SUMMARY,
        time_step=_TIME_STEP,
        received=received,
        requested=requested,
        server_time=server_time,
        dropped=dropped.counts(),
        dropped_at=dropped.places(),
    )


def _pods(pods: Sequence[PodStats], dropped: Dropped) -> list[PodSample]:
    found: dict[tuple[str, str, str], PodSample] = {}
    for stats in pods:
        reference = dropped.place = stats.pod_ref
        name, uid = reference.name, reference.uid
        namespace = shared_label(reference.namespace)
        if namespace is None or not is_pod_name(name) or not is_uid(uid):
            dropped["bad_name"] += 1
            continue
        containers = _containers(stats.containers or (), dropped)
        if not containers:
            continue  # only its sandbox lives: nothing is said of it
        key = (namespace, name, uid)
        pod = PodSample(namespace, name, uid, containers)
        earlier = found.get(key)
        if earlier is not None:
            dropped["duplicate"] += 1
            if _newest(earlier) >= _newest(pod):
                continue
        found[key] = pod
    return list(found.values())


def _newest(pod: PodSample) -> float:
    return max(sample.time for sample in pod.containers.values())


def _containers(containers: Sequence[ContainerStats], dropped: Dropped) -> dict[str, Sample]:
    if len(containers) > MOST_CONTAINERS:
        dropped["too_many"] += len(containers) - MOST_CONTAINERS
        containers = containers[:MOST_CONTAINERS]
    found: dict[str, Sample] = {}
    for stats in containers:
        name = shared_label(stats.name)
        if name is None:
            dropped["bad_name"] += 1
            continue
        sample = _sample(stats, dropped)
        if sample is None:
            continue
        earlier = found.get(name)
        if earlier is not None:
            # A restarted container's old cgroup may still be there, often with no memory left. Never add them up.
            dropped["duplicate"] += 1
            if _precedence(earlier) >= _precedence(sample):
                continue
        found[name] = sample
    return found


def _precedence(sample: Sample) -> tuple[float, bool, float]:
    return sample.start_time or 0.0, bool(sample.working_set), sample.time


def _sample(stats: ContainerStats | NodeStats, dropped: Dropped) -> Sample | None:
    """Return one reading, or ``None`` when there is nothing in it or it has no time.

    A CPU reading without a time (``null`` in some Windows and virtual kubelets) takes that of the memory reading.
    """
    cpu, memory, start = stats.cpu, stats.memory, stats.start_time
    total = rate = working_set = time = None
    if cpu is not None:
        total, rate = cpu.usage_core_nano_seconds, cpu.usage_nano_cores
        if cpu.time is not None and (total is not None or rate is not None):
            time = _time(cpu.time, dropped)
    if memory is not None:
        working_set = memory.working_set_bytes
        if time is None and memory.time is not None:
            time = _time(memory.time, dropped)
    if total is None and rate is None and working_set is None:
        return None
    if time is None:
        dropped["no_time"] += 1
        return None
    return Sample(time, total, rate, working_set, None if start is None else _start(start, dropped))


def _time(text: str, dropped: Dropped) -> float | None:
    try:
        return parse_rfc3339(text)
    except ValueError:
        dropped["bad_time"] += 1
        return None


def _start(moment: datetime, dropped: Dropped) -> float | None:
    seconds = moment.timestamp()
    if seconds >= 0:
        return seconds
    dropped["bad_time"] += 1
    return None
