"""What is served of whole kubelet documents: three scrapes of one small node, and documents with one trait each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from metrics_api.model import Endpoint, NodeSamples, PodInfo, PodSample, Row, Sample
from metrics_api.store.store import Store
from metrics_api.timetext import parse_rfc3339
from tests.store.builders import GIB, MAX_AGE, PERIOD, HandClock, node_info

DOCUMENTS = Path(__file__).parent.parent / "data" / "kubelet"


def load_sample(entry: dict[str, Any]) -> Sample | None:
    cpu, memory = entry.get("cpu") or {}, entry.get("memory") or {}
    time = cpu.get("time") or memory.get("time")
    if time is None:
        return None
    start = entry.get("startTime")
    return Sample(
        time=parse_rfc3339(time),
        cpu_total=cpu.get("usageCoreNanoSeconds"),
        cpu_rate=cpu.get("usageNanoCores"),
        working_set=memory.get("workingSetBytes"),
        start_time=None if start is None else parse_rfc3339(start),
    )


def load(name: str, clock: HandClock) -> NodeSamples:
    document = json.loads((DOCUMENTS / name).read_text())
    pods = []
    for pod in document["pods"] or []:
        samples = {entry["name"]: load_sample(entry) for entry in pod["containers"] or []}
        containers = {name: sample for name, sample in samples.items() if sample is not None}
        pods.append(PodSample(pod["podRef"]["namespace"], pod["podRef"]["name"], pod["podRef"]["uid"], containers))
    now = clock.now()
    return NodeSamples(load_sample(document["node"]), pods, Endpoint.SUMMARY, 1.0, now, now - 0.1, server_time=now // 1)


class Cluster:
    """A store with one node of four cores whose pods are those of the documents it is given."""

    def __init__(self, **node: Any) -> None:
        self.clock = HandClock()
        self.node = node_info(memory_capacity=16 * GIB, **node)
        self.store = Store(self.clock, resolution=PERIOD, max_age=MAX_AGE)
        self.store.set_node(self.node)

    def scrape(self, document: str) -> None:
        samples = load(document, self.clock)
        for pod in samples.pods:
            known: dict[str, Any] = {"static_uids": (), "required": tuple(pod.containers), "uid": pod.uid}
            self.store.set_pod(PodInfo(pod.namespace, pod.name, labels={}, node_name=self.node.name, **known))
        self.store.record(self.node, samples)

    def cpu(self) -> dict[str, int]:
        """Return container, or "node", -> nanocores served."""
        served = {c.name: c.cpu for row in self.store.pods(None) for c in row.usage.containers}
        node = self.store.node(self.node.name)
        return served if node is None else served | {"node": node.usage.containers[0].cpu}

    def row(self, name: str) -> Row | None:
        return next((row for row in self.store.pods(None) if row.name == name), None)


def test_the_small_node_is_served_from_its_first_scrape_and_with_the_kubelets_precision_ever_after() -> None:
    cluster = Cluster()
    cluster.scrape("summary_small_cpumem_t0.json")

    assert cluster.cpu() == {
        "node": 412318774,
        "coredns": 3104411,
        "kube-proxy": 812004,
        "web": 248113905,
        "envoy": 5221904,
    }
    cluster.clock.forward(15)
    cluster.scrape("summary_small_cpumem_t15.json")

    assert cluster.cpu() == {
        "node": 436822346,
        "coredns": 3187695,
        "kube-proxy": 798543,
        "web": 250413434,
        "envoy": 5310007,
    }
    cluster.clock.forward(15)
    cluster.scrape("summary_small_cpumem_t30_restart.json")

    assert cluster.cpu() == {
        "node": 447546307,
        "coredns": 3150397,
        "kube-proxy": 801125,
        "web": 121400550,
        "envoy": 5290715,
    }
    row = cluster.row("web-6d4b75cb6d-hx7wl")
    assert row is not None
    assert [(c.name, c.memory) for c in row.usage.containers] == [("envoy", 47194112), ("web", 88080384)]
    assert (row.usage.time, row.usage.window) == (parse_rfc3339("2026-09-01T12:00:21Z"), 13.0)


def without_rates(samples: NodeSamples) -> NodeSamples:
    """Return what a kubelet whose runtime gives no rates would have said."""
    pods = [
        PodSample(
            pod.namespace,
            pod.name,
            pod.uid,
            {n: Sample(c.time, c.cpu_total, None, c.working_set, c.start_time) for n, c in pod.containers.items()},
        )
        for pod in samples.pods
    ]
    node = samples.node
    assert node is not None
    bare = Sample(node.time, node.cpu_total, None, node.working_set, node.start_time)
    return NodeSamples(bare, pods, samples.endpoint, 1.0, samples.received, samples.requested)


def test_without_rates_the_small_node_is_served_by_deltas_of_whole_seconds() -> None:
    cluster = Cluster()
    cluster.scrape("summary_small_cpumem_t0.json")
    cluster.store.remove_node("node-a")
    cluster.store.set_node(cluster.node)
    cluster.store.record(cluster.node, without_rates(load("summary_small_cpumem_t0.json", cluster.clock)))
    assert cluster.cpu() == {}

    cluster.clock.forward(15)
    cluster.store.record(cluster.node, without_rates(load("summary_small_cpumem_t15.json", cluster.clock)))
    naive = {"node": 437346534, "coredns": 3108402, "kube-proxy": 771627, "web": 249646543, "envoy": 5457028}
    assert cluster.cpu() == pytest.approx(naive, abs=1)

    cluster.clock.forward(15)
    cluster.store.record(cluster.node, without_rates(load("summary_small_cpumem_t30_restart.json", cluster.clock)))
    naive = {"node": 445509971, "coredns": 3284487, "kube-proxy": 833663, "web": 121917343, "envoy": 4949668}
    assert cluster.cpu() == pytest.approx(naive, abs=1)


def test_zero_rates_of_a_first_sample_are_not_served_as_zero() -> None:
    cluster = Cluster()
    cluster.scrape("summary_first_sample_zero_nano.json")

    assert cluster.cpu() == {"node": 9123456789 // 11}, "the node is 11 s old, its container 7 s"


def test_a_node_of_zeros_yields_nothing() -> None:
    cluster = Cluster()
    for _ in range(3):
        cluster.scrape("summary_all_zero_cgroup_mismatch.json")
        cluster.clock.forward(15)

    assert cluster.cpu() == {}


def test_a_runtime_without_rates_yields_no_pod_at_first_and_never_one_of_zeros() -> None:
    cluster = Cluster()
    cluster.scrape("summary_cri_no_usagenanocores_cpumem.json")

    assert cluster.cpu() == {"node": 302220117}


def test_a_virtual_kubelet_yields_what_it_can() -> None:
    cluster = Cluster()
    cluster.scrape("summary_virtual_kubelet_aci.json")

    assert cluster.store.node("node-a") is None
    assert cluster.row("worker-5f9c7") is None, "its sidecar is ten minutes old and has no rate"
    row = cluster.row("worker-6aa01")
    assert row is not None
    assert (row.usage.containers[0].cpu, row.usage.window) == (512345678 // 17, 17.0)


def test_a_windows_nodes_cpu_is_its_rate_and_a_containers_is_as_anywhere() -> None:
    cluster = Cluster(operating_system="windows")
    cluster.scrape("summary_windows_136_full_t0.json")
    assert cluster.cpu() == {"node": 1680000000, "iis": 650120334}

    cluster.clock.forward(30)
    cluster.scrape("summary_windows_136_full_t30.json")
    assert cluster.cpu() == {"node": 1680000000, "iis": 650120334, "kube-proxy": 0}


def test_a_control_plane_serves_static_pods_sidecars_and_no_finished_init_container() -> None:
    cluster = Cluster()
    samples = load("summary_controlplane_static_init_sidecar.json", cluster.clock)
    for pod in samples.pods:
        static = pod.namespace == "kube-system"
        assert pod.uid is not None
        cluster.store.set_pod(
            PodInfo(
                pod.namespace,
                pod.name,
                f"mirror-of-{pod.name}" if static else pod.uid,
                {},
                "node-a",
                static_uids=(pod.uid, "the-mirrors-hash") if static else (),
                required=("main", "logship") if pod.namespace == "jobs" else (),
                finished=("init-schema",) if pod.namespace == "jobs" else (),
            )
        )
    cluster.store.record(cluster.node, samples)

    served = {row.name: [c.name for c in row.usage.containers] for row in cluster.store.pods(None)}
    assert served == {
        "etcd-cp-1": ["etcd"],
        "kube-apiserver-cp-1": ["kube-apiserver"],
        "kube-controller-manager-cp-1": ["kube-controller-manager"],
        "kube-scheduler-cp-1": ["kube-scheduler"],
        "migrate-29xk1": ["debugger-x7k2p", "logship", "main"],
    }


def test_broken_rates_of_cri_o_are_not_served() -> None:
    cluster = Cluster()
    cluster.scrape("faults/uint64_underflow.json")

    served = {row.name: row.usage.containers[0].cpu for row in cluster.store.pods(None)}
    assert served == {"limit-lowered-0": 100000000, "crio-wrap-0": 1234567 // 30}


@pytest.mark.parametrize(
    ("document", "reason"), [("faults/future_timestamps.json", "future"), ("faults/stale_timestamps.json", "stale")]
)
def test_a_sample_from_another_time_is_dropped_and_counted(document: str, reason: str) -> None:
    cluster = Cluster()
    cluster.scrape(document)

    assert cluster.cpu() == {"node": 412318774}
    assert cluster.store.dropped[reason] == 1


def test_a_start_after_the_sample_does_no_harm() -> None:
    cluster = Cluster()
    cluster.scrape("faults/start_after_sample.json")

    assert cluster.cpu() == {"node": 412318774, "app": 100000000}


def test_pods_that_a_node_only_claims_are_not_served() -> None:
    cluster = Cluster()
    samples = load("faults/foreign_and_bogus_pods.json", cluster.clock)
    claimed = {"coredns-7c65d6cfc9-2zq8n": "node-b", "payments-0": "node-a", "ok-0": "node-a"}
    for pod in samples.pods:
        if pod.name in claimed and pod.uid is not None:
            uid = "another" if pod.name == "payments-0" else pod.uid
            cluster.store.set_pod(PodInfo(pod.namespace, pod.name, uid, {}, claimed[pod.name]))
    cluster.store.record(cluster.node, samples)

    assert [row.name for row in cluster.store.pods(None)] == ["ok-0"]
