"""What the real kubectl says while an extension server does not answer (contract §1.6, §3.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.kubeconfig import write_kubeconfig
from tests.e2e.programs import KUBECTLS, Finished, found_kubectl, run
from tests.fakes import FakeClock
from tests.localcluster.aggregation.extension_server import ExtensionServer

UNAVAILABLE = "Error from server (ServiceUnavailable): the server is currently unable to handle the request"
LISTED = "unable to retrieve the complete list of server APIs: metrics.k8s.io/v1beta1: "
STALE = f"{LISTED}stale GroupVersion discovery: metrics.k8s.io/v1beta1"
LEGACY = f"{LISTED}the server is currently unable to handle the request"


@pytest.fixture
async def cluster() -> AsyncIterator[LocalCluster]:
    """A cluster whose extension server has gone."""
    async with LocalCluster(nodes=1, pods_per_node=1, clock=FakeClock()) as running:
        async with ExtensionServer(running.serving_pair()) as gone:
            port = gone.port
        running.register_extension(port, versions=["v1beta1"])
        await running.aggregator.idle()
        yield running


async def kubectl(cluster: LocalCluster, program: str, directory: Path, *arguments: str) -> Finished:
    config = directory / "kubeconfig"
    if not config.exists():
        write_kubeconfig(config, cluster.admin_kubeconfig())
    return await run(program, *arguments, kubeconfig=config)


@pytest.mark.parametrize("which", KUBECTLS)
async def test_what_it_says_of_a_server_that_is_gone(cluster: LocalCluster, tmp_path: Path, which: str) -> None:
    program = found_kubectl(which)
    read = await kubectl(cluster, program, tmp_path, "get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes")
    services = await kubectl(cluster, program, tmp_path, "get", "apiservices", "v1beta1.metrics.k8s.io")

    assert (read.code, read.err.strip()) == (1, UNAVAILABLE)
    assert "kube-system/metrics-server" in services.out
    assert "False (FailedDiscoveryCheck)" in services.out


@pytest.mark.parametrize("which", KUBECTLS)
async def test_what_it_says_of_legacy_discovery_that_is_not_complete(
    cluster: LocalCluster, tmp_path: Path, which: str
) -> None:
    cluster.api.faults.legacy_discovery_only = True
    finished = await kubectl(cluster, found_kubectl(which), tmp_path, "api-resources")

    assert (finished.code, LEGACY in finished.err) == (1, True)
    assert "deployments" in finished.out


async def test_a_stale_version_leaves_the_rest_of_discovery_whole(cluster: LocalCluster, tmp_path: Path) -> None:
    finished = await kubectl(cluster, found_kubectl("path"), tmp_path, "api-resources")

    assert "deployments" in finished.out
    assert "metrics.k8s.io" not in finished.out
    assert not finished.err or STALE in finished.err  # 1.32 passes over it in silence
