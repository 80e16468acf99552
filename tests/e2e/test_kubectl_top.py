"""``kubectl top`` in its forms, an old one and a current one, beside those that ``test_demo`` has."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.e2e.programs import Finished, run

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("demo"),
    pytest.mark.timeout(180),
]

NODES = ["node-00000", "node-00001", "node-00002"]
ETCD = "etcd-node-00000"
FIRST_WITH_V1 = 37
"""The minor version of the first kubectl that reads ``metrics.k8s.io/v1``."""


def rows(finished: Finished) -> list[list[str]]:
    assert finished.code == 0, finished.err
    return [line.split() for line in finished.out.splitlines()]


async def test_one_object_is_read_by_its_name(demo: Path, kubectl: str) -> None:
    node = rows(await run(kubectl, "top", "node", NODES[1], kubeconfig=demo))
    pod = rows(await run(kubectl, "top", "pod", ETCD, "-n", "kube-system", "--containers", kubeconfig=demo))
    assert [row[0] for row in node] == ["NAME", NODES[1]]
    assert [row[:2] for row in pod] == [["POD", "NAME"], [ETCD, "etcd"]]


@pytest.mark.parametrize(("by", "column"), [("cpu", 1), ("memory", 3)])
async def test_nodes_are_sorted_by_what_they_use(demo: Path, kubectl: str, by: str, column: int) -> None:
    found = rows(await run(kubectl, "top", "nodes", f"--sort-by={by}", "--no-headers", kubeconfig=demo))
    values = [int(row[column].rstrip("mMi")) for row in found]
    assert sorted(row[0] for row in found) == NODES
    assert values == sorted(values, reverse=True)


async def test_pods_are_sorted_by_memory(demo: Path, kubectl: str) -> None:
    found = rows(await run(kubectl, "top", "pods", "-A", "--sort-by=memory", "--no-headers", kubeconfig=demo))
    values = [int(row[3].rstrip("Mi")) for row in found]
    assert len(values) == 30
    assert values == sorted(values, reverse=True)


async def test_the_version_of_the_api_is_the_first_that_kubectl_knows(demo: Path, kubectl: str) -> None:
    client = json.loads((await run(kubectl, "version", "--client", "-o", "json", kubeconfig=demo)).out)["clientVersion"]
    minor = int(client["minor"].rstrip("+"))
    said = (await run(kubectl, "top", "nodes", "-v=6", kubeconfig=demo)).err
    asked = set(re.findall(r"/apis/metrics\.k8s\.io/(\w+)/nodes", said))
    assert asked == {"v1" if minor >= FIRST_WITH_V1 else "v1beta1"}


async def test_nodes_are_selected_by_label(demo: Path, kubectl: str) -> None:
    selector = "node-role.kubernetes.io/control-plane"
    found = rows(await run(kubectl, "top", "nodes", "-l", selector, "--no-headers", kubeconfig=demo))
    assert [row[0] for row in found] == NODES[:1]


@pytest.fixture
async def current(demo: Path, kubectl: str) -> str:
    """Return a kubectl that has what came after 1.20."""
    if "--sum" not in (await run(kubectl, "top", "pods", "--help", kubeconfig=demo)).out:
        pytest.skip("kubectl 1.20 has no --use-protocol-buffers, --sum, --field-selector and --show-capacity")
    return kubectl


@pytest.mark.parametrize("arguments", [["nodes"], ["pods", "-A"]])
async def test_protobuf_is_understood_as_json_is(demo: Path, current: str, arguments: list[str]) -> None:
    names = []
    for wish in ("true", "false"):
        command = (current, "top", *arguments, "--no-headers", f"--use-protocol-buffers={wish}")
        names.append([row[: len(arguments)] for row in rows(await run(*command, kubeconfig=demo))])
    assert names[0] == names[1]
    assert names[0]


async def test_a_sum_a_field_and_the_capacity(demo: Path, current: str) -> None:
    system = (current, "top", "pods", "-n", "kube-system", "--no-headers")
    summed = rows(await run(*system, "--sum", kubeconfig=demo))
    picked = rows(await run(*system, f"--field-selector=metadata.name={ETCD}", kubeconfig=demo))
    capacity = rows(await run(current, "top", "nodes", "--show-capacity", kubeconfig=demo))
    assert any(int(cell.rstrip("m")) > 0 for cell in summed[-1] if cell.endswith("m"))
    assert [row[0] for row in picked] == [ETCD]
    assert [row[0] for row in capacity[1:]] == NODES


async def test_swap_which_nobody_reports_is_unknown(demo: Path, kubectl: str) -> None:
    if "--show-swap" not in (await run(kubectl, "top", "nodes", "--help", kubeconfig=demo)).out:
        pytest.skip("needs kubectl 1.34 or newer: older ones have no --show-swap")
    nodes = rows(await run(kubectl, "top", "nodes", "--show-swap", "--no-headers", kubeconfig=demo))
    pods = rows(await run(kubectl, "top", "pods", "-A", "--show-swap", "--no-headers", kubeconfig=demo))
    assert [(row[0], *row[5:]) for row in nodes] == [(name, "<unknown>", "<unknown>") for name in NODES]
    assert {len(row) for row in pods} == {5}


async def test_pods_are_selected_by_a_field_that_only_pods_have_or_the_server_says_why_not(
    demo: Path, current: str
) -> None:
    finished = await run(current, "top", "pods", "-A", f"--field-selector=spec.nodeName={NODES[1]}", kubeconfig=demo)
    if finished.code:  # until 1.36 the selector is sent to the metrics API
        known = 'only "metadata.name", "metadata.namespace"'
        assert finished.err.strip().endswith(f'"spec.nodeName" is not a known field selector: {known}')
    else:
        assert 0 < len(rows(finished)) < 30


async def test_nothing_found_is_said(demo: Path, kubectl: str) -> None:
    missing = await run(kubectl, "top", "node", "nope", kubeconfig=demo)
    empty = await run(kubectl, "top", "pods", "-n", "default", "-l", "no=such", kubeconfig=demo)
    assert missing.code == 1
    assert 'nope" not found' in missing.err
    assert "No resources found" in empty.err
