from __future__ import annotations

from typing import Any

import msgspec
import pytest
from kubernetes import client

from metrics_api.localcluster.fleet.inventory import ContainerKind, FleetNode, FleetPod, WorkloadKind
from metrics_api.localcluster.fleet.objects import JsonObject, namespace_object, node_object
from metrics_api.localcluster.fleet.pod_objects import pod_object
from metrics_api.timetext import parse_rfc3339
from tests.localcluster.fleet.nodes import EPOCH, draw_nodes, summary_of


@pytest.fixture(scope="module")
def nodes() -> list[FleetNode]:
    drawn = draw_nodes(30, 30)
    for node in drawn:
        node.address, node.port = f"127.80.0.{node.index + 1}", 10250
    return drawn


def a_pod(nodes: list[FleetNode], kind: WorkloadKind) -> tuple[FleetPod, FleetNode]:
    return next((pod, node) for node in nodes for pod in node.pods.values() if pod.workload.kind is kind)


def typed(obj: JsonObject, kind: str) -> Any:  # a JSON edge: the client's models are made at run time
    """Read an object with the official client, which insists on what the API requires."""
    return client.ApiClient().deserialize(msgspec.json.encode(obj).decode(), kind, "application/json")


def test_the_official_client_accepts_a_node(nodes: list[FleetNode]) -> None:
    node = typed(node_object(nodes[0], EPOCH), "V1Node")

    assert node.status.daemon_endpoints.kubelet_endpoint.port == 10250
    assert [(a.type, a.address) for a in node.status.addresses] == [
        ("InternalIP", "127.80.0.1"),
        ("Hostname", "node-00000"),
    ]
    assert {c.type: c.status for c in node.status.conditions}["Ready"] == "True"
    assert node.metadata.labels["kubernetes.io/hostname"] == "node-00000"
    assert node.status.node_info.operating_system == node.metadata.labels["kubernetes.io/os"] == "linux"


@pytest.mark.parametrize("kind", list(WorkloadKind))
def test_the_official_client_accepts_a_pod(nodes: list[FleetNode], kind: WorkloadKind) -> None:
    pod, node = a_pod(nodes, kind)

    read = typed(pod_object(pod, node, EPOCH), "V1Pod")

    assert (read.metadata.namespace, read.metadata.name, read.metadata.uid) == (*pod.key, pod.uid)
    assert read.spec.node_name == node.name
    assert read.status.phase == "Running"
    assert read.status.host_ip == node.address
    assert [owner.controller for owner in read.metadata.owner_references] == [True]


def test_the_official_client_accepts_a_namespace() -> None:
    assert typed(namespace_object("shop", EPOCH), "V1Namespace").metadata.name == "shop"


def test_what_runs_in_the_status_is_what_the_kubelet_reports(nodes: list[FleetNode]) -> None:
    for node in nodes[:3]:
        reported = {pod["podRef"]["uid"]: pod for pod in summary_of(node, EPOCH)["pods"]}
        for pod in node.pods.values():
            status = pod_object(pod, node, EPOCH)["status"]
            started = {
                entry["name"]: entry["state"]["running"]["startedAt"]
                for entry in status["containerStatuses"] + status.get("initContainerStatuses", [])
                if "running" in entry["state"]
            }
            document = reported[pod.kubelet_uid]
            assert started == {c["name"]: c["startTime"] for c in document["containers"]}
            assert status["startTime"] == document["startTime"]


def test_a_sidecar_is_a_restartable_init_container_and_other_init_containers_have_finished(
    nodes: list[FleetNode],
) -> None:
    seen = set()
    for node in nodes:
        for pod in node.pods.values():
            obj = pod_object(pod, node, EPOCH)
            states = {entry["name"]: entry["state"] for entry in obj["status"].get("initContainerStatuses", [])}
            kinds = {container.name: container.template.kind for container in pod.containers}
            for container in obj["spec"].get("initContainers", []):
                sidecar = container.get("restartPolicy") == "Always"
                seen.add(kinds[container["name"]])
                assert sidecar == (kinds[container["name"]] is ContainerKind.SIDECAR)
                assert list(states[container["name"]]) == ["running" if sidecar else "terminated"]
    assert seen == {ContainerKind.SIDECAR, ContainerKind.INIT}


def test_a_static_pod_s_mirror_names_its_config_hash_and_its_node(nodes: list[FleetNode]) -> None:
    pod, node = a_pod(nodes, WorkloadKind.STATIC)

    metadata = pod_object(pod, node, EPOCH)["metadata"]

    uids = {entry["podRef"]["name"]: entry["podRef"]["uid"] for entry in summary_of(node, EPOCH)["pods"]}
    hashed = metadata["annotations"]["kubernetes.io/config.hash"]
    assert metadata["name"].endswith(f"-{node.name}")
    assert uids[pod.name] == hashed == metadata["annotations"]["kubernetes.io/config.mirror"] != metadata["uid"]
    assert len(hashed) == 32
    assert metadata["annotations"]["kubernetes.io/config.source"] == "file"
    assert metadata["ownerReferences"] == [
        {"apiVersion": "v1", "kind": "Node", "name": node.name, "uid": node.uid, "controller": True}
    ]


def test_a_restarted_container_shows_its_count_and_what_it_was_before(nodes: list[FleetNode]) -> None:
    node = draw_nodes(1, 10)[0]
    pod = list(node.pods.values())[-1]
    load = pod.loads[0]
    first = load.created
    node.restart(pod, load, EPOCH + 50)

    statuses = pod_object(pod, node, EPOCH + 60)["status"]
    status = next(
        entry
        for entry in statuses["containerStatuses"] + statuses.get("initContainerStatuses", [])
        if entry["restartCount"] == 1
    )

    assert parse_rfc3339(status["state"]["running"]["startedAt"]) == EPOCH + 50
    assert parse_rfc3339(status["lastState"]["terminated"]["startedAt"]) == first // 1
    assert status["lastState"]["terminated"]["containerID"] != status["containerID"]


def test_a_pod_is_as_large_as_real_ones(nodes: list[FleetNode]) -> None:
    sizes = [len(msgspec.json.encode(pod_object(pod, node, EPOCH))) for node in nodes[:5] for pod in node.pods.values()]

    assert 4000 < sum(sizes) / len(sizes) < 8000
