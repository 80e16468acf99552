"""Samples in, rows out: the one place where nodes, pods and scrapes meet.

Samples are kept on the node whose kubelet gave them and joined to the pods that the API server has bound to that node.
What a node says of another node's pods therefore changes nothing. What is asked of it stands in ``lookup``. Everything
runs on the event loop; there are no locks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from metrics_api.clock import Clock
from metrics_api.handover import NodeHandover
from metrics_api.model import NodeInfo, NodeSamples, PodInfo, PodKey, PodSample, Sample, Usage
from metrics_api.store.belied import belied
from metrics_api.store.changes import Changes
from metrics_api.store.history import unpack
from metrics_api.store.lookup import Lookup
from metrics_api.store.nodes import Node, node_terms, node_usage, span_of, terms_of
from metrics_api.store.pods import NamePool, Pod, PodHistory, is_former_life, observe, whole_usage
from metrics_api.store.steady import Ordinary, SteadyUsage, follow, ordinary
from metrics_api.store.succession import Succession
from metrics_api.store.usage import Span, Terms, advance
from metrics_api.store.view import due


class Store(Lookup):
    """The latest usage of every node and pod, and its encoded objects; its arguments are those of ``Lookup``."""

    def __init__(self, clock: Clock, *, resolution: float, max_age: float, changes: Changes | None = None) -> None:
        super().__init__(clock, resolution=resolution, max_age=max_age, changes=changes)
        self._names = NamePool()
        self._succession = Succession(clock, max_age, self._names)

    # What the API server says.

    def set_node(self, node: NodeInfo, *, selected: bool = True) -> None:
        """Add or change a node. One that is not selected is known but never served, nor are the pods on it."""
        state = self._nodes.get("", node.name)
        if state is not None and state.info.uid == node.uid and state.selected == selected:
            if state.info != node:
                state.info = node
                self._nodes.relabel(state, created=self._clock.now())
            return
        self.remove_node(node.name)
        self._nodes.add(Node(node, selected))

    def remove_node(self, name: str) -> None:
        """Forget a node and all it said; the pods bound to it stay known. An unknown name is no fault."""
        state = self._nodes.get("", name)
        if state is None:
            return
        self._nodes.remove(state)
        for pod in self._bindings.of(name).values():
            self._pods.unserve(pod)
            pod.forget()

    def set_pod(self, pod: PodInfo) -> None:
        """Add or change a pod; what its node's kubelet has said of it already is served at once."""
        state = self._pods.get(pod.namespace, pod.name)
        if state is not None and state.info == pod:
            return
        if state is not None and (state.info.uid, state.info.node_name) == (pod.uid, pod.node_name):
            self._bindings.unbind(state)
            state.info, state.shape = pod, None
            self._pods.relabel(state, created=self._clock.now())
        else:
            self.remove_pod(pod.key)
            state = self._adopt(pod)
            self._pods.add(state)
        self._bindings.bind(state)
        self._reconsider(state)

    def remove_pod(self, key: PodKey) -> None:
        """Forget a pod. An unknown key is no fault."""
        state = self._pods.get(*key)
        if state is not None:
            self._pods.remove(state)
            self._bindings.unbind(state)

    def _adopt(self, info: PodInfo) -> Pod:
        """Return the state of a pod that was unknown until now, with what its node has said of it."""
        node = self._nodes.get("", info.node_name)
        if node is not None:
            keys: tuple[str | PodKey, ...] = (info.uid, *info.static_uids, info.key)
            for key in keys:
                history = node.strangers.pop(key, None)
                if history is not None and (key != info.key or not history.may_precede(info)):
                    return Pod(history.names, history.packed, info=info)
        return Pod(info=info)

    # What the kubelets say.

    def record(self, node: NodeInfo, samples: NodeSamples) -> None:
        """Take in one scrape; ignored when that node is gone, not selected, or has been replaced by one of its name."""
        state = self._nodes.get("", node.name)
        if state is None or not state.selected or state.info.uid != node.uid:
            return
        now, monotonic = self._clock.now(), self._clock.monotonic()
        terms = terms_of(state, samples, monotonic=monotonic, period=self._resolution, max_age=self._max_age)
        bound, usual = self._bindings.of(node.name), ordinary(terms)
        if state.inherited:
            self._give_way(state, samples, bound, terms.span)
        if samples.node is not None:
            self._record_node(state, samples.node, node_terms(state, terms), now)
        strangers: dict[str | PodKey, PodHistory] = {}
        for sample in samples.pods:
            pod = bound.get(sample.uid) if sample.uid is not None else self._by_name(node.name, sample)
            if pod is not None:
                if usual is None or not self._follow_pod(state, pod, sample, usual, now):
                    self._record_pod(state, pod, sample, terms, now)
            elif len(strangers) < state.most_strangers:
                key = sample.uid if sample.uid is not None else PodKey(sample.namespace, sample.name)
                stranger = strangers[key] = state.strangers.get(key) or PodHistory()
                observe(stranger, sample.containers, terms, pool=self._names, lacks=self._lacks)
        state.strangers = strangers

    def _by_name(self, node_name: str, sample: PodSample) -> Pod | None:
        """Return the pod of that name if it is bound to the node: for kubelet documents that do not say uids."""
        pod = self._pods.get(sample.namespace, sample.name)
        if pod is None or pod.info.node_name != node_name or is_former_life(pod.info, sample.containers):
            return None
        return pod

    def _record_node(self, state: Node, sample: Sample, terms: Terms, now: float) -> None:
        history = advance(state.history, sample, terms)
        if history is state.history:
            return
        state.history = history
        if history.lack:
            self._lacks[history.lack] += 1
        usage = node_usage(history, terms.span)
        if usage is not None:
            self._serve_node(state, usage, now)

    def _follow_pod(self, state: Node, pod: Pod, sample: PodSample, terms: Ordinary, now: float) -> bool:
        """Take in what is ordinary of a pod that is served; tell whether it was."""
        shape, row = pod.shape, pod.row
        if shape is None or row is None:
            return False
        followed = follow(shape, pod.packed, sample.containers, terms)
        if followed is None:
            return False
        packed, time = followed
        if packed is not pod.packed:
            pod.packed = packed
            if time >= row.kept.time:
                self._pods.replace(pod, row, SteadyUsage(time, shape, packed), expiry=state.expiry, created=now)
                if time + state.expiry < state.first_due:
                    state.first_due = time + state.expiry
        return True

    def _record_pod(self, state: Node, pod: Pod, sample: PodSample, terms: Terms, now: float) -> None:
        histories = observe(
            pod, sample.containers, terms, required=pod.info.required, pool=self._names, lacks=self._lacks
        )
        if histories is None:
            return
        pod.learn_shape()
        usage = whole_usage(pod.info, pod.names, histories, terms.span)
        if usage is not None:
            self._serve_pod(state, pod, usage, now)

    def _serve_node(self, state: Node, usage: Usage, now: float) -> None:
        self._nodes.serve(state, usage, expiry=state.expiry, created=now)
        if usage.time + state.expiry < state.first_due:
            state.first_due = usage.time + state.expiry

    def _serve_pod(self, state: Node, pod: Pod, usage: Usage, now: float) -> None:
        if pod.shape is None or len(usage.containers) != len(pod.names):
            self._serve_as_given(state, pod, usage, now)
        else:
            self._serve_as_given(state, pod, SteadyUsage(usage.time, pod.shape, pod.packed), now)

    def _serve_as_given(self, state: Node, pod: Pod, usage: Usage | SteadyUsage, now: float) -> None:
        self._pods.serve(pod, usage, expiry=state.expiry, created=now)
        if usage.time + state.expiry < state.first_due:
            state.first_due = usage.time + state.expiry

    def _reconsider(self, pod: Pod) -> None:
        """Serve a pod by what its node said last: it has just become known or changed, or its row became too old."""
        state = self._nodes.get("", pod.info.node_name)
        if state is not None and pod.packed:
            span = span_of(state, monotonic=self._clock.monotonic(), max_age=self._max_age)
            usage = whole_usage(pod.info, pod.names, unpack(pod.packed), span)
            if usage is not None:
                self._serve_pod(state, pod, usage, self._clock.now())

    # What replicas tell each other.

    def hand_over(self, node_name: str) -> NodeHandover | None:
        """Return what there is of a node and its pods, for another replica; ``None`` when there is nothing."""
        state = self._nodes.get("", node_name)
        if state is None or not state.selected or not state.expiry:
            return None
        return self._succession.hand_over(state, self._bindings.of(node_name).values())

    def take_over(self, offered: NodeHandover, *, delay: float) -> None:
        """Take in what another replica knows of a node; what is known here already stays.

        Args:
            offered: Ignored when that node is gone, not selected, or has been replaced by one of its name.
            delay: Seconds, at most, since it was written.
        """
        state = self._nodes.get("", offered.name)
        if state is None or not state.selected or state.info.uid != offered.uid:
            return
        now = self._clock.now()
        for entry, usage in self._succession.take_over(state, self._bindings.of(offered.name), offered, delay):
            if isinstance(entry, Node):
                self._serve_node(entry, usage, now)
            else:
                self._serve_as_given(state, entry, usage, now)  # it need not be what the histories here would give

    def _give_way(self, state: Node, samples: NodeSamples, bound: Mapping[str, Pod], span: Span) -> None:
        """Forget what was taken over and is belied by what is scraped here."""
        for entry in belied(state, samples, bound, span, self._by_name):
            if isinstance(entry, Node):
                self._nodes.unserve(entry)
            else:
                self._pods.unserve(entry)

    # What time does.

    def expire(self) -> None:
        """Stop serving what has become too old; to be called about once a second. Costs little while nothing has."""
        monotonic = self._clock.monotonic()
        for state in self._nodes:
            if state.first_due < monotonic:
                self._expire(state, monotonic)

    def _expire(self, state: Node, monotonic: float) -> None:
        state.first_due = math.inf
        if due(state) < monotonic:
            self._nodes.unserve(state)
            # Not in vain: after a node's clock was set back, newer usage with an earlier time waits behind the old row.
            usage = node_usage(state.history, span_of(state, monotonic=monotonic, max_age=self._max_age))
            if usage is not None:
                self._serve_node(state, usage, self._clock.now())
        state.first_due = min(state.first_due, due(state))
        for pod in self._bindings.of(state.info.name).values():
            if due(pod) < monotonic:
                self._pods.unserve(pod)
                self._reconsider(pod)
            state.first_due = min(state.first_due, due(pod))
