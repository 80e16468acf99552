"""The store against a model so plain that it is easily seen to be right, through any order of events.

In this world every container has a constant load of its own, so that whichever way CPU is computed the result is that
load. What remains to be told is who is served, with which containers, labels and time, and in which order.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from metrics_api.model import Endpoint, NodeInfo, NodeSamples, PodInfo, PodKey, PodSample, Row, Sample
from metrics_api.store.store import Store
from metrics_api.timetext import format_rfc3339
from tests.store.builders import MAX_AGE, PERIOD, HandClock

NODES = st.sampled_from(["n1", "n2"])
UIDS = st.sampled_from(["u1", "u2"])
LABELS = st.sampled_from([{}, {"app": "x"}, {"app": "y", "b": "<z>"}])
KEYS = st.builds(PodKey, st.sampled_from(["ns1", "ns2"]), st.sampled_from(["p1", "p2", "p3"]))
CONTAINERS = st.sets(st.sampled_from(["a", "b", "c"]))
REPORTS = st.dictionaries(st.tuples(KEYS, UIDS), CONTAINERS)


@dataclass
class ModelRow:
    time: float
    containers: list[str]


@dataclass
class ModelNode:
    uid: str
    labels: dict[str, str]
    selected: bool
    row: ModelRow | None = None
    reports: dict[str, tuple[float, frozenset[str]]] = field(default_factory=dict)
    """Pod uid -> time and containers of the last report."""


@dataclass
class ModelPod:
    uid: str
    labels: dict[str, str]
    node: str
    required: frozenset[str]
    row: ModelRow | None = None


class Model:
    def __init__(self) -> None:
        self.nodes: dict[str, ModelNode] = {}
        self.pods: dict[PodKey, ModelPod] = {}

    def set_node(self, name: str, uid: str, labels: dict[str, str], selected: bool) -> None:
        node = self.nodes.get(name)
        if node is not None and (node.uid, node.selected) == (uid, selected):
            node.labels = labels
        else:
            self.remove_node(name)
            self.nodes[name] = ModelNode(uid, labels, selected)

    def remove_node(self, name: str) -> None:
        if self.nodes.pop(name, None) is not None:
            for pod in self.pods.values():
                if pod.node == name:
                    pod.row = None

    def set_pod(self, key: PodKey, pod: ModelPod) -> None:
        old = self.pods.get(key)
        if old is not None and (old.uid, old.node) == (pod.uid, pod.node):
            pod.row = old.row
        else:
            self.remove_pod(key)
        self.pods[key] = pod

    def remove_pod(self, key: PodKey) -> None:
        pod = self.pods.pop(key, None)
        if pod is not None and pod.node in self.nodes:
            self.nodes[pod.node].reports.pop(pod.uid, None)

    def record(self, name: str, uid: str, time: float, reported: dict[str, frozenset[str]]) -> None:
        node = self.nodes.get(name)
        if node is None or node.uid != uid or not node.selected:
            return
        node.row = ModelRow(time, [""])
        bound = {pod.uid for pod in self.pods.values() if pod.node == name}
        node.reports = {uid: report for uid, report in node.reports.items() if uid in bound}
        node.reports |= {uid: (time, containers) for uid, containers in reported.items()}

    def settle(self, now: float) -> None:
        """Serve every pod that the last report of its node has whole."""
        for pod in self.pods.values():
            node = self.nodes.get(pod.node)
            time, containers = node.reports.get(pod.uid, (0.0, frozenset())) if node is not None else (0.0, frozenset())
            whole = containers and pod.required <= containers
            if whole and now - time <= MAX_AGE and (pod.row is None or time >= pod.row.time):
                pod.row = ModelRow(time, sorted(containers))

    def expire(self, now: float) -> None:
        entries: list[ModelNode | ModelPod] = [*self.nodes.values(), *self.pods.values()]
        for entry in entries:
            if entry.row is not None and now - entry.row.time > MAX_AGE:
                entry.row = None


def load(uid: str, container: str) -> int:
    """Return the nanocores that a container uses, all its life."""
    return 1_000_003 + 7919 * sum(map(ord, uid + container))


class Story(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.clock = HandClock()
        self.store = Store(self.clock, resolution=PERIOD, max_age=MAX_AGE)
        self.model = Model()
        self.last: tuple[object, list[tuple[int, dict[str, str]]]] = (None, [])

    @rule(name=NODES, uid=UIDS, labels=LABELS, selected=st.sampled_from([True, True, True, False]))
    def set_node(self, name: str, uid: str, labels: dict[str, str], selected: bool) -> None:
        self.store.set_node(NodeInfo(name, uid, labels, cpu_cores=64.0), selected=selected)
        self.model.set_node(name, uid, labels, selected)

    @rule(name=NODES)
    def remove_node(self, name: str) -> None:
        self.store.remove_node(name)
        self.model.remove_node(name)

    @rule(key=KEYS, life=UIDS, labels=LABELS, node=NODES, required=CONTAINERS)
    def set_pod(self, key: PodKey, life: str, labels: dict[str, str], node: str, required: set[str]) -> None:
        uid = f"{key.name}-{key.namespace}-{life}"
        self.store.set_pod(PodInfo(*key, uid, labels, node, required=tuple(required)))
        self.model.set_pod(key, ModelPod(uid, labels, node, frozenset(required)))
        self.model.settle(self.clock.now())

    @rule(key=KEYS)
    def remove_pod(self, key: PodKey) -> None:
        self.store.remove_pod(key)
        self.model.remove_pod(key)

    @rule(name=NODES, uid=st.sampled_from(["u1", "u1", "u2"]), reported=REPORTS)
    def record(self, name: str, uid: str, reported: dict[tuple[PodKey, str], set[str]]) -> None:
        self.clock.forward(6)
        now = self.clock.now()
        pods, by_uid = [], {}
        for (key, life), containers in reported.items():
            pod_uid = f"{key.name}-{key.namespace}-{life}"
            by_uid[pod_uid] = frozenset(containers)
            pods.append(PodSample(*key, pod_uid, {c: self._sample(pod_uid, c) for c in containers}))
        document = NodeSamples(self._sample(name, ""), pods, Endpoint.SUMMARY, 1.0, now, now)
        self.store.record(NodeInfo(name, uid, {}), document)
        self.model.record(name, uid, now, by_uid)
        self.model.settle(now)

    @rule(seconds=st.sampled_from([1, 15, 40, 89, 200]))
    def time_passes(self, seconds: int) -> None:
        self.clock.forward(seconds)
        self.store.expire()
        self.model.expire(self.clock.now())

    def _sample(self, uid: str, container: str) -> Sample:
        rate, now = load(uid, container), self.clock.now()
        return Sample(now, int(now) * rate, rate, 4096)

    @invariant()
    def every_way_to_read_agrees_with_the_model(self) -> None:
        store, model = self.store, self.model
        nodes = {name: node for name, node in sorted(model.nodes.items()) if node.row is not None}
        pods = {key: pod for key, pod in sorted(model.pods.items()) if pod.row is not None}

        assert [row.name for row in store.nodes()] == list(nodes)
        assert [PodKey(row.namespace, row.name) for row in store.pods(None)] == list(pods)
        for namespace in ("ns1", "ns2"):
            assert [row.name for row in store.pods(namespace)] == [key.name for key in pods if key[0] == namespace]
        assert (store.served_nodes, store.served_pods) == (len(nodes), len(pods))
        for name in ("n1", "n2"):
            assert store.knows_node(name) is (name in model.nodes)
            self._compare(store.node(name), name, nodes.get(name))
        for namespace in ("ns1", "ns2"):
            for name in ("p1", "p2", "p3"):
                key = PodKey(namespace, name)
                assert store.knows_pod(*key) is (key in model.pods)
                self._compare(store.pod(*key), pods[key].uid if key in pods else "", pods.get(key))

    @invariant()
    def a_list_stays_the_same_only_while_its_rows_and_labels_do(self) -> None:
        rows = self.store.pods(None)
        content = [(id(row), row.labels) for row in rows]
        if rows is self.last[0]:
            assert content == self.last[1]
        self.last = (rows, content)

    def _compare(self, row: Row | None, uid: str, expected: ModelNode | ModelPod | None) -> None:
        assert (row is None) == (expected is None)
        if row is None or expected is None or expected.row is None:
            return
        assert row.labels == expected.labels
        assert row.usage.time == expected.row.time
        assert [usage.name for usage in row.usage.containers] == expected.row.containers
        assert [usage.cpu for usage in row.usage.containers] == [load(uid, name) for name in expected.row.containers]
        item = json.loads(row.item)
        assert item["metadata"].get("labels", {}) == expected.labels
        assert item["metadata"]["creationTimestamp"] == format_rfc3339(row.created)
        assert item["timestamp"] == format_rfc3339(row.usage.time)
        assert len(item.get("containers", [""])) == len(row.usage.containers)


TestStory = Story.TestCase
TestStory.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
