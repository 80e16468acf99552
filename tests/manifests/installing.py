"""A stand-in cluster that holds nothing of ours yet, kubectl on it, and an endpoint in place of the manifest's pod."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.kubeconfig import write_kubeconfig
from metrics_api.localcluster.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ENDPOINT_SLICES,
    ROLE_BINDINGS,
    SERVICE_ACCOUNTS,
)
from tests.e2e.programs import Finished, run
from tests.manifests.incumbent import NAME, NAMESPACE
from tests.manifests.rendering import kubectl

ACCOUNT = f"system:serviceaccount:{NAMESPACE}:{NAME}"


class Installation:
    """A cluster and its administrator's kubectl."""

    def __init__(self, cluster: LocalCluster, directory: Path) -> None:
        self.cluster = cluster
        self._kubeconfig = write_kubeconfig(directory / "admin.kubeconfig", cluster.admin_kubeconfig())

    async def kubectl(self, *arguments: str | Path) -> str:
        """Return what kubectl printed; it must succeed."""
        finished = await self.run(*arguments)
        assert finished.code == 0, finished.err
        assert not finished.err, finished.err
        return finished.out

    async def run(self, *arguments: str | Path) -> Finished:
        return await self.run_program(kubectl(), *arguments)

    async def run_program(self, *command: str | Path) -> Finished:
        """Run a client of Kubernetes as the administrator."""
        return await run(*map(str, command), kubeconfig=self._kubeconfig)

    def connect(self, port: int) -> None:
        """Put a ready endpoint behind the Service, as the endpoint controller does for a ready pod."""
        self.cluster.objects.create(
            ENDPOINT_SLICES,
            {
                "metadata": {
                    "name": f"{NAME}-1",
                    "namespace": NAMESPACE,
                    "labels": {"kubernetes.io/service-name": NAME},
                },
                "addressType": "IPv4",
                "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
                "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
            },
        )


@contextlib.asynccontextmanager
async def bare_cluster(directory: Path) -> AsyncIterator[Installation]:
    """A cluster in which our service account does not exist and may do nothing."""
    async with LocalCluster(nodes=1, pods_per_node=2) as cluster:
        for resource, namespace, name in (
            (SERVICE_ACCOUNTS, NAMESPACE, NAME),
            (CLUSTER_ROLES, "", "system:metrics-server"),
            (CLUSTER_ROLES, "", "system:aggregated-metrics-reader"),
            (ROLE_BINDINGS, NAMESPACE, "metrics-server-auth-reader"),
            (CLUSTER_ROLE_BINDINGS, "", "metrics-server:system:auth-delegator"),
            (CLUSTER_ROLE_BINDINGS, "", "system:metrics-server"),
        ):
            cluster.objects.delete(resource, namespace, name)
        yield Installation(cluster, directory)
