from __future__ import annotations

import pytest

from metrics_api.localcluster.fleet.authorization import AcceptedTokens
from metrics_api.localcluster.fleet.sampling import on_demand_instants
from metrics_api.localcluster.fleet.server import Fleet
from metrics_api.model import PodKey
from tests.fakes import FakeClock
from tests.localcluster.fleet.nodes import EPOCH, containers_of, draw_nodes, resource_of, summary_of


def make_fleet(nodes: int = 2, pods: int = 30) -> Fleet:
    """Make a fleet that never listens; its nodes are those of ``draw_nodes``."""
    return Fleet(nodes, pods, clock=FakeClock(EPOCH), authorizer=AcceptedTokens(()), network="127.80.0", port=10250)


def test_the_growth_between_two_documents_is_the_truth_to_the_nanosecond() -> None:
    truth, node = make_fleet().truth, draw_nodes(2, 30)[1]
    first, later = (containers_of(summary_of(node, EPOCH + at, on_demand_instants)) for at in (100, 115))

    for (namespace, pod, name), container in later.items():
        before = first[namespace, pod, name]
        if before["startTime"] == container["startTime"]:
            mean = (container["cpu"]["usageCoreNanoSeconds"] - before["cpu"]["usageCoreNanoSeconds"]) / 15
            expected = truth.container_cpu(PodKey(namespace, pod), name, EPOCH + 100, EPOCH + 115)
            assert mean == pytest.approx(expected, abs=0.2)


def test_sampled_as_a_kubelet_does_the_growth_is_the_truth_between_the_samples() -> None:
    truth, node = make_fleet().truth, draw_nodes(2, 30)[1]
    first, later = resource_of(node, EPOCH), resource_of(node, EPOCH + 60)
    family = "container_cpu_usage_seconds_total"
    checked = 0

    for (name, labels), after in later.items():
        before = first.get((name, labels))
        if name != family or before is None or before.value > after.value:
            continue
        container, namespace, pod = labels
        assert before.time_ms is not None
        assert after.time_ms is not None
        start, end = before.time_ms / 1000, after.time_ms / 1000
        expected = truth.container_cpu(PodKey(namespace, pod), container, start, end)
        assert (after.value - before.value) * 1e9 / (end - start) == pytest.approx(expected, rel=2e-4, abs=1)
        checked += 1
    assert checked > 40


def test_memory_in_a_document_is_the_truth_at_its_time() -> None:
    truth, node = make_fleet().truth, draw_nodes(2, 30)[1]
    document = summary_of(node, EPOCH + 70, on_demand_instants)

    for (namespace, pod, name), container in containers_of(document).items():
        expected = truth.container_memory(PodKey(namespace, pod), name, EPOCH + 70)
        assert container["memory"]["workingSetBytes"] == expected
    assert document["node"]["memory"]["workingSetBytes"] == truth.node_memory(node.name, EPOCH + 70)


def test_a_node_s_rate_is_the_truth_of_its_last_ten_seconds() -> None:
    truth, node = make_fleet().truth, draw_nodes(2, 30)[1]

    rate = summary_of(node, EPOCH + 90, on_demand_instants)["node"]["cpu"]["usageNanoCores"]

    assert rate == pytest.approx(truth.node_cpu(node.name, EPOCH + 80, EPOCH + 90), abs=2)


def test_a_pod_is_its_containers_and_a_node_its_pods_and_what_runs_it() -> None:
    truth, node = make_fleet().truth, draw_nodes(2, 30)[1]
    start, end = EPOCH + 10, EPOCH + 40
    pods = 0.0
    for pod in node.pods.values():
        containers = [truth.container_cpu(pod.key, c.name, start, end) for c in pod.running]
        assert truth.pod_cpu(pod.key, start, end) == pytest.approx(sum(containers), abs=1)
        memory = [truth.container_memory(pod.key, c.name, end) for c in pod.running]
        assert truth.pod_memory(pod.key, end) == sum(memory)
        pods += sum(containers)

    overhead = truth.node_cpu(node.name, start, end) - pods
    assert 10e6 < overhead < 500e6  # kubelet and runtime


def test_truth_goes_on_over_a_restart() -> None:
    clock = FakeClock(EPOCH)
    fleet = Fleet(1, 10, clock=clock, authorizer=AcceptedTokens(()), network="127.80.0", port=10250)
    key = fleet.pod_keys[-1]
    container = fleet.pod_object(key)["spec"]["containers"][0]["name"]
    clock.step_wall(20)
    before = fleet.truth.container_cpu(key, container, EPOCH + 10, EPOCH + 40)

    fleet.restart_container(key, container)

    after = fleet.truth.container_cpu(key, container, EPOCH + 10, EPOCH + 40)
    assert 24e6 / 30 <= after - before <= 60e6 / 30  # the start itself costs that


def test_a_node_s_pods_are_the_sum_of_their_cgroups_whatever_happens_to_them() -> None:
    node = draw_nodes(2, 30)[1]
    pods = list(node.pods.values())

    def assert_adds_up(at: float) -> None:
        assert node.pods_cpu(at) == pytest.approx(sum(pod.cgroup_cpu(at) for pod in pods), abs=1000)

    assert_adds_up(EPOCH)
    node.restart(pods[3], pods[3].loads[0], EPOCH + 5)
    assert_adds_up(EPOCH + 10)
    node.end(pods[4].key, EPOCH + 20)
    assert_adds_up(EPOCH + 30)
    node.end(pods[5].key, EPOCH + 500)  # the earlier one is only a number by now
    assert_adds_up(EPOCH + 510)


@pytest.mark.parametrize("key", [PodKey("shop", "nobody"), PodKey("nowhere", "")], ids=["pod", "namespace"])
def test_asking_for_a_pod_that_is_not_there_is_a_lookup_error(key: PodKey) -> None:
    with pytest.raises(LookupError, match="the fleet has no pod"):
        make_fleet().truth.pod_cpu(key, EPOCH, EPOCH + 1)


def test_asking_for_a_node_or_container_that_is_not_there_is_a_lookup_error() -> None:
    fleet = make_fleet()

    with pytest.raises(LookupError, match="the fleet has no node 'node-99999'"):
        fleet.truth.node_cpu("node-99999", EPOCH, EPOCH + 1)
    with pytest.raises(LookupError, match="runs no container 'nothing'"):
        fleet.truth.container_cpu(fleet.pod_keys[0], "nothing", EPOCH, EPOCH + 1)


def test_a_mean_over_no_time_is_refused() -> None:
    fleet = make_fleet()

    with pytest.raises(ValueError, match="start before its end"):
        fleet.truth.pod_cpu(fleet.pod_keys[0], EPOCH, EPOCH)
