"""The doctor names the cause of every fault that the demo can inject."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from metrics_api.clock import SystemClock
from metrics_api.commands.doctor import run
from metrics_api.doctor.findings import Finding, Severity
from metrics_api.doctor.gathering import Target, gather
from metrics_api.doctor.inside import Inside
from metrics_api.doctor.judging import judge
from metrics_api.doctor.looking import Looking
from metrics_api.kube.client import KubeClient
from metrics_api.kube.config import load_access
from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.cluster_faults import CLUSTER_FAULTS
from metrics_api.localcluster.injection import Plan, inject
from metrics_api.localcluster.kubeconfig import write_kubeconfig
from metrics_api.localcluster.node_faults import NODE_FAULTS, Silenced
from metrics_api.localcluster.ports import free_port
from tests.e2e.programs import metrics_api
from tests.e2e.serving import serving

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("doctor"),
    pytest.mark.timeout(180),
]

CAUSES = {
    "hang": "kubelet-timeout",
    "drip": "kubelet-timeout",
    "slow": "kubelet-slow",
    "flood": "kubelet-too-large",
    "reset": "kubelet-reset",
    "refused": "kubelet-refused",
    "tls": "kubelet-tls",
    "expired": "kubelet-tls",
    "no-certificate": "kubelet-no-serving-cert",
    "unauthorized": "kubelet-unauthorized",
    "forbidden": "kubelet-forbidden",
    "no-summary": "kubelet-fallback",
    "not-found": "kubelet-not-found",
    "error": "kubelet-status",
    "redirect": "kubelet-redirect",
    "garbage": "kubelet-decode",
    "wrong-node": "kubelet-wrong-node",
    "no-container-data": "kubelet-no-containers",
    "clock-skew": "clock-skew",
    "flapping": "kubelet-unsteady",
    "no-address": "kubelet-no-address",
}
"""Fault of a node -> what the doctor calls it."""

CLUSTER_CAUSES = {
    "no-front-proxy-ca": {"front-proxy-authority-missing"},
    "front-proxy-differs": {"apiservice-unavailable"},
    "rbac-missing": {"rights-missing"},
    "no-delegation": {"rights-missing"},
    "no-endpoints": {"endpoints-not-ready", "apiservice-unavailable"},
    "service-missing": {"service-missing", "apiservice-unavailable"},
    "apiservice-missing": {"apiservice-missing"},
    "apiservice-split": {"apiservice-split"},
    "discovery-slow": {"discovery-slow"},
    "csr-pending": {"csr-pending"},
    "hpa-no-requests": {"hpa-requests-missing"},
}


Sick = tuple[Path, dict[str, str], dict[str, Finding]]
"""A kubeconfig, fault -> node that has it, and what is found."""
EVERY_NODE_FAULT = Plan(dict.fromkeys(NODE_FAULTS, 1))


@contextlib.asynccontextmanager
async def examined(kubeconfig: Path) -> AsyncIterator[Callable[[], Awaitable[dict[str, Finding]]]]:
    """Yield what gathers and judges, as the command does, but in this process."""
    client = KubeClient(await load_access(str(kubeconfig)))
    looking = Looking(client, 10.0)

    async def examine() -> dict[str, Finding]:
        facts = await gather(looking, Target(), Inside(looking), SystemClock())
        return {finding.id: finding for finding in judge(facts)}

    try:
        yield examine
    finally:
        await client.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sick(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Sick]:
    """Yield a kubeconfig, fault -> node, and what is found, once every fault of a node has shown."""
    directory = tmp_path_factory.mktemp("sick")
    kubeconfig = directory / "admin"
    async with LocalCluster(nodes=len(NODE_FAULTS) + 1, pods_per_node=2) as cluster:
        nodes = {fault: node for node, fault in (await inject(cluster, EVERY_NODE_FAULT)).items()}
        write_kubeconfig(kubeconfig, cluster.admin_kubeconfig())
        flags = ("--metric-resolution=10s", "--kubelet-request-timeout=8s")
        async with serving(cluster, directory, *flags) as server, examined(kubeconfig) as examine:
            await server.until(lambda: server.client.get("/livez"), lambda answer: answer.status_code == 200)
            cluster.register_extension(server.port, verified=False)
            found = await until(examine, set(CAUSES.values()).issubset, pause=1.0)
            yield kubeconfig, nodes, found


@pytest.mark.parametrize("fault", NODE_FAULTS)
async def test_each_fault_of_a_node_is_named_with_its_node_and_a_remedy(sick: Sick, fault: str) -> None:
    _, nodes, found = sick
    finding = found[CAUSES[fault]]

    assert any(nodes[fault] in line for line in finding.evidence)
    assert finding.remedy
    harmless = NODE_FAULTS[fault].silences is Silenced.NOTHING
    assert finding.severity is (Severity.WARNING if harmless else Severity.ERROR)


async def test_the_worst_comes_first_and_is_the_exit_code(
    sick: Sick,
) -> None:
    kubeconfig, nodes, _ = sick
    finished = await metrics_api("doctor", "--output=json", kubeconfig=kubeconfig)
    document = json.loads(finished.out)

    severities = [finding["severity"] for finding in document["findings"]]
    assert severities == sorted(severities, key=["error", "warning", "info"].index)
    assert finished.code == document["exitCode"] == 2
    assert finished.out.isascii()

    node = nodes["unauthorized"]
    code, of_node = await doctor(kubeconfig, "node", node)
    assert code == 2
    assert "node-without-metrics" not in of_node, "one cause is one finding"
    found = of_node["kubelet-unauthorized"]
    assert found["summary"] == f"node {node} has no metrics: the node cannot be scraped: unauthorized"
    assert "authentication.webhook.enabled" in found["remedy"]


@pytest.mark.parametrize("fault", CLUSTER_FAULTS)
async def test_each_fault_of_the_cluster_is_named_with_a_remedy(tmp_path: Path, fault: str) -> None:
    kubeconfig = tmp_path / "admin"
    async with LocalCluster(nodes=1, pods_per_node=1) as cluster:
        cluster.register_extension(free_port())  # where nobody listens
        await inject(cluster, Plan({}, (fault,)))
        write_kubeconfig(kubeconfig, cluster.admin_kubeconfig())
        async with examined(kubeconfig) as examine:
            found = await until(examine, CLUSTER_CAUSES[fault].issubset)

    for cause in CLUSTER_CAUSES[fault]:
        assert found[cause].remedy


async def test_a_server_that_kube_apiserver_cannot_ask_is_asked_directly(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "admin"
    async with LocalCluster(nodes=1, pods_per_node=1) as cluster:
        pair = cluster.serving_pair()
        authority = cluster.authorities.cluster.certificate
        for name, content in (("crt", pair.certificate), ("key", pair.key), ("ca", authority)):
            (tmp_path / name).write_bytes(content)
        write_kubeconfig(kubeconfig, cluster.admin_kubeconfig())
        tls = (f"--tls-cert-file={tmp_path / 'crt'}", f"--tls-private-key-file={tmp_path / 'key'}")
        async with serving(cluster, tmp_path, *tls) as server:
            cluster.register_extension(server.port)
            url = f"--server=https://127.0.0.1:{server.port}"
            await inject(cluster, Plan({}, ("front-proxy-differs",)))
            await server.until(
                lambda: server.client.get("/debug/status"), lambda answer: bool(answer.json()["trust"]["refused"])
            )
            differs = await doctor(kubeconfig, url)
            await inject(cluster, Plan({}, ("no-front-proxy-ca",)))
            await server.until(
                lambda: server.client.get("/debug/status"),
                lambda answer: not answer.json()["trust"]["frontProxyAuthorities"],
            )
            by_file = await doctor(kubeconfig, url, f"--server-ca={tmp_path / 'ca'}")
            by_bundle = await doctor(kubeconfig, url)
            stranger = await doctor(kubeconfig, url, f"--server-ca={tmp_path / 'crt'}")

    assert "CN=front-proxy-ca of last year" in differs[1]["front-proxy-refused"]["evidence"][0]
    for code, found in (by_file, by_bundle):
        assert code == 2
        assert {"front-proxy-authority-missing", "server-trusts-no-front-proxy"} <= found.keys()
    assert "inside-unreachable" in stranger[1]


async def test_without_rights_nothing_crashes_and_nothing_is_claimed(tmp_path: Path) -> None:
    async with LocalCluster(nodes=1, pods_per_node=1) as cluster:
        cluster.register_extension(free_port())
        kubeconfig = write_kubeconfig(tmp_path / "bob", cluster.user_kubeconfig("bob"))
        code, found = await doctor(kubeconfig)
        _, preflight = await doctor(kubeconfig, "--preflight")

    assert code == 1
    blind = found.pop("not-looked-blind")
    assert blind["severity"] == "warning"
    assert {finding["severity"] for finding in found.values()} == {"info"}
    assert "the nodes" in found["not-looked-forbidden"]["summary"]
    assert "preflight-rights" in preflight


async def doctor(kubeconfig: Path, *arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Return the exit code and the findings by id; run in a thread, which saves a process."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = await asyncio.to_thread(run, ["--kubeconfig", str(kubeconfig), "--output=json", *arguments])
    return code, {finding["id"]: finding for finding in json.loads(said.getvalue())["findings"]}


async def until(
    examine: Callable[[], Awaitable[dict[str, Finding]]],
    wanted: Callable[[dict[str, Finding]], bool],
    *,
    pause: float = 0.05,
) -> dict[str, Finding]:
    async with asyncio.timeout(60):
        while True:
            found = await examine()
            if wanted(found):
                return found
            await asyncio.sleep(pause)
