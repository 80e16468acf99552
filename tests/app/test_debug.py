"""``/debug/status`` and ``/debug/nodes`` on the application, and behind the API group."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec

from metrics_api.api.app import build_api
from metrics_api.api.probes import PING, Check, Probes
from metrics_api.api.requestinfo import RequestInfo
from metrics_api.app.admission import Admission
from metrics_api.app.collection import Collection
from metrics_api.app.debug.nodes import NodesReporter
from metrics_api.app.debug.paths import DebugPaths
from metrics_api.app.debug.status import StatusReporter
from metrics_api.app.measured import Measured
from metrics_api.app.reasons import Reasons
from metrics_api.model import Endpoint
from metrics_api.pki import Authority
from metrics_api.reports import NodeReport, NodesReport, StatusReport
from metrics_api.scraper.node_state import Situation
from metrics_api.settings.values import Settings
from metrics_api.telemetry.kubelet_requests import KubeletRequests
from metrics_api.telemetry.lag import LoopLag
from metrics_api.telemetry.reads import Reads
from tests.store.builders import HandClock, new_store, node_info, pod_info, record

WELL = Situation(0, None, "", 6.0, 6.0, 9.0, took=0.1, deadline=10.0, recent=4)
HUNG = Situation(
    3, "timeout", "\x1b[2J no answer\u202e", None, 3.0, 30.0, took=10.0, deadline=20.0, recent=3, recent_failures=3
)


class Way(NamedTuple):
    host: str
    address: str
    port: int
    endpoint: Endpoint | None


class Watching:
    """The gate; notes what it was asked, and lets everybody pass."""

    def __init__(self) -> None:
        self.asked: list[RequestInfo] = []

    async def __call__(self, scope: object, request: RequestInfo) -> None:
        self.asked.append(request)


class Bench:
    """Two nodes: ``node-a`` is well, ``node-b`` hangs; one pod on each, and one more on ``node-b``."""

    def __init__(
        self, *, unready: str | None = None, certificate: Path = Path("none"), environment: Mapping[str, str] = {}
    ) -> None:
        clock, settings = HandClock(), Settings(authentication_skip_lookup=True)
        self.store = new_store(clock)
        self.store.set_node(node_info("node-b"))
        self.store.set_pod(pod_info())
        for name in ("api", "db"):
            self.store.set_pod(pod_info(name, node_name="node-b"))
        record(self.store, clock)
        self.situations = {"node-a": WELL, "node-b": HUNG}
        self.ways = {"uid-of-node-a": Way("node-a", "10.0.0.1", 10250, Endpoint.SUMMARY)}
        reads, lag = Reads(clock), LoopLag(clock)
        collection = Collection(settings, clock, self.store)
        admission = Admission(settings, clock, lambda _: None, lambda _: ())
        reasons = Reasons(self.store, self.situations.get, clock)
        readyz: list[Check] = [PING, ("metric-storage-ready", lambda: unready)]
        status = StatusReporter(
            settings=settings,
            clock=clock,
            store=self.store,
            collection=collection,
            admission=admission,
            measured=Measured(self.store, collection, admission),
            reasons=reasons,
            readyz=readyz,
            certificate=certificate,
            reads=reads,
            lag=lag,
            environment=environment,
        )
        self.gate = Watching()
        self.api = build_api(self.store, Probes(), version="0.1.0", gate=self.gate, reads=reads)
        nodes = NodesReporter(self.store, self.situations.get, self.ways.get, reasons, 10.0)
        DebugPaths(status, nodes).add_to(self.api)
        self.requests = KubeletRequests(clock, period=15.0)

    async def get(self, path: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.api), base_url="https://metrics") as client:
            return await client.get(path)

    async def status(self) -> StatusReport:
        return msgspec.json.decode((await self.get("/debug/status")).content, type=StatusReport)

    async def nodes(self, query: str = "") -> NodesReport:
        return msgspec.json.decode((await self.get(f"/debug/nodes{query}")).content, type=NodesReport)


def names(report: NodesReport) -> list[str]:
    return [node.name for node in report.items]


async def test_status_counts_what_is_served_and_why_the_rest_is_not() -> None:
    rows = (await Bench().status()).rows
    assert (rows["nodes"].expected, rows["nodes"].served, rows["nodes"].lacking) == (2, 1, {"timeout": 1})
    assert (rows["pods"].expected, rows["pods"].served, rows["pods"].lacking) == (3, 1, {"timeout": 2})


async def test_status_says_how_much_memory_the_process_has() -> None:
    memory = (await Bench().status()).memory
    assert memory is not None
    assert 10 << 20 < memory < 10 << 30


async def test_status_says_what_keeps_the_server_unready() -> None:
    assert (await Bench().status()).unready == {}
    assert (await Bench(unready="no metrics to serve").status()).unready == {
        "metric-storage-ready": "no metrics to serve"
    }


async def test_status_names_proxy_variables_and_never_their_values() -> None:
    bench = Bench(environment={"https_proxy": "http://user:secret@proxy", "NO_PROXY": ""})
    assert (await bench.status()).proxies == ("HTTPS_PROXY",)
    assert "secret" not in (await bench.get("/debug/status")).text


async def test_status_describes_the_serving_certificate(tmp_path: Path) -> None:
    pair = Authority.create("an authority").issue("metrics", dns_names=["metrics.svc"], ip_addresses=["10.1.1.1"])
    file = tmp_path / "tls.crt"
    file.write_bytes(pair.certificate)
    found = (await Bench(certificate=file).status()).serving_certificate
    assert found is not None
    assert (found.subject, found.issuer) == ("CN=metrics", "CN=an authority")
    assert found.names == ("metrics.svc", "10.1.1.1")


async def test_a_serving_certificate_that_cannot_be_read_is_not_known() -> None:
    assert (await Bench().status()).serving_certificate is None


async def test_nodes_say_how_each_stands() -> None:
    well, hung = (await Bench().nodes()).items
    assert isinstance(well, NodeReport)
    assert (well.address, well.endpoint, well.served, well.pods, well.pods_served) == (
        "10.0.0.1:10250", "summary", True, 1, 1,
    )  # fmt: skip
    assert (hung.reason, hung.failures, hung.deadline, hung.until_next, hung.served) == (
        "timeout",
        3,
        20.0,
        30.0,
        False,
    )
    assert hung.lacking == {"timeout": 2}
    assert [example.name for example in hung.examples] == ["api", "db"]
    assert hung.examples[0].why.startswith("node node-b was never scraped: timeout: no answer in time")


async def test_a_node_asked_for_its_resource_document_says_what_is_lost() -> None:
    bench = Bench()
    bench.ways["uid-of-node-a"] = Way("node-a", "fd00::1", 10250, Endpoint.RESOURCE)
    well = (await bench.nodes("?name=node-a")).items[0]
    assert well.address == "[fd00::1]:10250"
    assert "pod uids" in well.lost


async def test_nodes_come_in_pages() -> None:
    first = await Bench().nodes("?limit=1")
    assert (names(first), first.total, first.continued) == (["node-a"], 2, "node-a")
    assert names(await Bench().nodes("?limit=1&continue=node-a")) == ["node-b"]
    assert (await Bench().nodes("?limit=2")).continued == ""


async def test_only_the_unwell_or_one_node_can_be_asked_for() -> None:
    assert names(await Bench().nodes("?unwell=true")) == ["node-b"]
    assert names(await Bench().nodes("?name=node-a")) == ["node-a"]
    assert names(await Bench().nodes("?name=nope")) == []


async def test_what_makes_no_sense_is_refused() -> None:
    for query in ("limit=0", "limit=501", "limit=x", "limit=%C2%B2", "unwell=yes"):
        answer = await Bench().get(f"/debug/nodes?{query}")
        assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest")


async def test_what_nodes_said_can_do_nothing_to_a_terminal() -> None:
    body = (await Bench().get("/debug/nodes")).content
    assert body.isascii()
    assert b"\x1b" not in body
    assert b"\\u001b[2J no answer\\u202e" in body


async def test_both_paths_are_authorized_under_their_own_names() -> None:
    bench = Bench()
    for path in ("/debug/status", "/apis/metrics.k8s.io/v1beta1/debug/status"):
        assert (await bench.get(path)).status_code == 200
    direct, aggregated = bench.gate.asked
    assert (direct.is_resource, direct.verb, direct.path) == (False, "get", "/debug/status")
    assert (aggregated.is_resource, aggregated.verb, aggregated.group, aggregated.resource, aggregated.name) == (
        True, "get", "metrics.k8s.io", "debug", "status",
    )  # fmt: skip


async def test_nothing_else_is_below_debug() -> None:
    bench = Bench()
    for path in (
        "/apis/metrics.k8s.io/v1/debug",
        "/apis/metrics.k8s.io/v1/debug/secrets",
        "/apis/metrics.k8s.io/v2/debug/status",
    ):
        answer: Any = await bench.get(path)
        assert (answer.status_code, answer.json()["kind"]) == (404, "Status")
    assert (await bench.get("/debug")).status_code == 404
