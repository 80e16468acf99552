from __future__ import annotations

from collections import Counter
from uuid import RFC_4122, UUID

import pytest

from metrics_api.localcluster.fleet.inventory import ContainerKind, FleetNode, FleetPod, WorkloadKind
from metrics_api.localcluster.fleet.population import Population
from tests.localcluster.fleet.nodes import EPOCH, draw_nodes


def pods_of(nodes: list[FleetNode]) -> list[FleetPod]:
    return [pod for node in nodes for pod in node.pods.values()]


def test_the_same_seed_draws_the_same_nodes_and_another_seed_others() -> None:
    first, again, other = (
        [(node.uid, pod.key, pod.uid, pod.cpu_used(EPOCH + 33)) for node in nodes for pod in node.pods.values()]
        for nodes in (draw_nodes(seed=1), draw_nodes(seed=1), draw_nodes(seed=2))
    )

    assert first == again
    assert first != other


@pytest.mark.parametrize("pods_per_node", [0, 1, 3, 6, 30, 110])
def test_every_node_has_as_many_pods_as_asked_for(pods_per_node: int) -> None:
    nodes = draw_nodes(3, pods_per_node)

    assert [len(node.pods) for node in nodes] == [pods_per_node] * 3


def test_names_and_uids_are_unique_in_the_whole_fleet() -> None:
    pods = pods_of(draw_nodes(100, 30))

    assert len({pod.key for pod in pods}) == len({pod.uid for pod in pods}) == 3000


def test_uids_are_random_uuids_and_suffixes_have_kubernetes_alphabet() -> None:
    pods = pods_of(draw_nodes(20, 30))
    suffixes = [pod.name[-5:] for pod in pods if pod.workload.kind is WorkloadKind.DEPLOYMENT]

    for pod in pods:
        uid = UUID(pod.uid)
        assert (str(uid), uid.version, uid.variant) == (pod.uid, 4, RFC_4122)
    assert set("".join(suffixes)) == set("bcdfghjklmnpqrstvwxz2456789")
    assert {len(pod.workload.template_hash) for pod in pods} == {10}


def test_in_a_big_cluster_a_workload_s_selector_matches_15_of_300_pods() -> None:
    pods = [pod for pod in pods_of(draw_nodes(100, 30)) if pod.workload.namespace != "kube-system"]

    namespaces = Counter(pod.workload.namespace for pod in pods)
    workloads = Counter((pod.workload.namespace, pod.workload.name) for pod in pods)

    assert 9 <= len(namespaces) <= 11
    assert Counter(namespaces.values()).most_common(1)[0][0] == pytest.approx(300, rel=0.15)
    assert Counter(workloads.values()).most_common(1)[0][0] in (14, 15)


def test_replicas_of_a_workload_are_spread_over_the_nodes() -> None:
    pods = pods_of(draw_nodes(100, 30))
    nodes = Counter((pod.workload.uid, pod.node_name) for pod in pods)

    assert max(nodes.values()) <= 2


def test_pods_have_1_67_running_containers_on_average() -> None:
    pods = [pod for pod in pods_of(draw_nodes(100, 30)) if pod.workload.namespace != "kube-system"]

    assert sum(len(pod.running) for pod in pods) / len(pods) == pytest.approx(1.67, abs=0.1)


def test_there_are_idle_restarting_static_sidecar_and_init_containers() -> None:
    pods = pods_of(draw_nodes(100, 30))
    containers = [container for pod in pods for container in pod.containers]
    loads = [container.load for container in containers if container.load is not None]

    kinds = Counter(container.template.kind for container in containers)
    assert all(kinds[kind] > 50 for kind in ContainerKind)
    assert {pod.workload.kind for pod in pods} == set(WorkloadKind)
    assert 0.08 < sum(load.idle for load in loads) / len(loads) < 0.3
    assert 0.003 < sum(not load.has_one_life for load in loads) / len(loads) < 0.03


def test_everything_drawn_at_the_beginning_is_older_than_the_epoch() -> None:
    for node in draw_nodes(20, 30):
        for pod in node.pods.values():
            assert node.created < pod.created < min(load.created for load in pod.loads) < EPOCH - 50


def test_a_node_s_pods_fit_on_it() -> None:
    for node in [*draw_nodes(10, 30), *draw_nodes(2, 250)]:
        usage = [(node.cpu_used(EPOCH + t + 10) - node.cpu_used(EPOCH + t)) / 10 for t in range(0, 3600, 10)]

        assert max(usage) < node.cpu_cores * 1e9
        assert max(node.memory_used(EPOCH + t) for t in range(0, 3600, 60)) < node.memory
        assert len(node.pods) <= node.max_pods


def test_a_name_that_is_taken_on_the_node_is_refused() -> None:
    node = draw_nodes(1, 3)[0]
    pod = next(iter(node.pods.values()))

    with pytest.raises(ValueError, match="already"):
        node.place(pod)


def test_no_two_pods_of_a_large_fleet_have_the_same_name() -> None:
    population = Population(seed=1, epoch=0.0)
    keys = [key for node in population.populate(3000, 2) for key in node.pods]

    assert len(set(keys)) == 6000
