"""Discovery in both formats, and the paths that are no resources."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from metrics_api.localcluster.apiserver import ApiServer
from metrics_api.localcluster.resources import API_SERVICES
from tests.localcluster.fake_aggregator import FakeAggregator

CAPTURED = Path(__file__).parent.parent / "data" / "kube-apiserver"
V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
KUBECTL = f"{V2},application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"


@pytest.fixture
def aggregator(server: ApiServer) -> FakeAggregator:
    fake = FakeAggregator()
    server.aggregator = fake
    return fake


def captured(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((CAPTURED / name).read_text())
    return document


async def test_the_legacy_list_of_groups_has_the_shape_of_a_real_one(
    server: ApiServer, admin: httpx.AsyncClient
) -> None:
    real = {group["name"]: group for group in captured("apis-legacy-discovery.json")["groups"]}

    got = (await admin.get("/apis", headers={"Accept": "application/json"})).json()

    assert (got["kind"], got["apiVersion"]) == ("APIGroupList", "v1")
    assert got["groups"]
    for group in got["groups"]:
        if group["name"] == "autoscaling":  # v1 is not served here
            continue
        assert group == real[group["name"]]


async def test_the_aggregated_document_has_the_shape_of_a_real_one(server: ApiServer, admin: httpx.AsyncClient) -> None:
    real = {item["metadata"]["name"]: item for item in captured("apis-aggregated-discovery.json")["items"]}

    response = await admin.get("/apis", headers={"Accept": KUBECTL})

    assert response.headers["Content-Type"] == V2
    got = response.json()
    assert (got["kind"], got["apiVersion"]) == ("APIGroupDiscoveryList", "apidiscovery.k8s.io/v2")
    for item in got["items"]:
        expected = {one["resource"]: one for one in real[item["metadata"]["name"]]["versions"][0]["resources"]}
        for resource in item["versions"][0]["resources"]:
            wanted = expected[resource["resource"]]
            # No scale subresource is served.
            below = [one for one in wanted.pop("subresources", []) if one["subresource"] == "status"]
            assert resource == {**wanted, **({"subresources": below} if below else {})}


async def test_the_aggregated_document_can_be_revalidated(server: ApiServer, admin: httpx.AsyncClient) -> None:
    first = await admin.get("/apis", headers={"Accept": V2})
    again = await admin.get("/apis", headers={"Accept": V2, "If-None-Match": first.headers["ETag"]})

    assert first.headers["Vary"] == "Accept"
    assert (again.status_code, again.content) == (304, b"")


async def test_the_core_group_is_below_api(server: ApiServer, admin: httpx.AsyncClient) -> None:
    legacy = (await admin.get("/api", params={"timeout": "32s"})).json()
    aggregated = (await admin.get("/api", headers={"Accept": KUBECTL})).json()
    resources = (await admin.get("/api/v1")).json()

    assert legacy["kind"] == "APIVersions"
    assert legacy["versions"] == ["v1"]
    assert legacy["serverAddressByClientCIDRs"][0]["serverAddress"] == f"127.0.0.1:{server.port}"
    assert [item["metadata"] for item in aggregated["items"]] == [{}]
    names = [one["name"] for one in resources["resources"]]
    assert {"nodes", "nodes/status", "pods", "configmaps"} <= set(names)
    assert [one["resource"] for one in aggregated["items"][0]["versions"][0]["resources"]] == [
        name for name in names if "/" not in name
    ]


async def test_a_group_and_a_version_have_documents_of_their_own(server: ApiServer, admin: httpx.AsyncClient) -> None:
    group = (await admin.get("/apis/apps")).json()
    version = (await admin.get("/apis/apps/v1")).json()

    assert (group["kind"], group["apiVersion"], group["name"]) == ("APIGroup", "v1", "apps")
    assert (version["kind"], version["apiVersion"], version["groupVersion"]) == ("APIResourceList", "v1", "apps/v1")
    assert version["resources"][0]["shortNames"] == ["deploy"]


async def test_discovery_is_refused_in_a_form_that_is_not_made(server: ApiServer, admin: httpx.AsyncClient) -> None:
    assert (await admin.get("/apis", headers={"Accept": "text/html"})).status_code == 406


async def test_groups_of_extension_servers_are_merged_in(
    server: ApiServer, admin: httpx.AsyncClient, aggregator: FakeAggregator
) -> None:
    legacy = (await admin.get("/apis")).json()
    aggregated = (await admin.get("/apis", headers={"Accept": V2})).json()
    group = (await admin.get("/apis/metrics.k8s.io")).json()
    openapi = (await admin.get("/openapi/v3")).json()

    assert legacy["groups"][-1]["name"] == "metrics.k8s.io"
    assert aggregated["items"][-1]["metadata"]["name"] == "metrics.k8s.io"
    assert group == {"kind": "APIGroup", "apiVersion": "v1", **aggregator.groups()[0]}
    assert {"apis/metrics.k8s.io/v1beta1", "apis/apps/v1", "api/v1"} <= openapi["paths"].keys()
    assert (await admin.get("/openapi/v2")).json()["swagger"] == "2.0"
    protobuf = {"Accept": "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"}
    encoded = await admin.get("/openapi/v2", headers=protobuf)
    assert encoded.headers["content-type"] == protobuf["Accept"]
    assert b"2.0" in encoded.content


async def test_a_claimed_path_goes_to_the_extension_server_as_the_user(
    server: ApiServer, admin: httpx.AsyncClient, aggregator: FakeAggregator
) -> None:
    headers = {"Impersonate-User": "bob", "Impersonate-Group": "system:masters", "Audit-Id": "an-id"}
    response = await admin.get("/apis/metrics.k8s.io/v1beta1/pods", headers=headers)

    assert response.text == "from the extension server"
    assert response.headers["Audit-Id"] == "an-id"
    assert response.headers["Date"] == "now"
    [(path, user, audit_id)] = aggregator.seen
    assert (path, user.name, audit_id) == ("/apis/metrics.k8s.io/v1beta1/pods", "bob", "an-id")


async def test_who_may_not_never_reaches_the_extension_server(
    server: ApiServer, admin: httpx.AsyncClient, aggregator: FakeAggregator
) -> None:
    response = await admin.get("/apis/metrics.k8s.io/v1beta1/pods", headers={"Impersonate-User": "bob"})

    assert response.status_code == 403
    assert response.json()["message"] == (
        'pods.metrics.k8s.io is forbidden: User "bob" cannot list resource "pods" in API group "metrics.k8s.io" '
        "at the cluster scope"
    )
    assert aggregator.seen == []


async def test_local_groups_have_available_api_services(server: ApiServer, admin: httpx.AsyncClient) -> None:
    got = (await admin.get("/apis/apiregistration.k8s.io/v1/apiservices/v1.apps")).json()

    [condition] = got["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("Available", "True", "Local")
    assert condition["message"] == "Local APIServices are always available"
    assert "service" not in got["spec"]
    names = {stored.name for stored in server.objects.stored(API_SERVICES)}
    assert {"v1.", "v1.apps", "v1.apiregistration.k8s.io"} <= names


async def test_version_has_the_fields_of_a_real_one(server: ApiServer, admin: httpx.AsyncClient) -> None:
    for path in ("/version", "/version/"):
        got = (await admin.get(path)).json()
        assert got.keys() == captured("version.json").keys()


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
async def test_probes_are_ok(server: ApiServer, admin: httpx.AsyncClient, path: str) -> None:
    response = await admin.get(path)

    assert (response.status_code, response.text) == (200, "ok")
    assert response.headers["Content-Type"].startswith("text/plain")
