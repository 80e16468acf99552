"""How a whole server ends: readers are sent away one by one, and what is under way is finished."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.faults import Hold
from tests.e2e.guarded import client_context
from tests.e2e.serving import GROUP, serving

pytestmark = [pytest.mark.xdist_group("shutdown"), pytest.mark.timeout(60)]


async def test_connections_are_closed_with_their_next_answer_before_the_port_is(tmp_path: Path) -> None:
    async with (
        LocalCluster(nodes=1, pods_per_node=10) as cluster,
        serving(cluster, tmp_path, "--shutdown-delay-duration=1s") as server,
    ):
        await server.until_synced()
        assert "connection" not in (await server.client.get(f"{GROUP}/nodes")).headers
        server.process.terminate()
        readiness = await server.until(
            lambda: server.client.get("/readyz"), lambda answer: "[-]shutdown failed" in answer.text, 10
        )
        answer = await server.client.get(f"{GROUP}/nodes")
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        assert (readiness.status_code, readiness.headers["connection"]) == (500, "close")
        assert await asyncio.wait_for(server.process.wait(), 10) == 0


async def test_new_requests_are_sent_elsewhere_while_old_ones_are_finished(tmp_path: Path) -> None:
    async with (
        LocalCluster(nodes=1, pods_per_node=10) as cluster,
        serving(cluster, tmp_path, "--shutdown-send-retry-after") as server,
    ):
        await server.until_synced()
        hold = cluster.api.faults.review_hold = Hold()
        context = client_context(tmp_path, cluster.authorities.cluster.issue("bob", client=True))
        async with httpx.AsyncClient(verify=context, trust_env=False, timeout=30) as bob:
            under_way = asyncio.create_task(bob.get(f"https://127.0.0.1:{server.port}{GROUP}/nodes"))
            await asyncio.wait_for(hold.arrived.wait(), 10)
            server.process.terminate()
            refused = await server.until(
                lambda: server.client.get(f"{GROUP}/nodes"), lambda answer: answer.status_code == 429, 10
            )
            probe = await server.client.get("/livez")
            hold.released.set()
            finished = await under_way

        assert (refused.headers["retry-after"], refused.headers["connection"]) == ("5", "close")
        assert refused.text == "The apiserver is shutting down, please try again later.\n"
        assert probe.status_code == 200
        assert finished.status_code == 403
        assert await asyncio.wait_for(server.process.wait(), 10) == 0
