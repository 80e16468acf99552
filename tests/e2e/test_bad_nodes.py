"""A server among nodes that misbehave: what it says of them, and that it stops all the same."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import httpx
import pytest

from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.fleet.behaviour import Fail, Hang
from tests.e2e.serving import GROUP, serving

pytestmark = [pytest.mark.xdist_group("serve"), pytest.mark.timeout(120)]
HUNG, FAILING = "node-00000", "node-00001"


async def test_a_hung_and_a_failing_node_are_explained_counted_and_hold_up_nothing(tmp_path: Path) -> None:
    async with LocalCluster(nodes=4, pods_per_node=4) as cluster:
        cluster.fleet.behave(HUNG, Hang())
        cluster.fleet.behave(FAILING, Fail(500, "no stats\r\nE1128 10:00:00.000000 1 forged.py] forged\x1b[31m\u202e"))
        pod = next(pod for pod in cluster.fleet.pod_objects() if pod["spec"]["nodeName"] == HUNG)["metadata"]
        async with serving(cluster, tmp_path, "--kubelet-request-timeout=1s") as server:
            nodes = await server.until(lambda: server.items("nodes"), lambda found: len(found) == 2)
            answer = await server.until(
                lambda: server.client.get(f"{GROUP}/nodes/{HUNG}"), lambda answer: "timeout" in answer.text
            )
            failing = await server.client.get(f"{GROUP}/nodes/{FAILING}")
            of_pod = await server.client.get(f"{GROUP}/namespaces/{pod['namespace']}/pods/{pod['name']}")
            metrics = await server.client.get("/metrics")
            async with httpx.AsyncClient(verify=False, trust_env=False) as anonymous:  # noqa: S501
                refused = await anonymous.get(f"https://127.0.0.1:{server.port}/metrics")
            server.process.terminate()
            async with asyncio.timeout(5):
                assert await server.process.wait() == 0

    log = (tmp_path / "log").read_text()
    assert log.replace("\n", "").isprintable()
    assert all(re.match(r"[DIWEF]\d{4} \d\d:\d\d:\d\d\.\d{6} ", line) for line in log.splitlines()), log
    assert "forged" in log
    assert {node["metadata"]["name"] for node in nodes}.isdisjoint({HUNG, FAILING})
    assert answer.status_code == 404
    assert answer.json()["message"].startswith(
        f'nodemetrics.metrics.k8s.io "{HUNG}" not found: was never scraped: timeout: '
    )
    assert "status: status 500" in failing.json()["message"]
    key = f"{pod['namespace']}/{pod['name']}"
    assert of_pod.json()["message"].startswith(
        f'podmetrics.metrics.k8s.io "{key}" not found: node {HUNG} was never scraped: timeout: no answer in time'
    )
    lines = metrics.text.splitlines()
    assert 'metrics_api_rows_expected{resource="nodes"} 4.0' in lines
    assert 'metrics_api_completeness_ratio{resource="nodes"} 0.5' in lines
    assert any(line.startswith('metrics_api_scrapes_total{reason="status",result="failure"}') for line in lines)
    assert any(line.startswith('metrics_api_scrapes_total{reason="timeout",result="failure"}') for line in lines)
    assert any('node="node-00003"' in line for line in lines)
    assert {line.split()[2] for line in lines if line.startswith("# TYPE metrics_server_")} == {
        "metrics_server_manager_tick_duration_seconds",
        "metrics_server_kubelet_request_total",
        "metrics_server_kubelet_request_duration_seconds",
        "metrics_server_kubelet_last_request_time_seconds",
        "metrics_server_api_metric_freshness_seconds",
        "metrics_server_storage_points",
    }
    assert refused.status_code in (401, 403)
