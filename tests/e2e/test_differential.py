"""The same requests to our server and to a metrics-server on the same cluster, where one is named."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.fleet.behaviour import Fail
from metrics_api.localcluster.kubeconfig import write_kubeconfig
from metrics_api.localcluster.ports import free_port
from metrics_api.localcluster.users import User
from tests.e2e.comparison import INTENDED, Answer, differences, read, unintended
from tests.e2e.corpus import Probe, Served, probes
from tests.e2e.oddities import OLD
from tests.e2e.serving import Serving, manifest_arguments, serving

pytestmark = [pytest.mark.xdist_group("differential"), pytest.mark.timeout(300)]

PAGE = Path(__file__).parents[2] / "docs/differences.md"
PODS = 4
SILENT = "node-00002"
PATIENCE = 90


@contextlib.asynccontextmanager
async def _ours(cluster: LocalCluster, folder: Path, *, pods: int) -> AsyncIterator[Serving]:
    async with serving(cluster, folder) as server:
        await _until_served(server, pods)
        yield server


async def _until_served(server: Serving, pods: int) -> None:
    await server.until(lambda: server.items("pods"), lambda found: len(found) >= pods, PATIENCE)
    await server.until(lambda: server.client.get("/readyz"), lambda answer: answer.status_code == 200, PATIENCE)


@contextlib.asynccontextmanager
async def _theirs(
    program: str, cluster: LocalCluster, folder: Path, client: httpx.AsyncClient
) -> AsyncIterator[Serving]:
    """Run a metrics-server; ``client`` lends its credentials."""
    kubeconfig = write_kubeconfig(folder / "kubeconfig", cluster.server_kubeconfig())
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(program, *manifest_arguments(folder, port), "--kubelet-insecure-tls", "--bind-address=127.0.0.1"),
        *(f"--{part}kubeconfig={kubeconfig}" for part in ("", "authentication-", "authorization-")),
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=DEVNULL,
    )
    headers = {"authorization": client.headers["authorization"]}
    url = f"https://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(base_url=url, headers=headers, verify=False, trust_env=False) as lent:  # noqa: S501
            server = Serving(process, port, lent)
            await _until_served(server, PODS)
            yield server
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _requests(cluster: LocalCluster, server: Serving) -> list[Probe]:
    node, pod = (await server.items("nodes"))[0]["metadata"], (await server.items("pods"))[0]["metadata"]
    stranger = cluster.api.tokens.issue(User("stranger"))
    silent = next(each for each in cluster.fleet.pod_objects() if each["spec"]["nodeName"] == SILENT)["metadata"]
    unmeasured = f"/nodes/{SILENT}", f"/namespaces/{silent['namespace']}/pods/{silent['name']}"
    return list(probes(Served(node["name"], pod["namespace"], pod["name"], f"Bearer {stranger}", unmeasured)))


def _cluster() -> LocalCluster:
    """Return three nodes with two pods each; one of them never says what it uses."""
    cluster = LocalCluster(nodes=3, pods_per_node=2)
    cluster.fleet.behave(SILENT, Fail(500, "no stats"))
    return cluster


async def _ask(server: Serving, probe: Probe) -> httpx.Response:
    headers = {"user-agent": "differential", "accept-encoding": "identity", **probe.headers}
    sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    request = server.client.build_request(probe.method, probe.path, headers=sent)
    if headers.get("authorization") == "":
        del request.headers["authorization"]
    return await server.client.send(request)


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.long)])
async def test_no_request_whatever_makes_our_server_fail(tmp_path: Path, every: int) -> None:
    failed: list[str] = []
    codes: set[int] = set()
    async with _cluster() as cluster, _ours(cluster, tmp_path, pods=1) as server:
        asked = await _requests(cluster, server)
        for probe in asked[::every]:
            response = await _ask(server, probe)
            codes.add(response.status_code)
            read(response)  # every body is what its Content-Type says
            if response.status_code >= 500 or not (response.headers.get("audit-id") or probe.method == "NONSENSE"):
                failed.append(f"{probe} -> {response.status_code} {response.text[:200]}")
        log = (tmp_path / "log").read_text()
    assert not failed, "\n".join(failed)
    assert len(asked) > 2500
    assert {200, 400, 401, 403, 404, 405, 406, 422} <= codes
    assert "Traceback" not in log


async def test_nothing_differs_from_metrics_server_but_what_is_meant_to(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    program = os.environ.get("METRICS_SERVER_BIN")
    if not program:
        pytest.skip("needs a metrics-server: METRICS_SERVER_BIN names its program")
    found = []
    async with (
        _cluster() as cluster,
        _ours(cluster, tmp_path, pods=PODS) as ours,
        _theirs(program, cluster, tmp_path_factory.mktemp("theirs"), ours.client) as theirs,
    ):
        for probe in await _requests(cluster, ours):
            answers = [read(await _ask(server, probe)) for server in (ours, theirs)]
            found += [f"{probe}\n    {each}" for each in unintended(probe, *answers)]
    assert not found, "\n".join([f"{len(found)} differences that are not intended:", *found])


def test_every_intended_difference_has_its_reason_on_the_page() -> None:
    titles = re.findall(r"^\| \*\*(.+?)\*\* \|", PAGE.read_text(), re.MULTILINE)
    assert titles == list(dict.fromkeys(each.title for each in INTENDED))


_NODES = Probe("GET", f"{OLD}/nodes", {"accept": "application/json"})
_LIST = {"kind": "NodeMetricsList", "items": [{"metadata": {"name": "n1"}}]}


def _answer(body: object, status: int = 200, **headers: str) -> Answer:
    return read(httpx.Response(status, json=body, headers=headers))


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        pytest.param(_answer(_LIST, 201), "status: 200, there 201", id="status"),
        pytest.param(_answer(_LIST, vary="Accept"), "header vary: None, there 'Accept'", id="header"),
        pytest.param(_answer({**_LIST, "kind": "X"}), "body.kind: 'NodeMetricsList', there 'X'", id="body"),
        pytest.param(
            _answer({**_LIST, "items": [{"metadata": {"name": "n2"}}]}),
            "body.items[0].metadata.name: 'n1', there 'n2'",
            id="deep",
        ),
    ],
)
def test_a_difference_that_is_not_meant_is_said(theirs: Answer, said: str) -> None:
    assert unintended(_NODES, _answer(_LIST), theirs) == [said]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('{"kind":"A","items":[{"a":1,"b":2}]}', "form: compact, ended by '}', keys kind items a b, there compact, "),
        ('{\n  "kind": "A", "items":[{"a":1,"b":2}]}\n', "form: indented, ended by '\\n', keys"),
        ('{"items":[{"a":1,"b":2}],"kind":"A"}\n', "form: compact, ended by '\\n', keys items a b kind, there compact"),
        ('{"kind":"A","items":[{"b":2,"a":1}]}\n', "form: compact, ended by '\\n', keys kind items b a, there compact"),
    ],
    ids=["end", "indentation", "order", "order-in-a-list"],
)
def test_json_that_is_written_otherwise_is_a_difference(written: str, said: str) -> None:
    theirs = '{"kind":"A","items":[{"a":1,"b":2}]}\n'
    answers = [
        read(httpx.Response(200, text=each, headers={"content-type": "application/json"})) for each in (written, theirs)
    ]
    (found,) = unintended(_NODES, *answers)
    assert found.startswith(said)


def test_a_difference_that_is_meant_is_left_out() -> None:
    created = [_answer({"items": [{"metadata": {"creationTimestamp": time}}]}) for time in ("a", "b")]
    assert len(list(differences(*created))) == 1
    assert unintended(_NODES, *created) == []


def test_what_was_measured_at_another_moment_is_no_difference() -> None:
    measured = [
        _answer({"items": [{"timestamp": time, "usage": {"cpu": cpu, "memory": "1Ki"}}]}, date=time, etag=cpu)
        for time, cpu in (("a", "1n"), ("b", "2n"))
    ]
    assert list(differences(*measured)) == []
