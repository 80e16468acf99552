from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from metrics_api.commands import top
from metrics_api.errors import KubeError, KubeStatusError

GROUP = "/apis/metrics.k8s.io"


class FakeKube:
    """Answers from a table of documents; remembers what was asked."""

    def __init__(self, documents: dict[str, Any]) -> None:
        self.documents = documents
        self.asked: list[tuple[str, tuple[tuple[str, str], ...]]] = []

    async def get(self, path: str, *, query: Sequence[tuple[str, str]] = ()) -> bytes:
        self.asked.append((path, tuple(query)))
        if path not in self.documents:
            raise KubeStatusError(404, "NotFound", f"no {path}")
        return orjson.dumps(self.documents[path])


def node(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "status": {"allocatable": {"cpu": "2", "memory": "4Gi"}}}


def node_metrics(name: str, cpu: str, memory: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "usage": {"cpu": cpu, "memory": memory}}


def pod_metrics(namespace: str, name: str, *usage: tuple[str, str, str]) -> dict[str, Any]:
    containers = [{"name": c, "usage": {"cpu": cpu, "memory": memory}} for c, cpu, memory in usage]
    return {"metadata": {"namespace": namespace, "name": name}, "containers": containers}


@pytest.fixture
def kube() -> FakeKube:
    pods = [
        pod_metrics("web", "b", ("main", "1500001n", "3Mi"), ("proxy", "500u", "1536Ki")),
        pod_metrics("web", "a", ("main", "2", "1Gi")),
    ]
    return FakeKube(
        {
            GROUP: {"versions": [{"version": "v9"}, {"version": "v1"}, {"version": "v1beta1"}]},
            f"{GROUP}/v1/nodes": {"items": [node_metrics("n2", "500m", "1Gi"), node_metrics("n1", "1", "512Mi")]},
            "/api/v1/nodes": {"items": [node("n3"), node("n2"), node("n1")]},
            f"{GROUP}/v1/namespaces/web/pods": {"items": pods},
            f"{GROUP}/v1/namespaces/none/pods": {"items": []},
            f"{GROUP}/v1/namespaces/web/pods/a": pods[1],
            f"{GROUP}/v1/pods": {"items": [*pods, pod_metrics("db", "z", ("main", "1m", "1Mi"))]},
        }
    )


async def printed(kube: FakeKube, *arguments: str) -> list[str]:
    return (await top.render(kube, top.parse(arguments))).splitlines()


async def test_nodes_are_listed_with_shares_of_what_is_allocatable_and_the_unmeasured_last(kube: FakeKube) -> None:
    assert await printed(kube, "nodes") == [
        "NAME   CPU(cores)   CPU(%)      MEMORY(bytes)   MEMORY(%)",
        "n1     1000m        50%         512Mi           12%",
        "n2     500m         25%         1024Mi          25%",
        "n3     <unknown>    <unknown>   <unknown>       <unknown>",
    ]


async def test_pods_of_a_namespace_are_listed_by_name_with_their_containers_summed(kube: FakeKube) -> None:
    assert await printed(kube, "pods", "-n", "web") == [
        "NAME   CPU(cores)   MEMORY(bytes)",
        "a      2000m        1024Mi",
        "b      3m           4Mi",
    ]


async def test_pods_of_all_namespaces_name_theirs(kube: FakeKube) -> None:
    lines = await printed(kube, "pods", "-A")

    assert lines[0].split() == ["NAMESPACE", "NAME", "CPU(cores)", "MEMORY(bytes)"]
    assert [line.split()[:2] for line in lines[1:]] == [["db", "z"], ["web", "a"], ["web", "b"]]


async def test_containers_have_a_row_each(kube: FakeKube) -> None:
    lines = await printed(kube, "pods", "-n", "web", "--containers", "--no-headers")

    assert [line.split() for line in lines] == [
        ["a", "main", "2000m", "1024Mi"],
        ["b", "main", "2m", "3Mi"],
        ["b", "proxy", "1m", "1Mi"],
    ]


@pytest.mark.parametrize(("key", "first"), [("cpu", "n1"), ("memory", "n2")])
async def test_the_busiest_come_first_when_sorted(kube: FakeKube, key: str, first: str) -> None:
    lines = await printed(kube, "nodes", "--sort-by", key, "--no-headers")

    assert lines[0].split()[0] == first
    assert lines[-1].split()[0] == "n3"


async def test_containers_are_sorted_within_their_pod_too(kube: FakeKube) -> None:
    lines = await printed(kube, "pods", "-n", "web", "--containers", "--sort-by", "memory", "--no-headers")

    assert [line.split()[:2] for line in lines] == [["a", "main"], ["b", "main"], ["b", "proxy"]]


@pytest.mark.parametrize(
    "arguments",
    [
        ["pod", "a", "-l", "app=x"],
        ["pod", "a", "-A"],
        ["nodes", "--containers"],
        ["nodes", "-A"],
        ["nodes", "-n", "web"],
        ["nodes", "-w", "--interval", "0"],
        ["nodes", "-w", "--interval", "nan"],
        ["nodes", "-w", "--interval", "x"],
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        top.parse(arguments)

    assert end.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_a_name_may_stand_after_options() -> None:
    assert top.parse(["pod", "-n", "web", "a"]).name == "a"


async def test_a_selector_is_left_to_the_api(kube: FakeKube) -> None:
    await printed(kube, "pods", "-A", "-l", "app=web")

    assert (f"{GROUP}/v1/pods", (("labelSelector", "app=web"),)) in kube.asked


async def test_one_pod_is_asked_for_by_name(kube: FakeKube) -> None:
    lines = await printed(kube, "pod", "a", "-n", "web", "--no-headers")

    assert [line.split()[0] for line in lines] == ["a"]


async def test_an_empty_namespace_says_so(kube: FakeKube) -> None:
    assert await printed(kube, "pods", "-n", "none") == ["No resources found in none namespace."]


async def test_a_cluster_without_the_api_says_what_kubectl_says(kube: FakeKube) -> None:
    del kube.documents[GROUP]

    with pytest.raises(KubeError, match="Metrics API not available"):
        await printed(kube, "nodes")


async def test_nodes_without_any_metrics_yet_say_so(kube: FakeKube) -> None:
    kube.documents[f"{GROUP}/v1/nodes"] = {"items": []}

    with pytest.raises(KubeError, match="metrics not available yet"):
        await printed(kube, "nodes")


async def test_an_answer_that_is_no_metrics_document_is_an_error_not_a_traceback(kube: FakeKube) -> None:
    kube.documents[f"{GROUP}/v1/pods"] = {"items": [{"metadata": {}}]}

    with pytest.raises(KubeError, match="not the document asked for"):
        await printed(kube, "pods", "-A")
