"""How both versions of OpenAPI are fetched from extension servers and merged (contract §4)."""

from __future__ import annotations

from typing import Any

import pytest

from metrics_api.localcluster.stored import JsonObject
from tests.contract.cluster import GROUP, PATH, Cluster
from tests.contract.documents import OPENAPI, OPENAPI_KEY, OPENAPI_ROOT, SWAGGER
from tests.localcluster.aggregation.extension_server import ExtensionServer, answer

PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
JSON = {"Accept": "application/json"}
DOCUMENT = f"/openapi/v3/{OPENAPI_KEY}"
REACHED = {name: each for name, each in SWAGGER["definitions"].items() if name.startswith("io.k8s.metrics")}


@pytest.fixture
async def documented(cluster: Cluster, extension: ExtensionServer) -> ExtensionServer:
    """The extension server with documents of both versions, registered."""
    extension.routes |= {
        "/openapi/v2": answer(200, SWAGGER, [("etag", '"abc"')]),
        "/openapi/v3": answer(200, OPENAPI_ROOT),
        DOCUMENT: answer(200, OPENAPI),
    }
    await cluster.available(extension)
    return extension


async def swagger(cluster: Cluster) -> Any:
    response = await cluster.admin.get("/openapi/v2", headers=JSON)
    return response.json() if response.status_code == 200 else {}


async def merged(cluster: Cluster) -> JsonObject:
    """Return the server's Swagger document once it has the group's paths."""
    found: JsonObject = await cluster.eventually(
        lambda: swagger(cluster), lambda each: any(path.startswith(PATH) for path in each.get("paths", ()))
    )
    return found


async def paths(cluster: Cluster) -> Any:
    return (await cluster.admin.get("/openapi/v3")).json()["paths"]


async def test_v2_is_asked_for_by_a_user_without_groups(cluster: Cluster, documented: ExtensionServer) -> None:
    await merged(cluster)
    first, *_ = documented.arrivals("/openapi/v2")

    assert first.values("accept")[0].split(",")[-1].strip() == "application/json"
    assert first.values("x-remote-user") == ["system:aggregator"]
    assert first.values("x-remote-group") == []
    assert first.values("if-none-match") == []


async def test_v2_is_merged_with_the_definitions_its_paths_use(cluster: Cluster, documented: ExtensionServer) -> None:
    document = await merged(cluster)

    assert {path for path in document["paths"] if path.startswith(f"{PATH}/")} == set(SWAGGER["paths"])
    assert REACHED.keys() <= document["definitions"].keys()


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (f"{PROTOBUF}", PROTOBUF),
        ("application/com.github.proto-openapi.spec.v2@v1.0+protobuf", PROTOBUF),
        (f"{PROTOBUF},application/json", PROTOBUF),
        ("application/json", "application/json"),
    ],
    ids=["protobuf", "old-name", "protobuf-first", "json"],
)
async def test_v2_has_two_forms_with_an_etag(
    cluster: Cluster, documented: ExtensionServer, accept: str, content_type: str
) -> None:
    await merged(cluster)
    first = await cluster.admin.get("/openapi/v2", headers={"Accept": accept})
    again = await cluster.admin.get("/openapi/v2", headers={"Accept": accept, "If-None-Match": first.headers["etag"]})

    assert (first.status_code, first.headers["content-type"]) == (200, content_type)
    assert PATH.encode() in first.content
    assert (again.status_code, again.content) == (304, b"")


async def test_of_v2_only_the_paths_below_the_version_are_kept(cluster: Cluster, extension: ExtensionServer) -> None:
    schema = {"$ref": "#/definitions/com.example.Lost"}
    answers = {"200": {"description": "OK", "schema": schema}}
    stray = {"/apis/stray.example.com/v1/things": {"get": {"responses": answers}}}
    lost = {"com.example.Lost": {"type": "object", "properties": {"a": {"type": "string"}}}}
    unused = {"com.example.Unused": {"type": "object", "properties": {"b": {"type": "string"}}}}
    document = {
        **SWAGGER,
        "paths": SWAGGER["paths"] | stray,
        "definitions": SWAGGER["definitions"] | lost | unused,
    }
    extension.routes["/openapi/v2"] = answer(200, document)
    await cluster.available(extension)
    found = await merged(cluster)

    assert not stray.keys() & found["paths"].keys()
    assert not lost.keys() & found["definitions"].keys()
    assert unused.keys() <= found["definitions"].keys()


async def test_v2_is_asked_for_every_minute_with_its_etag_and_kept_on_304(
    cluster: Cluster, documented: ExtensionServer
) -> None:
    before = await merged(cluster)
    documented.received.clear()
    documented.routes["/openapi/v2"] = answer(304)
    await cluster.backend.pass_time(61)
    asked = documented.arrivals("/openapi/v2")

    assert asked
    assert {tuple(each.values("if-none-match")) for each in asked} == {('"abc"',)}
    assert (await merged(cluster))["paths"] == before["paths"]


async def test_v2_without_an_etag_is_asked_for_without_one(cluster: Cluster, extension: ExtensionServer) -> None:
    extension.routes["/openapi/v2"] = answer(200, SWAGGER)
    await cluster.available(extension)
    await merged(cluster)
    extension.received.clear()
    await cluster.backend.pass_time(61)

    assert {tuple(each.values("if-none-match")) for each in extension.arrivals("/openapi/v2")} == {()}


@pytest.mark.parametrize("status", [403, 404, 503])
async def test_one_without_v2_harms_nobody(cluster: Cluster, extension: ExtensionServer, status: int) -> None:
    extension.routes |= {"/openapi/v2": answer(status), "/openapi/v3": answer(status)}
    await cluster.available(extension)
    await cluster.eventually(lambda: _count(extension, "/openapi/v2"), lambda count: count > 0, within=90)

    assert (await cluster.admin.get("/readyz")).text == "ok"
    assert "api/v1" in await paths(cluster)


async def _count(extension: ExtensionServer, path: str) -> int:
    return len(extension.arrivals(path))


async def test_the_root_of_v3_is_asked_for_by_a_user_without_groups_accept_or_etag(
    cluster: Cluster, documented: ExtensionServer
) -> None:
    await cluster.eventually(lambda: paths(cluster), lambda each: OPENAPI_KEY in each)
    first, *_ = documented.arrivals("/openapi/v3")

    assert first.values("x-remote-user") == ["system:aggregator"]
    assert first.values("x-remote-group") == first.values("accept") == first.values("if-none-match") == []


async def test_every_key_of_the_root_is_merged_and_its_document_is_proxied_for_the_user(
    cluster: Cluster, documented: ExtensionServer
) -> None:
    found = await cluster.eventually(lambda: paths(cluster), lambda each: OPENAPI_KEY in each)
    url = found[OPENAPI_KEY]["serverRelativeURL"]
    response = await cluster.admin.get(url, headers=JSON)
    asked = documented.arrivals(DOCUMENT)[-1]

    assert url == OPENAPI_ROOT["paths"][OPENAPI_KEY]["serverRelativeURL"]
    assert response.json() == OPENAPI
    assert asked.values("x-remote-user") == ["kubernetes-admin"]
    assert asked.values("accept") == ["application/json"]


async def test_keys_that_are_nobodys_business_are_merged_unfiltered(
    cluster: Cluster, extension: ExtensionServer
) -> None:
    stray = {"apis/stray.example.com": {"serverRelativeURL": "/openapi/v3/apis/stray.example.com?hash=1"}}
    extension.routes["/openapi/v3"] = answer(200, {"paths": OPENAPI_ROOT["paths"] | stray})
    await cluster.available(extension)
    found = await cluster.eventually(lambda: paths(cluster), lambda each: OPENAPI_KEY in each)

    assert found["apis/stray.example.com"] == stray["apis/stray.example.com"]


async def test_a_redirect_of_the_document_becomes_502(cluster: Cluster, documented: ExtensionServer) -> None:
    documented.routes[DOCUMENT] = answer(301, b"", [("location", f"{DOCUMENT}?hash=2")])
    await cluster.eventually(lambda: paths(cluster), lambda each: OPENAPI_KEY in each)

    assert (await cluster.admin.get(f"{DOCUMENT}?hash=1")).status_code == 502


async def test_404_at_first_contact_makes_v3_a_conversion_of_v2_for_good(
    cluster: Cluster, extension: ExtensionServer
) -> None:
    extension.routes |= {"/openapi/v2": answer(200, SWAGGER), "/openapi/v3": answer(404)}
    await cluster.available(extension)

    async def document() -> Any:
        response = await cluster.admin.get(DOCUMENT, headers=JSON)
        return response.json() if response.status_code == 200 else {}

    found = await cluster.eventually(document, lambda each: bool(each.get("paths")))
    extension.routes["/openapi/v3"] = answer(200, OPENAPI_ROOT)
    extension.received.clear()
    await cluster.backend.pass_time(61)

    assert found["openapi"].startswith("3.0")
    assert any(path.startswith(f"{PATH}/") for path in found["paths"])
    assert REACHED.keys() <= found["components"]["schemas"].keys()
    assert extension.arrivals("/openapi/v3") == []


async def test_the_group_is_gone_from_both_with_the_apiservice(cluster: Cluster, documented: ExtensionServer) -> None:
    await merged(cluster)
    await cluster.eventually(lambda: paths(cluster), lambda each: OPENAPI_KEY in each)
    await cluster.admin.delete(f"/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.{GROUP}")

    await cluster.eventually(lambda: paths(cluster), lambda each: OPENAPI_KEY not in each)
    left = await cluster.eventually(
        lambda: swagger(cluster), lambda each: not any(path.startswith(PATH) for path in each.get("paths", ()))
    )
    assert not REACHED.keys() & left.get("definitions", {}).keys()
