"""Rollouts, drains and restarts while readers read: no read fails, and no row is missing from any answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.kubeconfig import write_kubeconfig
from metrics_api.localcluster.resources import PODS
from tests.e2e.deployment import Deployment, Replica, readers, rows
from tests.e2e.serving import GROUP

pytestmark = [pytest.mark.xdist_group("rollout"), pytest.mark.timeout(120)]

NODES, PODS_PER_NODE = 3, 8


@contextlib.asynccontextmanager
async def running(directory: Path) -> AsyncIterator[tuple[LocalCluster, Deployment, Replica]]:
    """A cluster with one replica that serves every row, those of idle pods included."""
    async with LocalCluster(nodes=NODES, pods_per_node=PODS_PER_NODE, sampling="on_demand") as cluster:
        deployment = Deployment(
            cluster,
            directory,
            "--shutdown-delay-duration=3s",
            "--metric-resolution=10s",
            "--kubelet-request-timeout=5s",
        )
        try:
            first = await deployment.start(is_warm=False)
            await first.until_ready()
            await until_whole(first, len(cluster.objects.list(PODS)))
            deployment.send_readers_to(first)
            yield cluster, deployment, first
        finally:
            await deployment.close()


def wanted(cluster: LocalCluster) -> dict[str, int]:
    """Return what kubectl, an HPA, a scheduler and discovery read, and how many items each must get."""
    pods = cluster.objects.list(PODS)
    selected = next(pod for pod in pods if pod["metadata"].get("labels", {}).get("app"))
    namespace, label = selected["metadata"]["namespace"], selected["metadata"]["labels"]["app"]
    alike = [
        pod
        for pod in pods
        if pod["metadata"]["namespace"] == namespace and pod["metadata"].get("labels", {}).get("app") == label
    ]
    return {
        f"{GROUP}/nodes": NODES,
        f"{GROUP}/pods": len(pods),
        f"{GROUP}/namespaces/{namespace}/pods?labelSelector=app%3D{label}": len(alike),
        f"{GROUP}/namespaces/{namespace}/pods/{selected['metadata']['name']}": 0,
        GROUP: 0,
        "/apis": 0,
    }


async def until_whole(replica: Replica, pods: int) -> None:
    async with asyncio.timeout(60):
        while True:
            if len(await rows(replica, "pods")) == pods:
                return
            await asyncio.sleep(0.2)


async def roll_out(deployment: Deployment, replicas: list[Replica]) -> list[Replica]:
    """Replace all replicas: ``maxUnavailable`` 0, ``maxSurge`` 1."""
    for old in list(replicas):
        new = await deployment.start()
        await new.until_ready()
        replicas = [*replicas, new]
        deployment.send_readers_to(*replicas)
        replicas = [replica for replica in replicas if replica is not old]
        await deployment.retire(old, *replicas)
        assert new.started_warm(), new.log.read_text()
    return replicas


async def test_a_new_replica_and_a_drain_cost_no_read_and_no_row(tmp_path: Path) -> None:
    async with running(tmp_path) as (cluster, deployment, first):
        second = await deployment.start()
        await second.until_ready()
        ours, theirs = await rows(second, "pods"), await rows(first, "pods")
        deployment.send_readers_to(first, second)
        admin = write_kubeconfig(tmp_path / "admin.kubeconfig", cluster.admin_kubeconfig())
        async with readers(admin, wanted(cluster)) as tally:
            await deployment.retire(first, second)  # its node is drained: it goes before the next comes
            third = await deployment.start()
            await third.until_ready()
            deployment.send_readers_to(second, third)
            await deployment.retire(second, third)

    assert second.started_warm()
    assert third.started_warm()
    assert [row["metadata"] for row in ours] == [row["metadata"] for row in theirs]
    assert tally.failed == []
    assert tally.missing == []
    assert tally.reads > 20


@pytest.mark.long
@pytest.mark.timeout(1500)
async def test_twenty_rollouts_cost_no_read_and_no_row(tmp_path: Path) -> None:
    async with running(tmp_path) as (cluster, deployment, first):
        admin = write_kubeconfig(tmp_path / "admin.kubeconfig", cluster.admin_kubeconfig())
        second = await deployment.start()
        await second.until_ready()
        deployment.send_readers_to(first, second)
        replicas = [first, second]
        async with readers(admin, wanted(cluster), period=0.1) as tally:
            for _ in range(20):
                replicas = await roll_out(deployment, replicas)

    assert tally.failed == []
    assert tally.missing == []
    print(f"{tally.reads} reads over 20 rollouts")  # noqa: T201 - the figure that the documentation states
