"""Labels, and the order and identity of lists."""

import json

from metrics_api.model import PodKey
from metrics_api.store.store import Store
from tests.store.builders import HandClock, names, node_info, pod_info, record, web


def test_a_label_change_is_served_at_once(store: Store, clock: HandClock) -> None:
    store.set_pod(pod_info("web", "app"))
    record(store, clock)
    rows, nodes = store.pods("shop"), store.nodes()
    for row in (*rows, *nodes):
        row.protobuf = b"encoded elsewhere"
    clock.forward(1)
    store.set_pod(pod_info("web", "app", labels={"app": "<new>"}))
    store.set_node(node_info(labels={}))

    pod, node = store.pod("shop", "web"), store.node("node-a")
    assert pod is not None
    assert node is not None
    assert pod.protobuf is None
    assert node.protobuf is None
    assert pod.labels == {"app": "<new>"}
    assert b'"labels":{"app":"\\u003cnew\\u003e"}' in pod.item
    assert json.loads(pod.item)["metadata"]["creationTimestamp"] == "2026-09-01T12:00:01Z"
    assert node.labels == {}
    assert b"labels" not in node.item
    assert store.pods("shop") is not rows
    assert store.nodes() is not nodes
    clock.forward(14)
    record(store, clock)
    assert json.loads(pod.item)["metadata"]["labels"] == {"app": "<new>"}


def test_rows_come_in_order_whatever_the_order_they_became_known_in(store: Store, clock: HandClock) -> None:
    keys = [("b", "2"), ("a", "9"), ("b", "10"), ("c", "1"), ("a", "1"), ("b", "1")]
    for name in ("node-c", "node-b"):
        store.set_node(node_info(name))
        record(store, clock, node=name)
    for namespace, name in keys:
        store.set_pod(pod_info(name, "app", namespace=namespace, uid=f"{namespace}/{name}"))
    record(store, clock, *[web(clock, uid=f"{namespace}/{name}") for namespace, name in keys])

    assert [(row.namespace, row.name) for row in store.pods(None)] == sorted(keys)
    assert names(store, "b") == ["1", "10", "2"]
    assert [row.name for row in store.nodes()] == ["node-a", "node-b", "node-c"]
    store.remove_pod(PodKey("b", "10"))
    store.set_pod(pod_info("0", "app", namespace="b", uid="b/0"))
    record(store, clock, web(clock, uid="b/0"))
    assert names(store, "b") == ["0", "1", "2"]


def test_the_same_list_is_returned_until_a_row_comes_or_goes(store: Store, clock: HandClock) -> None:
    store.set_pod(pod_info("web", "app"))
    store.set_pod(pod_info("api", "app", namespace="other"))
    record(store, clock)
    everything, shop = store.pods(None), store.pods("shop")
    kept = list(everything)
    store.set_pod(pod_info("silent", "app"))
    assert store.pods(None) is everything
    assert store.pods("shop") is shop
    record(store, clock, web(clock), web(clock, "api"))

    assert store.pods(None) is not everything
    assert everything == kept, "a list that was given away stays as it was"
    assert store.pods("shop") is shop
    store.remove_pod(PodKey("shop", "web"))
    assert store.pods("shop") is not shop
    assert names(store) == ["api"]


def test_a_relist_that_brings_the_same_again_changes_nothing(store: Store, clock: HandClock) -> None:
    store.set_pod(pod_info("web", "app"))
    record(store, clock)
    row, rows = store.pod("shop", "web"), store.pods(None)
    assert row is not None
    before = row.item
    clock.forward(7)
    store.set_pod(pod_info("web", "app"))
    store.set_node(node_info())

    assert store.pods(None) is rows
    assert row.item == before


def test_nodes_may_be_known_after_their_pods(clock: HandClock) -> None:
    store = Store(clock, resolution=15, max_age=90)
    store.set_pod(pod_info("web", "app"))
    store.set_node(node_info())
    record(store, clock)

    assert names(store) == ["web"]
