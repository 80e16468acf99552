"""Over a real socket with TLS, as kube-apiserver comes: what only the server and a client together can show."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from metrics_api.api.app import MetricsAPI
from metrics_api.pki import Authority
from tests.api.tls_server import serving
from tests.api.views import DATA, V1, V1BETA1, FakeView, make_api, make_row


@asynccontextmanager
async def _serving(api: MetricsAPI, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    authority = Authority.create("test-ca")
    pair = authority.issue("localhost", dns_names=["localhost"], server=True)
    async with serving(api, pair, folder) as port:
        trust = ssl.create_default_context(cadata=authority.certificate.decode())
        async with httpx.AsyncClient(base_url=f"https://localhost:{port}", verify=trust, trust_env=False) as client:
            yield client


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    rows = [make_row("a", f"p{index:04}", {"app": "web"}) for index in range(3500)]
    view = FakeView(nodes=[make_row("", "n1", {})], pods=rows)
    async with _serving(make_api(view), tmp_path) as client:
        yield client


async def test_an_object_and_an_error_come_over_one_connection(client: httpx.AsyncClient) -> None:
    found = await client.get(f"{V1}/nodes/n1", headers={"audit-id": "abc"})
    assert (
        found.content
        == b'{"kind":"NodeMetrics","apiVersion":"metrics.k8s.io/v1",' + make_row("", "n1", {}).item[1:] + b"\n"
    )
    assert found.headers["audit-id"] == "abc"
    assert found.headers["content-length"] == str(len(found.content))
    assert "date" in found.headers
    assert "server" not in found.headers
    missing = await client.get(f"{V1}/nodes/n2")
    assert (missing.status_code, missing.json()["message"]) == (404, 'node "n2" not found')


@pytest.mark.parametrize("query", ["", "labelSelector=app%3Dweb"], ids=["snapshot", "selection"])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_a_long_list_comes_whole(client: httpx.AsyncClient, query: str, encoding: str) -> None:
    response = await client.get(f"{V1BETA1}/pods?{query}", headers={"accept-encoding": encoding})
    assert response.headers.get("content-encoding", "identity") == encoding
    assert len(response.json()["items"]) == 3500
    if encoding == "identity":
        assert response.headers["content-length"] == str(len(response.content))


async def test_a_client_that_leaves_in_the_middle_of_a_list_harms_nobody(client: httpx.AsyncClient) -> None:
    async with client.stream("GET", f"{V1BETA1}/pods") as response:
        async for _ in response.aiter_raw(100):
            break
    assert (await client.get("/livez")).text == "ok"


async def test_the_body_of_a_request_is_left_alone_and_the_connection_goes_on(client: httpx.AsyncClient) -> None:
    response = await client.request("GET", f"{V1}/nodes/n1", content=b"x" * 100_000)
    assert response.status_code == 200
    refused = await client.post(f"{V1}/nodes", content=b"y" * 100_000)
    assert refused.status_code == 405
    assert (await client.get("/livez")).text == "ok"


async def test_head_has_no_body(client: httpx.AsyncClient) -> None:
    response = await client.head(f"{V1}/nodes")
    assert (response.status_code, response.content) == (405, b"")
    assert (await client.get("/apis")).status_code == 200


@pytest.mark.parametrize(
    "case", json.loads((DATA / "selector-cases.json").read_text())["labelSelector"][::6], ids=lambda case: case[0][:20]
)
async def test_a_selector_means_the_same_after_the_wire(
    client: httpx.AsyncClient, case: tuple[str, int, str | None]
) -> None:
    text, code, message = case
    response = await client.get(f"{V1}/nodes", params={"labelSelector": text})
    assert (response.status_code, response.json().get("message")) == (code, message)
