"""``serve --kubelet-tls-verify=…`` as a process, against kubelets of the cluster's authority and of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.fleet.certificates import Certificates, issue_itself
from metrics_api.localcluster.kubeconfig import write_kubeconfig
from metrics_api.localcluster.resources import NODES
from tests.e2e.programs import metrics_api
from tests.e2e.serving import Serving, serving

pytestmark = [pytest.mark.asyncio(loop_scope="function"), pytest.mark.timeout(150)]
SOON = ("--metric-resolution=10s", "--kubelet-request-timeout=8s")


async def told(server: Serving, name: str) -> dict[str, Any]:
    """Return what the server says of a node."""
    answer = await server.client.get(f"/debug/nodes?name={name}")
    (found,) = answer.json()["items"]
    return dict(found)


async def until_reason(server: Serving, name: str, reason: str | None) -> dict[str, Any]:
    def wanted(found: dict[str, Any]) -> bool:
        return found["sinceAsked"] is not None and found["reason"] == reason

    found: dict[str, Any] = await server.until(lambda: told(server, name), wanted, seconds=60)
    return found


@pytest.mark.parametrize(
    ("certificates", "verify"), [("per_node", "full"), ("per_node", "node-name"), ("self_signed", "pin")]
)
async def test_kubelets_that_prove_what_is_asked_are_scraped(
    tmp_path: Path, certificates: Certificates, verify: str
) -> None:
    async with (
        LocalCluster(nodes=2, pods_per_node=2, certificates=certificates) as cluster,
        serving(cluster, tmp_path, f"--kubelet-tls-verify={verify}", *SOON) as server,
    ):
        await server.until(lambda: server.items("nodes"), lambda nodes: len(nodes) == 2)

    warned = "--kubelet-tls-verify=pin: after each start, the first to answer" in (tmp_path / "log").read_text()
    assert warned is (verify == "pin")


@pytest.mark.parametrize("verify", ["full", "node-name"])
async def test_kubelets_that_sign_for_themselves_are_refused_with_the_causes_and_what_helps(
    tmp_path: Path, verify: str
) -> None:
    async with LocalCluster(nodes=1, pods_per_node=1, certificates="self_signed") as cluster:
        name = cluster.fleet.node_names[0]
        async with serving(cluster, tmp_path, f"--kubelet-tls-verify={verify}", *SOON) as server:
            found = await until_reason(server, name, "tls")
        sent = cluster.fleet.counts[name].received.total()

    assert "which is the node's own" in found["message"]
    assert "--kubelet-tls-verify=pin" in found["message"]
    assert sent == 0, "no token was shown"


async def test_under_pin_a_changed_key_is_refused_and_explained_until_the_node_is_another(tmp_path: Path) -> None:
    async with LocalCluster(nodes=2, pods_per_node=2, certificates="self_signed") as cluster:
        changed, other = cluster.fleet.node_names
        kubeconfig = write_kubeconfig(tmp_path / "admin", cluster.admin_kubeconfig())
        async with serving(cluster, tmp_path, "--kubelet-tls-verify=pin", *SOON) as server:
            await server.until(lambda: server.items("nodes"), lambda nodes: len(nodes) == 2)
            cluster.register_extension(server.port, verified=False)
            await cluster.fleet.start_anew(changed, issue_itself(changed))
            received = cluster.fleet.counts[changed].received.total()
            refused = await until_reason(server, changed, "tls")
            assert cluster.fleet.counts[changed].received.total() == received, "nothing was sent to the new key"
            assert (await told(server, other))["reason"] is None
            whole = await metrics_api("doctor", kubeconfig=kubeconfig)
            of_node = await metrics_api("doctor", "node", changed, kubeconfig=kubeconfig)

            register_anew(cluster, changed)
            await until_reason(server, changed, None)

    assert f"is not the one that node {changed} had when it was first met" in refused["message"]
    assert "restart metrics-api, or delete the Node object" in refused["message"]
    assert "[kubelet-tls]" in whole.out
    assert "If the certificate was made anew, restart metrics-api" in flat(whole.out)
    assert f"is not the one that node {changed} had when it was first met" in flat(of_node.out)


def register_anew(cluster: LocalCluster, name: str) -> None:
    """Let a node's object be deleted and made again, as its kubelet does: it has another uid then."""
    node = cluster.objects.delete(NODES, "", name)
    metadata = {key: node["metadata"][key] for key in ("name", "labels", "annotations") if key in node["metadata"]}
    cluster.objects.create(NODES, {**node, "metadata": metadata})


def flat(text: str) -> str:
    return " ".join(text.split())
