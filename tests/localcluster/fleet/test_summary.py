from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from metrics_api.localcluster.fleet.inventory import FleetNode
from metrics_api.localcluster.fleet.load import IDLE
from metrics_api.localcluster.fleet.population import Population
from metrics_api.localcluster.fleet.sampling import kubelet_instants, on_demand_instants
from metrics_api.localcluster.fleet.summary import FirstRate, SummaryWriter
from metrics_api.timetext import parse_rfc3339
from tests.localcluster.fleet.nodes import EPOCH, containers_of, draw_nodes, resource_of, summary_of

CAPTURED = Path(__file__).parents[2] / "data" / "kubelet"
Shape = dict[str, set[tuple[str, ...]]]


def shape(value: Any, path: str = "", found: Shape | None = None) -> Shape:
    """Return path -> the sequences of keys that objects there have; the items of a list share a path."""
    found = {} if found is None else found
    if isinstance(value, dict):
        found.setdefault(path, set()).add(tuple(value))
        for key, member in value.items():
            shape(member, f"{path}.{key}", found)
    elif isinstance(value, list):
        for item in value:
            shape(item, f"{path}[]", found)
    return found


@pytest.fixture(scope="module")
def node() -> FleetNode:
    return draw_nodes(2, 60)[1]


@pytest.mark.parametrize(
    ("file", "full"), [("summary-only-cpu-and-memory.json", False), ("summary.json", True)], ids=["cpu+memory", "full"]
)
def test_objects_have_the_keys_of_a_real_kubelet_s_in_their_order(node: FleetNode, file: str, full: bool) -> None:
    captured = shape(json.loads((CAPTURED / file).read_bytes()))
    ours = {
        psi: shape(json.loads(SummaryWriter(node, kubelet_instants, pressure=psi).document(EPOCH, full=full)))
        for psi in (True, False)
    }

    for path, keys in captured.items():
        # The runtime of the captured node gave no pressure of containers, as an older kubelet gives none at all.
        expected = ours[not path.startswith(".pods[].containers[]")]
        if full and path in (".pods[].containers[].io", ".node.systemContainers[].io"):
            expected = ours[path.startswith(".node")]
        assert keys <= expected[path], path
    assert set(captured) <= set(ours[True])
    assert {path for path in ours[True] if path not in captured and ".psi" not in path} == set()


@pytest.mark.parametrize("full", [False, True], ids=["cpu+memory", "full"])
@pytest.mark.parametrize("psi", [True, False], ids=["psi", "no psi"])
def test_the_text_is_indented_as_go_indents_it(node: FleetNode, full: bool, psi: bool) -> None:
    document = SummaryWriter(node, kubelet_instants, pressure=psi).document(EPOCH + 7, full=full)

    assert document == json.dumps(json.loads(document), indent=1).encode()


def test_a_captured_document_is_indented_so_too() -> None:
    document = (CAPTURED / "summary.json").read_bytes()

    assert document == json.dumps(json.loads(document), indent=1).encode()


def test_every_object_with_pressure_has_it_at_cpu_and_memory(node: FleetNode) -> None:
    found = shape(json.loads(SummaryWriter(node, kubelet_instants).document(EPOCH)))

    for path in (".node", ".node.systemContainers[]", ".pods[]", ".pods[].containers[]"):
        for member in ("cpu", "memory"):
            assert all(keys[-1] == "psi" for keys in found[f"{path}.{member}"])
            assert found[f"{path}.{member}.psi.some"] == {("total", "avg10", "avg60", "avg300")}


@pytest.mark.parametrize(
    ("pods", "psi", "full", "kilobytes"),
    [(30, True, False, 96), (30, False, False, 55), (110, True, False, 344), (250, True, False, 763)],
)
def test_documents_are_as_large_as_real_ones(pods: int, psi: bool, full: bool, kilobytes: int) -> None:
    nodes = draw_nodes(10, pods)

    sizes = [len(SummaryWriter(node, kubelet_instants, pressure=psi).document(EPOCH, full=full)) for node in nodes]

    assert sum(sizes) / len(sizes) / 1000 == pytest.approx(kilobytes, rel=0.12)


def test_times_are_whole_seconds_of_the_samples(node: FleetNode) -> None:
    exact = resource_of(node, EPOCH + 12.5)

    for (namespace, pod, name), container in containers_of(summary_of(node, EPOCH + 12.5)).items():
        sample = exact["container_cpu_usage_seconds_total", (name, namespace, pod)]
        assert sample.time_ms is not None
        assert container["cpu"]["time"] == container["memory"]["time"]
        assert parse_rfc3339(container["cpu"]["time"]) == sample.time_ms // 1000
        assert container["cpu"]["usageCoreNanoSeconds"] == pytest.approx(sample.value * 1e9, abs=1)


def test_the_rate_is_the_mean_between_the_last_two_samples(node: FleetNode) -> None:
    checked = 0
    earlier: dict[tuple[str, str, str], tuple[float, int, str]] = {}
    for tick in range(0, 100, 5):
        exact = resource_of(node, EPOCH + tick)
        for key, container in containers_of(summary_of(node, EPOCH + tick)).items():
            namespace, pod, name = key
            time_ms = exact["container_cpu_usage_seconds_total", (name, namespace, pod)].time_ms
            assert time_ms is not None
            counter = container["cpu"]["usageCoreNanoSeconds"]
            known = earlier.get(key)
            if known and known[0] != time_ms and known[2] == container["startTime"]:
                mean = (counter - known[1]) / (time_ms - known[0]) * 1000
                assert container["cpu"]["usageNanoCores"] == pytest.approx(mean, rel=3e-4, abs=1)
                checked += 1
            earlier[key] = (time_ms, counter, container["startTime"])
    assert checked > 300


def test_an_idle_container_s_counter_is_positive_and_stands_exactly_still(node: FleetNode) -> None:
    idle = {
        (*pod.key, container.name)
        for pod in node.pods.values()
        for container in pod.running
        if container.load is not None and container.load.cpu is IDLE and container.load.has_one_life
    }
    documents = [containers_of(summary_of(node, EPOCH + 15 * turn)) for turn in range(8)]

    assert len(idle) > 3
    for key in idle:
        assert {document[key]["cpu"]["usageNanoCores"] for document in documents} == {0}
        assert len({document[key]["cpu"]["usageCoreNanoSeconds"] for document in documents}) == 1
        assert documents[0][key]["cpu"]["usageCoreNanoSeconds"] > 0
        assert len({document[key]["cpu"]["time"] for document in documents}) > 3  # its samples do go on


def test_other_containers_move(node: FleetNode) -> None:
    first, later = (containers_of(summary_of(node, EPOCH + at)) for at in (0, 60))
    moving = [key for key in first if first[key]["cpu"]["usageNanoCores"] > 0]

    assert len(moving) > 60
    for key in moving:
        if later[key]["startTime"] == first[key]["startTime"]:
            assert later[key]["cpu"]["usageCoreNanoSeconds"] > first[key]["cpu"]["usageCoreNanoSeconds"]
    rates = {later[key]["cpu"]["usageNanoCores"] - first[key]["cpu"]["usageNanoCores"] for key in moving}
    assert len(rates) > 60


@pytest.mark.parametrize(("first_rate", "expected"), [("zero", 0), ("absent", None)])
def test_after_a_first_sample_the_rate_is_what_was_chosen(first_rate: FirstRate, expected: int | None) -> None:
    node = Population(1, EPOCH).populate_node(0, 3, EPOCH)

    document = json.loads(SummaryWriter(node, kubelet_instants, first_rate=first_rate).document(EPOCH + 5))

    for container in containers_of(document).values():
        assert container["cpu"].get("usageNanoCores") == expected
        assert container["cpu"]["usageCoreNanoSeconds"] > 0
    assert document["node"]["cpu"].get("usageNanoCores") == expected


def test_a_restarted_container_has_a_new_start_and_a_small_counter() -> None:
    node = draw_nodes(1, 10)[0]
    pod = list(node.pods.values())[-1]
    container = pod.running[0]
    assert container.load is not None
    key = (*pod.key, container.name)
    before = containers_of(summary_of(node, EPOCH))[key]
    node.restart(pod, container.load, EPOCH + 20)

    after = containers_of(summary_of(node, EPOCH + 25))[key]

    assert parse_rfc3339(after["startTime"]) == EPOCH + 20
    assert after["cpu"]["usageCoreNanoSeconds"] < 60_000_000 < before["cpu"]["usageCoreNanoSeconds"]
    assert after["cpu"]["usageNanoCores"] == 0


def test_the_pod_s_own_counter_goes_on_when_a_container_restarts() -> None:
    node = draw_nodes(1, 10)[0]
    pod = list(node.pods.values())[-1]
    load = pod.loads[0]
    counters = []
    for turn in range(12):
        if turn == 5:
            node.restart(pod, load, EPOCH + 75)
        documents = {entry["podRef"]["name"]: entry for entry in summary_of(node, EPOCH + 15 * turn)["pods"]}
        counters.append(documents[pod.name]["cpu"]["usageCoreNanoSeconds"])

    assert counters == sorted(counters)


def test_finished_init_containers_are_absent(node: FleetNode) -> None:
    finished = {(*pod.key, c.name) for pod in node.pods.values() for c in pod.containers if c.load is None}

    assert finished
    assert not finished & set(containers_of(summary_of(node, EPOCH)))


def test_a_limit_shows_as_available_memory(node: FleetNode) -> None:
    limits = {(*pod.key, c.name): c.template.memory_limit for pod in node.pods.values() for c in pod.running}

    for key, container in containers_of(summary_of(node, EPOCH)).items():
        memory, limit = container["memory"], limits[key]
        assert memory["availableBytes"] == (limit - memory["workingSetBytes"] if limit else 0)


def test_on_demand_every_sample_is_of_the_moment(node: FleetNode) -> None:
    document = summary_of(node, EPOCH + 100, on_demand_instants)

    times = {container["cpu"]["time"] for container in containers_of(document).values()}
    assert {parse_rfc3339(time) for time in times} == {EPOCH + 100}
    assert parse_rfc3339(document["node"]["cpu"]["time"]) == EPOCH + 100


def test_an_empty_node_has_an_empty_list_of_pods() -> None:
    node = draw_nodes(1, 0)[0]

    assert b'\n "pods": []\n}' in SummaryWriter(node, kubelet_instants).document(EPOCH)


def test_the_same_seed_and_time_give_the_same_bytes() -> None:
    first, again = (SummaryWriter(draw_nodes()[2], kubelet_instants).document(EPOCH + 40) for _ in range(2))

    assert first == again
    assert first != SummaryWriter(draw_nodes(seed=9)[2], kubelet_instants).document(EPOCH + 40)


def test_asking_in_between_changes_nothing() -> None:
    asked, fresh = draw_nodes()[1], draw_nodes()[1]
    for at in (300.0, 5.0, 1000.0):
        summary_of(asked, EPOCH + at)

    assert summary_of(asked, EPOCH + 40) == summary_of(fresh, EPOCH + 40)


def test_counters_are_whole_numbers(node: FleetNode) -> None:
    for container in containers_of(summary_of(node, EPOCH)).values():
        numbers = (container["cpu"]["usageCoreNanoSeconds"], container["memory"]["workingSetBytes"])
        assert all(type(number) is int and 0 < number < 2**63 for number in numbers)
