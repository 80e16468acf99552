"""How the aggregator asks extension servers what they serve, and what it tells its own clients (contract §3)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.cluster import GROUP, NAME, PATH, Cluster, api_service
from tests.contract.documents import AGGREGATED, LEGACY, V2, V2BETA1, aggregated
from tests.localcluster.aggregation.extension_server import ExtensionServer, Received, Route, answer


async def item(cluster: Cluster) -> Any:
    """Return what the server's own document says of the group, ``None`` when it has none yet."""
    items = (await cluster.admin.get("/apis", headers={"Accept": V2})).json()["items"]
    return next((each for each in items if each["metadata"]["name"] == GROUP), None)


async def listed(cluster: Cluster, freshness: str = "Current") -> Any:
    """Return the group's item once its first version has that freshness."""
    return await cluster.eventually(
        lambda: item(cluster), lambda each: bool(each) and each["versions"][0]["freshness"] == freshness
    )


def legacy_polls(extension: ExtensionServer) -> list[Received]:
    return [each for each in extension.arrivals(PATH) if each.values("accept")]


async def test_the_document_is_asked_for_by_a_master_without_an_etag_first(
    cluster: Cluster, extension: ExtensionServer
) -> None:
    extension.routes["/apis"] = aggregated()
    await cluster.register(extension)
    await listed(cluster)
    first, *_ = extension.arrivals("/apis")

    assert (first.method, first.target) == ("GET", "/apis")
    assert first.values("accept") == [f"{V2},{V2BETA1}"]
    assert first.values("x-remote-user") == ["system:kube-aggregator"]
    assert first.values("x-remote-group") == ["system:masters"]
    assert first.values("if-none-match") == []


async def test_it_is_asked_for_every_minute_with_its_etag_and_kept_on_304(
    cluster: Cluster, extension: ExtensionServer
) -> None:
    extension.routes["/apis"] = aggregated(etag='"abc"')
    await cluster.available(extension)
    before = await listed(cluster)
    extension.received.clear()
    extension.routes["/apis"] = answer(304)
    await cluster.backend.pass_time(61)
    asked = extension.arrivals("/apis")

    assert asked
    assert {tuple(each.values("if-none-match")) for each in asked} == {('"abc"',)}
    assert await item(cluster) == before


async def test_the_document_is_merged_into_the_servers_own(cluster: Cluster, extension: ExtensionServer) -> None:
    extension.routes["/apis"] = aggregated()
    await cluster.register(extension)
    found = await listed(cluster)

    (theirs,) = [each for each in AGGREGATED["items"] if each["metadata"]["name"] == GROUP]
    (version,) = found["versions"]
    assert version["version"] == "v1beta1"
    assert [each["resource"] for each in version["resources"]] == [
        each["resource"] for each in theirs["versions"][0]["resources"]
    ]
    assert {each["responseKind"]["kind"] for each in version["resources"]} == {"NodeMetrics", "PodMetrics"}


async def test_a_version_that_the_document_does_not_have_is_empty(cluster: Cluster, extension: ExtensionServer) -> None:
    extension.routes["/apis"] = aggregated({**AGGREGATED, "items": []})
    await cluster.register(extension)
    found = await listed(cluster)

    assert found["versions"][0].get("resources") in (None, [])


async def test_two_versions_of_one_service_come_from_one_document(cluster: Cluster, extension: ExtensionServer) -> None:
    (theirs,) = [each for each in AGGREGATED["items"] if each["metadata"]["name"] == GROUP]
    both = [{**theirs["versions"][0], "version": version} for version in ("v1", "v1beta1")]
    extension.routes[f"/apis/{GROUP}/v1"] = answer(200, {})
    extension.routes["/apis"] = aggregated({**AGGREGATED, "items": [{**theirs, "versions": both}]})
    await cluster.register(extension, api_service(), api_service("v1", versionPriority=200))

    async def versions() -> list[tuple[str, int]]:
        found = await item(cluster)
        return [(each["version"], len(each.get("resources", ()))) for each in (found or {}).get("versions", ())]

    assert await cluster.eventually(versions, lambda each: each == [("v1", 2), ("v1beta1", 2)])


async def test_503_makes_it_stale_and_nothing_else_is_asked(cluster: Cluster, extension: ExtensionServer) -> None:
    extension.routes["/apis"] = answer(503)
    await cluster.register(extension)
    await listed(cluster, "Stale")

    assert legacy_polls(extension) == []


async def test_one_that_was_stale_becomes_current_again(cluster: Cluster, extension: ExtensionServer) -> None:
    extension.routes["/apis"] = answer(503)
    await cluster.register(extension)
    await listed(cluster, "Stale")
    extension.routes["/apis"] = aggregated()

    assert (await listed(cluster))["versions"][0]["resources"]


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(answer(403), id="403"),
        pytest.param(answer(404), id="404"),
        pytest.param(answer(406), id="406"),
        pytest.param(answer(200, {"kind": "APIGroupList", "groups": []}), id="plain-json"),
    ],
)
async def test_any_other_answer_falls_back_to_the_version_as_a_user_without_groups(
    cluster: Cluster, extension: ExtensionServer, first: Route
) -> None:
    extension.routes |= {"/apis": first, PATH: answer(200, LEGACY)}
    await cluster.register(extension)
    found = await listed(cluster)
    poll, *_ = legacy_polls(extension)

    assert [each["resource"] for each in found["versions"][0]["resources"]] == ["nodes", "pods"]
    assert poll.values("accept") == ["application/json"]
    assert poll.values("x-remote-user") == ["system:kube-aggregator"]
    assert poll.values("x-remote-group") == []


async def test_a_fallback_that_fails_makes_it_stale(cluster: Cluster, extension: ExtensionServer) -> None:
    extension.routes |= {"/apis": answer(404), PATH: answer(403)}
    await cluster.register(extension)

    assert (await listed(cluster, "Stale"))["versions"][0].get("resources") in (None, [])


@pytest.mark.parametrize("path", ["/apis", "/api"])
async def test_the_servers_document_can_be_revalidated(cluster: Cluster, path: str) -> None:
    first = await cluster.admin.get(path, headers={"Accept": V2})
    tag = first.headers["etag"]
    again = await cluster.admin.get(path, headers={"Accept": V2, "If-None-Match": tag})

    assert first.headers["content-type"] == V2
    assert tag.strip('"').isalnum()
    assert tag == tag.upper()
    assert "Accept" in first.headers["vary"]
    assert (again.status_code, again.content) == (304, b"")


async def test_a_change_of_the_group_changes_the_etag(cluster: Cluster, extension: ExtensionServer) -> None:
    extension.routes["/apis"] = aggregated()
    before = (await cluster.admin.get("/apis", headers={"Accept": V2})).headers["etag"]
    await cluster.register(extension)
    await listed(cluster)
    after = await cluster.admin.get("/apis", headers={"Accept": V2, "If-None-Match": before})

    assert after.status_code == 200
    assert after.headers["etag"] != before


@pytest.mark.parametrize("accept", ["application/json", "*/*", f"{V2},{V2BETA1},application/json"])
async def test_clients_choose_the_form_by_what_they_accept(cluster: Cluster, accept: str) -> None:
    found = (await cluster.admin.get("/apis", params={"timeout": "32s"}, headers={"Accept": accept})).json()

    assert found["kind"] == ("APIGroupDiscoveryList" if accept.startswith(V2) else "APIGroupList")


@pytest.mark.parametrize("path", ["/apis", f"/apis/{GROUP}"])
@pytest.mark.parametrize("accept", ["text/html", "application/cbor"])
async def test_discovery_in_another_form_is_not_acceptable(
    cluster: Cluster, extension: ExtensionServer, path: str, accept: str
) -> None:
    await cluster.available(extension)
    response = await cluster.eventually(
        lambda: cluster.admin.get(path, headers={"Accept": accept}), lambda got: got.status_code != 404
    )

    assert response.status_code == 406


async def test_the_core_group_is_the_only_one_below_api(cluster: Cluster) -> None:
    legacy = (await cluster.admin.get("/api", headers={"Accept": "application/json"})).json()
    (core,) = (await cluster.admin.get("/api", headers={"Accept": V2})).json()["items"]

    assert (legacy["kind"], legacy["versions"]) == ("APIVersions", ["v1"])
    assert core["metadata"].get("name", "") == ""
    assert [each["version"] for each in core["versions"]] == ["v1"]


async def test_the_extension_servers_resource_list_is_its_own(cluster: Cluster, extension: ExtensionServer) -> None:
    extension.routes[PATH] = answer(200, LEGACY)
    await cluster.available(extension)

    assert (await cluster.proxied(PATH)).json() == LEGACY


async def test_nothing_is_listed_after_the_apiservice_is_gone(cluster: Cluster, extension: ExtensionServer) -> None:
    extension.routes["/apis"] = aggregated()
    await cluster.register(extension)
    await listed(cluster)
    await cluster.admin.delete(f"/apis/apiregistration.k8s.io/v1/apiservices/{NAME}")

    assert await cluster.eventually(lambda: item(cluster), lambda each: each is None) is None
    assert (await cluster.admin.get(f"/apis/{GROUP}")).status_code == 404
