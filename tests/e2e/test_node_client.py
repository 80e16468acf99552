"""npm's ``@kubernetes/client-node`` on the demo, unmodified."""

from __future__ import annotations

import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

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

Ask = Callable[..., Awaitable[Any]]


@pytest.fixture
def ask(demo: Path) -> Ask:
    """Return what the client prints for a question."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node on the PATH")
    if not ENTRY.exists():
        pytest.skip("needs @kubernetes/client-node: run `make tools` on a machine with npm")

    async def question(*words: str) -> Any:
        finished = await run(node, PROGRAM, ENTRY, *words, kubeconfig=demo)
        assert finished.code == 0, finished.err
        return json.loads(finished.out)

    return question


async def test_top_nodes_knows_capacity_and_requests(ask: Ask) -> None:
    rows = await ask("topNodes")

    assert len(rows) == NODES
    for row in rows:
        assert 0 < row["cpuRequested"] <= row["cpuCapacity"]
        assert row["memoryCapacity"] > 1024 * MIB


async def test_top_pods_has_usage_for_every_pod(ask: Ask) -> None:
    rows = await ask("topPods")

    assert len(rows) == PODS
    assert all(row["containers"] for row in rows)
    assert all(row["memory"] > MIB for row in rows)
    assert any(row["cpu"] > 0 for row in rows)


async def test_top_pods_of_a_namespace_has_its_pods_only(ask: Ask) -> None:
    rows = await ask("topPods", "kube-system")

    assert rows
    assert {row["namespace"] for row in rows} == {"kube-system"}


async def test_metrics_are_the_documents(ask: Ask) -> None:
    nodes, pods = await ask("nodeMetrics"), await ask("podMetrics")

    assert (nodes["kind"], len(nodes["items"])) == ("NodeMetricsList", NODES)
    assert (pods["kind"], len(pods["items"])) == ("PodMetricsList", PODS)
    assert nodes["items"][0]["usage"].keys() == {"cpu", "memory"}


async def test_metrics_of_a_namespace_are_its_own(ask: Ask) -> None:
    document = await ask("podMetrics", "kube-system")

    assert {item["metadata"]["namespace"] for item in document["items"]} == {"kube-system"}


async def test_core_objects_are_listed_and_watched(ask: Ask) -> None:
    nodes, events = await ask("list"), await ask("watch")

    assert nodes == [f"node-{number:05}" for number in range(NODES)]
    assert len(set(events)) == PODS
    assert all(event.startswith("ADDED ") for event in events)
