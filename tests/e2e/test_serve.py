"""``metrics-api serve`` as an operator runs it: its arguments, its numbers, its complaints."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from metrics_api.localcluster.authorities import FRONT_PROXY_NAME
from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.fleet.behaviour import DropConnection
from metrics_api.localcluster.users import service_account
from metrics_api.model import PodKey
from metrics_api.quantity import parse_quantity
from metrics_api.timetext import parse_duration, parse_rfc3339
from tests.e2e.guarded import client_context
from tests.e2e.programs import metrics_api
from tests.e2e.serving import GROUP, serving

pytestmark = [pytest.mark.xdist_group("serve"), pytest.mark.timeout(120)]


async def test_metrics_servers_manifest_serves_100_nodes_and_each_busy_pod_from_its_first_scrape(
    tmp_path: Path,
) -> None:
    async with LocalCluster(nodes=100, pods_per_node=10, certificates="shared") as cluster:
        busy_before = await busy_pods(cluster)
        async with serving(cluster, tmp_path) as server:
            nodes = await server.until(lambda: server.items("nodes"), lambda found: len(found) == 100)
            await server.until(lambda: server.client.get("/readyz"), lambda answer: answer.status_code == 200)
            pods = await server.items("pods")
        busy = busy_before & await busy_pods(cluster)

    served = {PodKey(pod["metadata"]["namespace"], pod["metadata"]["name"]) for pod in pods}
    assert len(nodes) == 100
    assert not busy - served
    assert len(busy) > 500


async def busy_pods(cluster: LocalCluster) -> set[PodKey]:
    """Return the pods for all of whose containers the kubelets say a positive rate now."""
    user = service_account("kube-system", "metrics-server")
    authorization = {"authorization": f"Bearer {cluster.api.tokens.issue(user)}"}
    busy = set()
    async with httpx.AsyncClient(verify=False, trust_env=False, headers=authorization) as client:  # noqa: S501
        for node in cluster.fleet.node_objects():
            address = next(each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP")
            port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
            summary = await client.get(f"https://{address}:{port}/stats/summary?only_cpu_and_memory=true")
            for pod in summary.json()["pods"]:
                if all(container["cpu"].get("usageNanoCores") for container in pod["containers"]):
                    busy.add(PodKey(pod["podRef"]["namespace"], pod["podRef"]["name"]))
    return busy


async def test_the_numbers_agree_with_what_was_really_used(tmp_path: Path) -> None:
    """Memory and the mean of CPU within 3 %; a single CPU within what whole-second times allow at 10 s."""
    async with LocalCluster(nodes=3, pods_per_node=10) as cluster, serving(cluster, tmp_path) as server:
        pods = await server.until(lambda: server.items("pods"), lambda found: len(found) == 30, seconds=80)
        nodes = await server.items("nodes")
        truth = cluster.fleet.truth

        ratios = []
        for node in nodes:
            start, end = window(node)
            ratios.append(nanocores(node) / truth.node_cpu(node["metadata"]["name"], start, end))
        assert ratios == pytest.approx([1.0] * len(ratios), abs=0.1)
        assert sum(ratios) / len(ratios) == pytest.approx(1.0, abs=0.03)
        for pod in pods:
            key = PodKey(pod["metadata"]["namespace"], pod["metadata"]["name"])
            _, end = window(pod)
            memory = sum(parse_quantity(container["usage"]["memory"]) for container in pod["containers"])
            assert float(memory) == pytest.approx(truth.pod_memory(key, end), rel=0.03, abs=1e6)


def nanocores(node: dict[str, Any]) -> float:
    return float(parse_quantity(node["usage"]["cpu"])) * 1e9


def window(item: dict[str, Any]) -> tuple[float, float]:
    end = parse_rfc3339(item["timestamp"])
    return end - parse_duration(item["window"]), end


async def test_it_stops_in_order_when_asked(tmp_path: Path) -> None:
    async with LocalCluster(nodes=1, pods_per_node=2) as cluster, serving(cluster, tmp_path) as server:
        await server.until(lambda: server.items("nodes"), lambda found: len(found) == 1)

        server.process.terminate()

        assert await asyncio.wait_for(server.process.wait(), 20) == 0


async def test_it_is_alive_without_an_api_server_and_serves_once_there_is_one(tmp_path: Path) -> None:
    async with LocalCluster(nodes=1, pods_per_node=2) as cluster:  # one is busy, and has CPU from its first scrape
        await cluster.api.stop()
        async with serving(cluster, tmp_path) as server:
            del server.client.headers["authorization"]  # a kubelet's probe shows nothing
            live = await server.until(lambda: server.client.get("/livez"), lambda answer: answer.status_code == 200)
            ready = await server.client.get("/readyz")
            assert (live.text, ready.status_code) == ("ok", 500)

            await cluster.api.start()

            await server.until(lambda: server.client.get("/readyz"), lambda answer: answer.status_code == 200, 60)


async def test_discovery_goes_on_when_the_api_server_and_all_kubelets_are_gone(tmp_path: Path) -> None:
    async with LocalCluster(nodes=2, pods_per_node=1) as cluster, serving(cluster, tmp_path) as server:
        await server.until(lambda: server.items("nodes"), lambda found: len(found) == 2)
        for name in list(cluster.fleet.node_names):
            cluster.fleet.behave(name, DropConnection())
        await cluster.api.stop()

        pair = cluster.authorities.front_proxy.issue(FRONT_PROXY_NAME, client=True)
        context = client_context(tmp_path, pair)
        headers = {"x-remote-user": "system:kube-aggregator", "x-remote-group": "system:masters"}
        async with httpx.AsyncClient(verify=context, trust_env=False, headers=headers) as aggregator:
            answers = [
                await aggregator.get(f"https://127.0.0.1:{server.port}{path}")
                for path in ("/apis", GROUP, "/openapi/v2", "/openapi/v3", f"{GROUP}/nodes")
            ]

    assert [answer.status_code for answer in answers] == [200] * 5
    assert len(answers[-1].json()["items"]) == 2


SOUND = "--kubeconfig={kubeconfig}"


def sound_kubeconfig(directory: Path) -> Path:
    """Write a file that leads somewhere, so that what is wrong is something else."""
    kubeconfig = directory / "kubeconfig"
    kubeconfig.write_text(
        "current-context: a\ncontexts: [{name: a, context: {cluster: a}}]\n"
        "clusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}]\n"
    )
    return kubeconfig


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param(["--no-such-flag", "--metric-resolution=1s"], 2, ["no-such-flag", "at least 10s"], id="flags"),
        pytest.param(["--kubeconfig=/no/such/file", "--secure-port=0"], 1, ["/no/such/file"], id="kubeconfig"),
        pytest.param(["--secure-port=0"], 1, ["--kubeconfig"], id="neither a pod nor a kubeconfig"),
        pytest.param(
            [SOUND, "--tls-cert-file=/no/cert", "--tls-private-key-file=/no/key"], 1, ["/no/cert"], id="certificate"
        ),
        pytest.param([SOUND, "--bind-address=192.0.2.1"], 1, ["--bind-address"], id="address"),
    ],
)
async def test_an_operators_mistake_is_a_sentence_and_an_exit_code(
    tmp_path: Path, arguments: list[str], code: int, said: list[str]
) -> None:
    kubeconfig = sound_kubeconfig(tmp_path)
    given = [each.format(kubeconfig=kubeconfig) for each in arguments]
    finished = await metrics_api("serve", f"--cert-dir={tmp_path}", *given)

    assert finished.code == code
    assert all(text in finished.err for text in said), finished.err
    assert "Traceback" not in finished.err


async def test_a_taken_port_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        finished = await metrics_api(
            *("serve", f"--cert-dir={tmp_path}", f"--kubeconfig={sound_kubeconfig(tmp_path)}"),
            *("--bind-address=127.0.0.1", f"--secure-port={port}"),
        )

    assert finished.code == 1
    assert f"port {port}" in finished.err
    assert "Traceback" not in finished.err
