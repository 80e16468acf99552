"""What kubectl, an old one and a current one, does with the metrics resources apart from top."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.e2e.programs import Finished, run

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("demo"),
    pytest.mark.timeout(180),
]

NODES = ["node-00000", "node-00001", "node-00002"]
PODS = 30
NOT_ALLOWED = "Error from server (MethodNotAllowed): the server does not allow this method on the requested resource"


def _printed(finished: Finished) -> str:
    assert finished.code == 0, finished.err
    return finished.out


async def test_get_prints_the_servers_columns(demo: Path, kubectl: str) -> None:
    for arguments, columns in (
        (["nodemetrics"], ["NAME", "CPU", "MEMORY", "WINDOW"]),
        (["nodemetrics", "-o", "wide"], ["NAME", "CPU", "MEMORY", "WINDOW"]),
        (["podmetrics", "-A", "-o", "wide"], ["NAMESPACE", "NAME", "CPU", "MEMORY", "WINDOW"]),
    ):
        header, *rows = _printed(await run(kubectl, "get", *arguments, kubeconfig=demo)).splitlines()
        assert header.split() == columns
        assert len(rows) == (PODS if "podmetrics" in arguments else len(NODES))
        assert all(re.search(r" [0-9]+(n|u|m|)  +[0-9]+([KM]i|)  +[0-9ms.]+$", row) for row in rows), rows


@pytest.mark.parametrize("output", ["yaml", "json"])
async def test_get_prints_the_documents(demo: Path, kubectl: str, output: str) -> None:
    every = yaml.safe_load(_printed(await run(kubectl, "get", "nodemetrics", "-o", output, kubeconfig=demo)))
    one = yaml.safe_load(
        _printed(
            await run(
                *(kubectl, "get", "podmetrics", "-n", "kube-system", "etcd-node-00000", "-o", output), kubeconfig=demo
            )
        )
    )
    assert [item["metadata"]["name"] for item in every["items"]] == NODES
    assert all(item["kind"] == "NodeMetrics" and set(item["usage"]) == {"cpu", "memory"} for item in every["items"])
    assert (one["kind"], [container["name"] for container in one["containers"]]) == ("PodMetrics", ["etcd"])


async def test_get_prints_what_a_path_or_columns_pick(demo: Path, kubectl: str) -> None:
    path = "jsonpath={.items[*].metadata.name}"
    columns = "custom-columns=POD:.metadata.name,CPU:.containers[*].usage.cpu"
    named = _printed(await run(kubectl, "get", "nodemetrics", "-o", path, kubeconfig=demo))
    picked = _printed(
        await run(
            *(kubectl, "get", "podmetrics", "-n", "kube-system", "-l", "component=etcd", "-o", columns), kubeconfig=demo
        )
    )
    assert named.split() == NODES
    header, row = (line.split() for line in picked.splitlines())
    assert (header, row[0]) == (["POD", "CPU"], "etcd-node-00000")
    assert re.fullmatch(r"\d+[num]?", row[1])


@pytest.mark.parametrize("output", ["wide", "name", "json"])
async def test_chunks_add_up_to_the_list(demo: Path, kubectl: str, output: str) -> None:
    command = (kubectl, "get", "podmetrics", "-A", "-o", output)
    asked = await run(*command, "--chunk-size=3", "-v=6", kubeconfig=demo)
    whole = await run(*command, "--chunk-size=0", kubeconfig=demo)
    assert len(re.findall(r"/pods\?(?=.*limit=3)", asked.err)) == PODS / 3
    if output == "json":
        found = json.loads(_printed(asked))["items"]
        assert [_key(item) for item in found] == [_key(item) for item in json.loads(_printed(whole))["items"]]
        return
    # The usage may have changed from one to the other, the names have not.
    names = [[line.split()[:2] for line in _printed(each).splitlines()] for each in (asked, whole)]
    assert names[0] == names[1]


def _key(item: dict[str, dict[str, str]]) -> tuple[str, str]:
    return item["metadata"]["namespace"], item["metadata"]["name"]


async def test_describe_tells_what_there_is(demo: Path, kubectl: str) -> None:
    node = _printed(await run(kubectl, "describe", "nodemetrics", NODES[0], kubeconfig=demo))
    pod = _printed(
        await run(kubectl, "describe", "podmetrics", "-n", "kube-system", "etcd-node-00000", kubeconfig=demo)
    )
    assert re.search(r"^Name: +node-00000$", node, re.MULTILINE)
    assert re.search(r"^Kind: +NodeMetrics$", node, re.MULTILINE)
    assert re.search(r"^Usage:\n  Cpu: +\d+[num]?\n  Memory: +\d+([KM]i)?\nWindow: ", node, re.MULTILINE)
    assert re.search(r"^Containers:\n  Name: +etcd\n  Usage:\n    Cpu: ", pod, re.MULTILINE)


async def test_a_watch_lists_and_then_says_that_there_is_none(demo: Path, kubectl: str) -> None:
    for kind, resource in (("podmetrics", "pods"), ("nodemetrics", "nodes")):
        finished = await run(kubectl, "get", kind, "-n", "kube-system", "-w", kubeconfig=demo, seconds=30)
        assert finished.code == 1
        assert finished.out.startswith("NAME ")
        watched = f"{resource}.metrics.k8s.io"
        assert finished.err.strip() in (
            f'Error from server (MethodNotAllowed): watch is not supported on resources of kind "{watched}"',
            f"{NOT_ALLOWED} (get {watched})",  # an old client-go reads no more than the code
        )


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["delete", "nodemetrics", NODES[0]], id="delete"),
        pytest.param(["delete", "nodemetrics", "--all"], id="delete-all"),
        pytest.param(["label", "nodemetrics", NODES[0], "a=b"], id="label"),
        pytest.param(["patch", "nodemetrics", NODES[0], "--type=merge", "-p", "{}"], id="patch"),
    ],
)
async def test_a_change_is_refused(demo: Path, kubectl: str, arguments: list[str]) -> None:
    finished = await run(kubectl, *arguments, kubeconfig=demo)
    assert finished.code == 1
    assert NOT_ALLOWED in finished.err


async def test_an_edit_changes_nothing(
    demo: Path, kubectl: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EDITOR", "sed -i s/amd64/mine/")
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # kubectl keeps there what it could not save
    finished = await run(kubectl, "edit", "nodemetrics", NODES[0], kubeconfig=demo)
    after = _printed(await run(kubectl, "get", "nodemetrics", NODES[0], "-o", "json", kubeconfig=demo))
    assert finished.code == 1
    assert json.loads(after)["metadata"]["labels"]["kubernetes.io/arch"] == "amd64"


async def test_explain_describes_the_fields(demo: Path, kubectl: str) -> None:
    explained = _printed(await run(kubectl, "explain", "podmetrics.containers", kubeconfig=demo))
    assert re.search(r"^KIND: +PodMetrics$", explained, re.MULTILINE)
    assert re.search(r"^ +usage\t<map\[string\]string>", explained, re.MULTILINE)
