"""``metrics-api compare`` as its user runs it: beside a metrics server that is there, changing nothing."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.kubeconfig import write_kubeconfig
from metrics_api.localcluster.users import User
from tests.e2e.serving import Serving, serving

NODES, PODS_PER_NODE = 2, 5
QUIET = 99
"""A seed whose nodes use nearly the same all the time: the two servers look at different moments, and a burst in such
small clusters would be told as a difference."""
USER = "system:serviceaccount:kube-system:metrics-server"

pytestmark = [pytest.mark.xdist_group("serve"), pytest.mark.timeout(120)]


async def compare(directory: Path, *arguments: str, kubeconfig: str = "kubeconfig") -> tuple[int, str]:
    """Run it for two looks, as a rule with the metrics server's own rights; return exit code and output."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "metrics_api", "compare", "--for=2s", "--every=1s"),
        *(f"--kubeconfig={directory / kubeconfig}", *arguments),
        *("--", "--kubelet-denied-cidrs=", "--kubelet-preferred-address-types=InternalIP"),
        *("--kubelet-use-node-status-port", "--metric-resolution=10s", "--kubelet-request-timeout=5s"),
        env={**os.environ, "HTTPS_PROXY": "http://127.0.0.1:9"},  # must not be used
        stdout=PIPE,
        stderr=PIPE,
    )
    output, complaints = await process.communicate()
    return process.returncode or 0, (output + complaints).decode()


async def until_complete(server: Serving) -> None:
    await server.until(lambda: server.items("pods"), lambda items: len(items) == NODES * PODS_PER_NODE)


async def test_it_finds_nothing_against_a_server_that_says_the_same(tmp_path: Path) -> None:
    async with LocalCluster(nodes=NODES, pods_per_node=PODS_PER_NODE, seed=QUIET, sampling="on_demand") as cluster:
        async with serving(cluster, tmp_path) as server:
            await until_complete(server)
            (tmp_path / "token").write_text(cluster.api.tokens.issue(User("admin", groups=("system:masters",))))
            against = (f"--against=https://127.0.0.1:{server.port}", f"--token-file={tmp_path / 'token'}")

            code, text = await compare(tmp_path, *against, "--insecure")
            believing, refusal = await compare(tmp_path, *against)
        changed = {verb for verb, _ in cluster.api.witness.used(USER)} - {"get", "list", "watch", "create"}

    assert code == 0, text
    assert "Nothing here speaks against" in text
    assert believing == 1
    assert "certificate" in refusal, "a self-signed certificate is not believed unasked"
    assert changed == set()
    assert "waiting until ours serves what theirs does" in text


async def test_an_administrator_s_certificate_scrapes_too(tmp_path: Path) -> None:
    """Kubelets believe it with its groups, as kube-apiserver does."""
    async with (
        LocalCluster(nodes=1, pods_per_node=2, seed=QUIET, sampling="on_demand") as cluster,
        serving(cluster, tmp_path) as server,
    ):
        await server.until(lambda: server.items("pods"), lambda items: len(items) == 2)
        cluster.register_extension(server.port, verified=False)
        await cluster.aggregator.idle()
        write_kubeconfig(tmp_path / "admin", cluster.admin_kubeconfig())

        code, text = await compare(tmp_path, kubeconfig="admin")

    assert code == 0, text


async def test_where_theirs_may_not_be_read_nothing_is_waited_for(tmp_path: Path) -> None:
    async with (
        LocalCluster(nodes=1, pods_per_node=1, sampling="on_demand") as cluster,
        serving(cluster, tmp_path) as server,
    ):
        await server.until(lambda: server.items("pods"), bool)
        cluster.register_extension(server.port, verified=False)
        await cluster.aggregator.idle()
        write_kubeconfig(tmp_path / "nobody", cluster.user_kubeconfig("nobody"))

        code, text = await compare(tmp_path, kubeconfig="nobody")

    assert code == 1
    assert "forbidden" in text
    assert "waiting" not in text


async def test_it_says_what_is_missing_where_there_is_no_metrics_api(tmp_path: Path) -> None:
    async with LocalCluster(nodes=1, pods_per_node=1) as cluster:
        write_kubeconfig(tmp_path / "kubeconfig", cluster.server_kubeconfig())

        code, text = await compare(tmp_path)

    assert code == 1
    assert "no APIService of group metrics.k8s.io" in text
