"""npm's ``@kubernetes/client-node`` on the demo, unmodified."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.programs import TOOLS, run

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("demo"),
    pytest.mark.timeout(180),
]

PROGRAM = Path(__file__).parents[1] / "clients" / "node" / "client.js"
ENTRY = TOOLS / "node" / "node_modules" / "@kubernetes" / "client-node" / "dist" / "index.js"
NODES, PODS = 3, 30
MIB = 1 << 20

QUESTIONS = (
    *("topNodes", "topPods", "topPods:kube-system", "nodeMetrics", "podMetrics", "podMetrics:kube-system"),
    *("list", "watch"),
)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def told(demo: Path) -> dict[str, Any]:
    """Return what the client prints for each question."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node on the PATH")
    if not ENTRY.exists():
        pytest.skip("needs @kubernetes/client-node: run `make tools` on a machine with npm")
    finished = await run(node, PROGRAM, ENTRY, *QUESTIONS, kubeconfig=demo)
    assert finished.code == 0, finished.err
    answers: dict[str, Any] = json.loads(finished.out)
    return answers


async def test_top_nodes_knows_capacity_and_requests(told: dict[str, Any]) -> None:
    rows = told["topNodes"]

    assert len(rows) == NODES
    for row in rows:
        assert 0 < row["cpuRequested"] <= row["cpuCapacity"]
        assert row["memoryCapacity"] > 1024 * MIB


async def test_top_pods_has_usage_for_every_pod(told: dict[str, Any]) -> None:
    rows = told["topPods"]

    assert len(rows) == PODS
    assert all(row["containers"] for row in rows)
    assert all(row["memory"] > MIB for row in rows)
    assert any(row["cpu"] > 0 for row in rows)


async def test_top_pods_of_a_namespace_has_its_pods_only(told: dict[str, Any]) -> None:
    rows = told["topPods:kube-system"]

    assert rows
    assert {row["namespace"] for row in rows} == {"kube-system"}


async def test_metrics_are_the_documents(told: dict[str, Any]) -> None:
    nodes, pods = told["nodeMetrics"], told["podMetrics"]

    assert (nodes["kind"], len(nodes["items"])) == ("NodeMetricsList", NODES)
    assert (pods["kind"], len(pods["items"])) == ("PodMetricsList", PODS)
    assert nodes["items"][0]["usage"].keys() == {"cpu", "memory"}


async def test_metrics_of_a_namespace_are_its_own(told: dict[str, Any]) -> None:
    document = told["podMetrics:kube-system"]

    assert {item["metadata"]["namespace"] for item in document["items"]} == {"kube-system"}


async def test_core_objects_are_listed_and_watched(told: dict[str, Any]) -> None:
    nodes, events = told["list"], told["watch"]

    assert nodes == [f"node-{number:05}" for number in range(NODES)]
    assert len(set(events)) == PODS
    assert all(event.startswith("ADDED ") for event in events)
