"""How a whole server ends: readers are sent away one by one, and what is under way is finished."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import httpx
import pytest

from metrics_api.localcluster.cluster import LocalCluster
from tests.e2e.serving import GROUP, serving

pytestmark = [pytest.mark.xdist_group("shutdown"), pytest.mark.timeout(60)]


async def test_connections_are_closed_with_their_next_answer_before_the_port_is(tmp_path: Path) -> None:
    async with (
        LocalCluster(nodes=1, pods_per_node=1) as cluster,
        serving(cluster, tmp_path, "--shutdown-delay-duration=1s") as server,
    ):
        await server.until(lambda: server.client.get("/readyz"), lambda answer: answer.status_code == 200)
        assert "connection" not in (await server.client.get(f"{GROUP}/nodes")).headers
        server.process.terminate()
        readiness = await server.until(
            lambda: server.client.get("/readyz"), lambda answer: answer.status_code == 500, 10
        )
        answer = await server.client.get(f"{GROUP}/nodes")
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        assert readiness.headers["connection"] == "close"
        assert await asyncio.wait_for(server.process.wait(), 10) == 0


async def test_new_requests_are_sent_elsewhere_while_old_ones_are_finished(tmp_path: Path) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with (
        LocalCluster(nodes=1, pods_per_node=1) as cluster,
        serving(cluster, tmp_path, "--shutdown-send-retry-after") as server,
    ):
        await server.until(lambda: server.client.get("/readyz"), lambda answer: answer.status_code == 200)
        cluster.api.faults.review_delay = 3.0
        pair = cluster.authorities.cluster.issue("bob", client=True)
        (tmp_path / "bob.pem").write_bytes(pair.certificate + pair.key)
        context.load_cert_chain(tmp_path / "bob.pem")
        async with httpx.AsyncClient(verify=context, trust_env=False) as bob:
            under_way = asyncio.create_task(bob.get(f"https://127.0.0.1:{server.port}{GROUP}/nodes"))
            await server.until(
                lambda: asyncio.sleep(0, cluster.api.witness.used("system:serviceaccount:kube-system:metrics-server")),
                lambda used: ("create", "subjectaccessreviews.authorization.k8s.io") in used,
            )
            server.process.terminate()
            refused = await server.until(
                lambda: server.client.get(f"{GROUP}/nodes"), lambda answer: answer.status_code == 429, 2
            )
            probe = await server.client.get("/livez")
            finished = await under_way

        assert (refused.headers["retry-after"], refused.headers["connection"]) == ("5", "close")
        assert refused.text == "The apiserver is shutting down, please try again later.\n"
        assert probe.status_code == 200
        assert finished.status_code == 403
        assert await asyncio.wait_for(server.process.wait(), 10) == 0
