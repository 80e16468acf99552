"""What a person sees who starts the demo and uses kubectl on it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.e2e.programs import Finished, kubectls, metrics_api, run

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("demo"),
    pytest.mark.timeout(180),
]

NODES, PODS = 3, 30


def table(finished: Finished) -> list[list[str]]:
    """Return the cells below the header."""
    assert finished.code == 0, finished.err
    return [line.split() for line in finished.out.splitlines()[1:]]


async def test_top_nodes_has_numbers_for_every_node(demo: Path, kubectl: str) -> None:
    rows = table(await run(kubectl, "top", "nodes", kubeconfig=demo))

    assert len(rows) == NODES
    for _, cpu, cpu_share, memory, memory_share in rows:
        assert re.fullmatch(r"[1-9]\d*m", cpu)
        assert re.fullmatch(r"[1-9]\d*Mi", memory)
        assert re.fullmatch(r"\d+%", cpu_share)
        assert re.fullmatch(r"[1-9]\d*%", memory_share)


async def test_top_pods_has_a_row_for_every_pod(demo: Path, kubectl: str) -> None:
    rows = table(await run(kubectl, "top", "pods", "-A", kubeconfig=demo))

    assert len(rows) == PODS
    assert rows == sorted(rows, key=lambda row: row[:2])


async def test_top_pods_of_a_namespace_shows_containers(demo: Path, kubectl: str) -> None:
    rows = table(await run(kubectl, "top", "pods", "-n", "kube-system", "--containers", kubeconfig=demo))

    assert {"etcd", "kube-apiserver", "kube-proxy"} <= {container for _, container, *_ in rows}


async def test_top_selects_by_label(demo: Path, kubectl: str) -> None:
    rows = table(await run(kubectl, "top", "pods", "-n", "kube-system", "-l", "component=etcd", kubeconfig=demo))

    assert [row[0] for row in rows] == ["etcd-node-00000"]


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_get_raw_returns_the_documents(demo: Path, kubectl: str, version: str) -> None:
    finished = await run(kubectl, "get", "--raw", f"/apis/metrics.k8s.io/{version}/nodes", kubeconfig=demo)

    document = json.loads(finished.out)
    assert document["apiVersion"] == f"metrics.k8s.io/{version}"
    assert len(document["items"]) == NODES


async def test_the_apiservices_are_available(demo: Path, kubectl: str) -> None:
    rows = table(await run(kubectl, "get", "apiservices", kubeconfig=demo))

    ours = {row[0]: row[1:3] for row in rows if row[0].endswith("metrics.k8s.io")}
    assert ours == {
        "v1.metrics.k8s.io": ["kube-system/metrics-server", "True"],
        "v1beta1.metrics.k8s.io": ["kube-system/metrics-server", "True"],
    }


async def test_explain_describes_them(demo: Path, kubectl: str) -> None:
    finished = await run(kubectl, "explain", "podmetrics.containers", kubeconfig=demo)

    assert finished.code == 0, finished.err
    assert "PodMetrics" in finished.out
    assert "usage" in finished.out


async def test_the_resources_are_discovered(demo: Path, kubectl: str) -> None:
    finished = await run(kubectl, "api-resources", "--api-group=metrics.k8s.io", kubeconfig=demo)

    assert {line.split()[-1] for line in finished.out.splitlines()[1:]} == {"NodeMetrics", "PodMetrics"}


async def test_metrics_are_gettable_by_kind(demo: Path, kubectl: str) -> None:
    finished = await run(kubectl, "get", "nodemetrics", "-o", "name", kubeconfig=demo)

    assert sorted(finished.out.split()) == [f"nodemetrics.metrics.k8s.io/node-{n:05d}" for n in range(NODES)]


async def test_a_pod_that_does_not_exist_is_not_found_in_kubernetes_words(demo: Path, kubectl: str) -> None:
    finished = await run(kubectl, "get", "podmetrics", "nope", "-n", "kube-system", kubeconfig=demo)

    assert finished.code == 1
    assert finished.err.strip() == 'Error from server (NotFound): pods "nope" not found'


async def test_our_own_top_prints_what_kubectl_prints_of_the_names(demo: Path) -> None:
    ours = table(await metrics_api("top", "pods", "-A", kubeconfig=demo))
    assert len(ours) == PODS
    for program in kubectls().values():
        theirs = table(await run(program, "top", "pods", "-A", kubeconfig=demo))
        assert [row[:2] for row in ours] == [row[:2] for row in theirs]


@pytest.mark.parametrize("arguments", [["nodes"], ["pods", "-A", "--containers"], ["nodes", "--sort-by", "cpu"]])
async def test_our_own_top_ends_well(demo: Path, arguments: list[str]) -> None:
    assert (await metrics_api("top", *arguments, kubeconfig=demo)).code == 0


@pytest.mark.long
async def test_a_fault_is_announced_and_shows() -> None:
    arguments = ("demo", "--once", "--nodes=2", "--pods=1", "--fault=unauthorized")
    finished = await metrics_api(*arguments, seconds=120)

    assert finished.code == 0, finished.err
    assert "node-00001 answers 401 (unauthorized)" in finished.err
    assert re.search(r"^node-00001 +<unknown>", finished.out, re.MULTILINE)
    assert re.search(r"^node-00000 +\d+m", finished.out, re.MULTILINE)
