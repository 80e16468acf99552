from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from metrics_api.app.shadow import Shadow
from metrics_api.clock import SystemClock
from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.injection import inject, parse_plan
from metrics_api.localcluster.kubeconfig import write_kubeconfig
from metrics_api.settings.parse import parse_settings


async def until_scraped(shadow: Shadow) -> None:
    """Poll: nothing in a shadow says when it has scraped."""
    while True:
        if shadow.rows("nodes") and any("2 nodes" in each for each in shadow.failures()):
            return
        await asyncio.sleep(0.05)


async def test_it_says_why_nodes_cannot_be_scraped(tmp_path: Path) -> None:
    async with LocalCluster(nodes=3, pods_per_node=1) as cluster:
        await inject(cluster, parse_plan("forbidden=2"))
        kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", cluster.server_kubeconfig())
        flags = [f"--kubeconfig={kubeconfig}", "--kubelet-use-node-status-port", "--kubelet-denied-cidrs="]
        shadow = Shadow(parse_settings(flags, {}), SystemClock())
        running = asyncio.create_task(shadow.run())
        try:
            async with asyncio.timeout(20):
                await until_scraped(shadow)
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
        [failure] = shadow.failures()  # to be had when it has ended, too

    assert failure.startswith("2 nodes: forbidden, such as node-")
    assert "status 403" in failure
