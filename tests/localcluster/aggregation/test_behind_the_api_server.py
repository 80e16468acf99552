"""The aggregation layer as clients meet it: behind the API server that authenticates and authorizes."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from metrics_api.localcluster.aggregation.aggregator import Aggregator
from metrics_api.localcluster.apiserver import ApiServer
from metrics_api.localcluster.kubeconfig import admin_kubeconfig, write_kubeconfig
from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.resources import API_SERVICES, ENDPOINT_SLICES, NODES, SERVICES
from metrics_api.localcluster.users import User
from tests.fakes import FakeClock, settle
from tests.localcluster.aggregation.extension_server import ExtensionServer, answer, front_proxy_pair
from tests.localcluster.aggregation.stand_in import GROUP, NAME, PATH, api_service, endpoint_slice, service
from tests.localcluster.aggregation.stand_in import NODES as NODES_PATH
from tests.localcluster.aggregation.test_discovery import AGGREGATED, LEGACY, V2, aggregated
from tests.localcluster.aggregation.test_openapi_v2 import MINIMAL
from tests.localcluster.aggregation.test_openapi_v3 import DOCUMENT, KEY, ROOT, V3
from tests.localcluster.conftest import Connect

KUBECTL = shutil.which("kubectl") or ""
NODE_METRICS = {
    "metadata": {"name": "n1", "creationTimestamp": "2026-01-01T00:00:00Z"},
    "timestamp": "2026-01-01T00:00:00Z",
    "window": "15s",
    "usage": {"cpu": "250m", "memory": "1Gi"},
}
LIST = {"kind": "NodeMetricsList", "apiVersion": f"{GROUP}/v1beta1", "metadata": {}, "items": [NODE_METRICS]}


@pytest.fixture
async def extension() -> AsyncIterator[ExtensionServer]:
    routes = {
        "/apis": aggregated(),
        PATH: answer(200, LEGACY),
        NODES_PATH: answer(200, LIST),
        "/openapi/v2": answer(200, MINIMAL),
        "/openapi/v3": answer(200, ROOT),
        DOCUMENT: answer(200, V3),
    }
    async with ExtensionServer(routes=dict(routes)) as running:
        yield running


@pytest.fixture
async def aggregator(
    server: ApiServer, objects: ObjectStore, clock: FakeClock, extension: ExtensionServer
) -> AsyncIterator[Aggregator]:
    """The aggregation layer with the extension server registered, Available and discovered."""
    aggregator = Aggregator(objects, front_proxy_pair(), clock)
    server.aggregator = aggregator
    task = asyncio.create_task(aggregator.run())
    await settle()
    objects.create(SERVICES, service())
    objects.create(ENDPOINT_SLICES, endpoint_slice(extension.port))
    objects.create(API_SERVICES, api_service())
    await aggregator.idle()
    await clock.advance(1)
    await aggregator.idle()
    extension.received.clear()
    yield aggregator
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_certificates_user_is_passed_on_with_groups_and_credential(
    aggregator: Aggregator, extension: ExtensionServer, connect: Connect
) -> None:
    response = await connect("kubernetes-admin", ["system:masters"]).get(NODES_PATH)

    (received,) = extension.received
    assert response.json() == LIST
    assert received.values("x-remote-user") == ["kubernetes-admin"]
    assert received.values("x-remote-group") == ["system:masters", "system:authenticated"]
    (credential,) = received.values("x-remote-extra-authentication.kubernetes.io%2fcredential-id")
    assert credential.startswith("X509SHA256=")


async def test_a_token_goes_no_further_than_the_api_server(
    aggregator: Aggregator, extension: ExtensionServer, connect: Connect, server: ApiServer
) -> None:
    token = server.tokens.issue(User("robot", groups=("system:masters",)))
    await connect(token=token).get(NODES_PATH)

    (received,) = extension.received
    assert received.user == "robot"
    assert token not in str(received)


async def test_an_impersonated_user_is_the_one_passed_on(
    aggregator: Aggregator, extension: ExtensionServer, admin: httpx.AsyncClient
) -> None:
    sent = {"Impersonate-User": "bob", "Impersonate-Group": "system:masters"}
    await admin.get(NODES_PATH, headers=sent)

    (received,) = extension.received
    assert received.values("x-remote-user") == ["bob"]
    assert not [name for name, _ in received.headers if name.startswith("impersonate")]


async def test_a_user_without_rights_never_reaches_the_extension_server(
    aggregator: Aggregator, extension: ExtensionServer, connect: Connect
) -> None:
    response = await connect("mallory").get(NODES_PATH)

    assert response.status_code == 403
    assert extension.received == []


async def test_the_audit_id_is_the_same_on_both_sides(
    aggregator: Aggregator, extension: ExtensionServer, admin: httpx.AsyncClient
) -> None:
    response = await admin.get(NODES_PATH)

    (received,) = extension.received
    assert received.values("audit-id") == [response.headers["audit-id"]]


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/version", "/metrics", "/apis", f"/apis/{GROUP}"])
async def test_the_extension_servers_own_paths_are_not_reachable(
    aggregator: Aggregator, extension: ExtensionServer, admin: httpx.AsyncClient, path: str
) -> None:
    await admin.get(path)

    assert extension.received == []


async def test_discovery_lists_the_group_in_both_forms(aggregator: Aggregator, admin: httpx.AsyncClient) -> None:
    legacy = (await admin.get("/apis", headers={"Accept": "application/json"})).json()
    response = await admin.get("/apis", headers={"Accept": V2})
    again = await admin.get("/apis", headers={"Accept": V2, "If-None-Match": response.headers["etag"]})
    group = (await admin.get(f"/apis/{GROUP}")).json()

    version = {"groupVersion": f"{GROUP}/v1beta1", "version": "v1beta1"}
    entry = {"name": GROUP, "versions": [version], "preferredVersion": version}
    assert entry in legacy["groups"]
    assert group == {"kind": "APIGroup", "apiVersion": "v1", **entry}
    assert response.headers["content-type"] == V2
    assert httpx.Response(200, content=AGGREGATED).json()["items"][0] in response.json()["items"]
    assert (again.status_code, again.content) == (304, b"")


async def test_a_backend_that_went_away_is_listed_stale_with_another_etag(
    aggregator: Aggregator, extension: ExtensionServer, admin: httpx.AsyncClient, clock: FakeClock
) -> None:
    before = (await admin.get("/apis", headers={"Accept": V2})).headers["etag"]
    extension.routes["/apis"] = answer(503)
    await clock.advance(60)
    await aggregator.idle()
    after = await admin.get("/apis", headers={"Accept": V2, "If-None-Match": before})

    (item,) = [each for each in after.json()["items"] if each["metadata"]["name"] == GROUP]
    assert item["versions"] == [{"version": "v1beta1", "freshness": "Stale"}]


async def test_openapi_is_served_and_the_documents_of_v3_are_the_extension_servers(
    aggregator: Aggregator, extension: ExtensionServer, admin: httpx.AsyncClient
) -> None:
    v2 = await admin.get("/openapi/v2", headers={"Accept": "application/json"})
    v3 = await admin.get("/openapi/v3")
    document = await admin.get(v3.json()["paths"][KEY]["serverRelativeURL"])

    assert v2.json()["paths"] == MINIMAL["paths"]
    assert document.json() == V3
    assert extension.received[-1].user == "kubernetes-admin"


async def test_nothing_is_left_after_the_apiservice_is_deleted(
    aggregator: Aggregator, extension: ExtensionServer, admin: httpx.AsyncClient
) -> None:
    deleted = await admin.delete(f"/apis/apiregistration.k8s.io/v1/apiservices/{NAME}")
    extension.received.clear()
    nodes, group = await admin.get(NODES_PATH), await admin.get(f"/apis/{GROUP}")

    assert (deleted.status_code, nodes.status_code, group.status_code) == (200, 404, 404)
    assert extension.received == []


async def test_the_api_server_shows_the_condition_in_its_table(
    aggregator: Aggregator, extension: ExtensionServer, admin: httpx.AsyncClient, clock: FakeClock
) -> None:
    table = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    path = f"/apis/apiregistration.k8s.io/v1/apiservices/{NAME}"
    available = (await admin.get(path, headers=table)).json()["rows"][0]["cells"]
    extension.routes[PATH] = answer(500)
    await clock.advance(30)
    await aggregator.idle()
    failed = (await admin.get(path, headers=table)).json()["rows"][0]["cells"]

    assert available[:3] == [NAME, "kube-system/ms", "True"]
    assert failed[2] == "False (FailedDiscoveryCheck)"


@pytest.mark.skipif(not KUBECTL, reason="kubectl is not installed")
async def test_kubectl_top_prints_what_the_extension_server_said(
    aggregator: Aggregator, server: ApiServer, objects: ObjectStore, tmp_path: Path
) -> None:
    capacity = {"cpu": "1", "memory": "4Gi"}
    objects.create(NODES, {"metadata": {"name": "n1"}, "status": {"capacity": capacity, "allocatable": capacity}})
    config = write_kubeconfig(tmp_path / "kubeconfig", admin_kubeconfig(server))
    process = await asyncio.create_subprocess_exec(
        KUBECTL,
        f"--kubeconfig={config}",
        f"--cache-dir={tmp_path}",
        "top",
        "nodes",
        stdout=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    )
    output, _ = await process.communicate()

    assert output.decode().splitlines()[1].split() == ["n1", "250m", "25%", "1024Mi", "25%"]
