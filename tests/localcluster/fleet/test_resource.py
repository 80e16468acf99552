from __future__ import annotations

import re
from pathlib import Path

import pytest

from metrics_api.localcluster.fleet.inventory import FleetNode
from metrics_api.localcluster.fleet.resource import ResourceWriter, go_float
from metrics_api.localcluster.fleet.sampling import kubelet_instants
from tests.localcluster.fleet.nodes import EPOCH, containers_of, draw_nodes, parse_resource, resource_of, summary_of

CAPTURED = (Path(__file__).parents[2] / "data" / "kubelet" / "metrics-resource.txt").read_text()
LABELS = re.compile(r'"[^"]*"')


@pytest.fixture(scope="module")
def node() -> FleetNode:
    return draw_nodes(2, 30)[1]


def lines(text: str) -> list[str]:
    """Return each line without its values, once: comments whole, series as name and label names."""
    reduced = [line if line.startswith("#") else LABELS.sub('""', line).partition(" ")[0] for line in text.splitlines()]
    return list(dict.fromkeys(reduced))


def test_families_labels_and_help_are_a_real_kubelet_s_in_their_order(node: FleetNode) -> None:
    assert lines(ResourceWriter(node, kubelet_instants).document(EPOCH).decode()) == lines(CAPTURED)


def test_series_with_a_time_are_the_same_ones(node: FleetNode) -> None:
    def stamped(text: str) -> dict[str, bool]:
        return {family: series.time_ms is not None for (family, _), series in parse_resource(text).items()}

    assert stamped(ResourceWriter(node, kubelet_instants).document(EPOCH).decode()) == stamped(CAPTURED)


def test_series_of_a_family_are_sorted_by_container_namespace_and_pod(node: FleetNode) -> None:
    keys = [labels for family, labels in resource_of(node, EPOCH) if family == "container_memory_working_set_bytes"]

    assert len(keys) > 40
    assert keys == sorted(keys)


def test_both_documents_tell_the_same(node: FleetNode) -> None:
    series = resource_of(node, EPOCH + 33)
    document = summary_of(node, EPOCH + 33)

    for (namespace, pod, name), container in containers_of(document).items():
        labels = (name, namespace, pod)
        cpu = series["container_cpu_usage_seconds_total", labels].value
        assert cpu == container["cpu"]["usageCoreNanoSeconds"] / 1e9
        memory = series["container_memory_working_set_bytes", labels].value
        assert memory == container["memory"]["workingSetBytes"]
    for pod in document["pods"]:
        named = (pod["podRef"]["namespace"], pod["podRef"]["name"])
        assert series["pod_cpu_usage_seconds_total", named].value == pod["cpu"]["usageCoreNanoSeconds"] / 1e9
    assert series["node_cpu_usage_seconds_total", ()].value == document["node"]["cpu"]["usageCoreNanoSeconds"] / 1e9
    assert series["node_memory_working_set_bytes", ()].value == document["node"]["memory"]["workingSetBytes"]


def test_the_start_time_is_the_container_s(node: FleetNode) -> None:
    series = resource_of(node, EPOCH)

    for pod in node.pods.values():
        for container in pod.running:
            assert container.load is not None
            start = series["container_start_time_seconds", (container.name, *pod.key)].value
            assert start == container.load.life_start(EPOCH)


def test_a_node_without_pods_has_no_empty_families() -> None:
    text = ResourceWriter(draw_nodes(1, 0)[0], kubelet_instants).document(EPOCH).decode()

    assert "container_" not in text
    assert "pod_cpu" not in text
    assert "\nnode_cpu_usage_seconds_total " in text


def test_the_document_is_as_large_as_a_real_one() -> None:
    sizes = [len(ResourceWriter(node, kubelet_instants).document(EPOCH)) for node in draw_nodes(10, 30)]

    assert sum(sizes) / len(sizes) == pytest.approx(50_000, rel=0.1)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1000.0, "1000"),
        (999999.0, "999999"),
        (1000000.0, "1e+06"),
        (8577024.0, "8.577024e+06"),
        (1624396248.3020916, "1.6243962483020916e+09"),
        (86400.123456789, "86400.123456789"),
        (0.02689196, "0.02689196"),
        (0.0001, "0.0001"),
        (0.00005, "5e-05"),
        (0.000012345, "1.2345e-05"),
        (1e15, "1e+15"),
        (1e16, "1e+16"),
        (123456789012345680.0, "1.2345678901234568e+17"),
    ],
)
def test_floats_are_written_as_go_writes_them(value: float, text: str) -> None:
    assert go_float(value) == text


def test_every_captured_float_is_written_as_it_was_read() -> None:
    values = [line.split("} ")[-1].split()[0 if "{" in line else 1] for line in CAPTURED.splitlines() if line[0] != "#"]

    assert len(values) > 40
    assert [go_float(float(value)) for value in values] == values
