"""APIService objects and the paths they claim (contract §1.1, §1.2)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.contract.cluster import API_SERVICES, GROUP, NAME, NODES, PATH, Cluster, api_service
from tests.localcluster.aggregation.extension_server import ExtensionServer, answer

TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
LOCAL = "v1.apps"


async def test_the_port_of_the_service_is_443_unless_it_is_given(cluster: Cluster) -> None:
    created = await cluster.create(API_SERVICES, api_service(service={"namespace": "kube-system", "name": "ms"}))

    assert created["kind"] == "APIService"
    assert created["spec"]["service"] == {"namespace": "kube-system", "name": "ms", "port": 443}
    assert "namespace" not in created["metadata"]


async def test_without_bundle_and_without_insecure_it_is_accepted(cluster: Cluster) -> None:
    created = await cluster.create(API_SERVICES, api_service(caBundle=None))

    assert "caBundle" not in created["spec"]


async def test_the_name_must_be_version_and_group(cluster: Cluster) -> None:
    response = await cluster.admin.post(API_SERVICES, json={**api_service(), "metadata": {"name": "wrong"}})

    status = response.json()
    assert (response.status_code, status["reason"]) == (422, "Invalid")
    assert [cause["field"] for cause in status["details"]["causes"]] == ["metadata.name"]
    assert NAME in status["message"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        pytest.param({"insecureSkipTLSVerify": True}, "spec.insecureSkipTLSVerify", id="insecure-beside-a-bundle"),
        pytest.param({"groupPriorityMinimum": 0}, "spec.groupPriorityMinimum", id="group-priority-too-low"),
        pytest.param({"groupPriorityMinimum": 20001}, "spec.groupPriorityMinimum", id="group-priority-too-high"),
        pytest.param({"versionPriority": 0}, "spec.versionPriority", id="version-priority-too-low"),
        pytest.param({"versionPriority": 1001}, "spec.versionPriority", id="version-priority-too-high"),
        pytest.param(
            {"service": {"namespace": "kube-system", "name": "ms", "port": 65536}}, "spec.service.port", id="port"
        ),
        pytest.param({"service": None}, "spec.caBundle", id="local-with-a-bundle"),
        pytest.param(
            {"service": None, "caBundle": None, "insecureSkipTLSVerify": True},
            "spec.insecureSkipTLSVerify",
            id="local-and-insecure",
        ),
    ],
)
async def test_what_is_refused_names_the_field(cluster: Cluster, spec: dict[str, Any], field: str) -> None:
    response = await cluster.admin.post(API_SERVICES, json=api_service(**spec))

    status = response.json()
    assert (response.status_code, status["reason"]) == (422, "Invalid")
    assert [cause["field"] for cause in status["details"]["causes"]] == [field]


async def test_one_patch_leads_from_unverified_to_verified_and_back(cluster: Cluster) -> None:
    path = f"{API_SERVICES}/{NAME}"
    bundle = api_service()["spec"]["caBundle"]
    await cluster.create(API_SERVICES, api_service(caBundle=None, insecureSkipTLSVerify=True))
    verified = await cluster.change(path, {"spec": {"caBundle": bundle, "insecureSkipTLSVerify": None}})
    undone = await cluster.change(path, {"spec": {"caBundle": None, "insecureSkipTLSVerify": True}})

    assert verified["spec"]["caBundle"] == bundle
    assert not verified["spec"].get("insecureSkipTLSVerify")
    assert "caBundle" not in undone["spec"]
    assert undone["spec"]["insecureSkipTLSVerify"] is True


@pytest.mark.parametrize("insecure", [True, False], ids=["caBundle added", "insecureSkipTLSVerify added"])
async def test_a_patch_that_would_leave_both_is_refused(cluster: Cluster, insecure: bool) -> None:
    bundle = api_service()["spec"]["caBundle"]
    before = {"caBundle": None, "insecureSkipTLSVerify": True} if insecure else {"caBundle": bundle}
    patch = {"caBundle": bundle} if insecure else {"insecureSkipTLSVerify": True}
    await cluster.create(API_SERVICES, api_service(**before))
    headers = {"Content-Type": "application/merge-patch+json"}
    response = await cluster.admin.patch(f"{API_SERVICES}/{NAME}", content=json.dumps({"spec": patch}), headers=headers)

    assert response.status_code == 422
    assert "may not be true if caBundle is present" in response.json()["message"]


async def test_a_patch_that_names_an_old_version_is_refused_and_changes_nothing(cluster: Cluster) -> None:
    path, headers = f"{API_SERVICES}/{NAME}", {"Content-Type": "application/merge-patch+json"}
    created = await cluster.create(API_SERVICES, api_service())
    await cluster.change(path, {"spec": {"versionPriority": 7}})
    old = {"metadata": {"resourceVersion": created["metadata"]["resourceVersion"]}, "spec": {"versionPriority": 8}}
    response = await cluster.admin.patch(path, content=json.dumps(old), headers=headers)

    assert (response.status_code, response.json()["reason"]) == (409, "Conflict")
    assert (await cluster.admin.get(path)).json()["spec"]["versionPriority"] == 7


async def test_it_is_created_read_listed_patched_replaced_and_deleted(cluster: Cluster) -> None:
    admin, path = cluster.admin, f"{API_SERVICES}/{NAME}"
    created = await cluster.create(API_SERVICES, api_service())
    read = (await admin.get(path)).json()
    listed = [each["metadata"]["name"] for each in (await admin.get(API_SERVICES)).json()["items"]]
    patched = await cluster.change(path, {"spec": {"versionPriority": 7}})
    patched["spec"]["groupPriorityMinimum"] = 8
    replaced = await admin.put(path, json=patched)
    deleted = await admin.delete(path)

    assert read["metadata"]["uid"] == created["metadata"]["uid"]
    assert NAME in listed
    assert patched["spec"]["versionPriority"] == 7
    # Whoever keeps the condition may have written in between; then the replacement is a conflict.
    assert replaced.status_code in (200, 409)
    assert deleted.status_code == 200
    assert (await admin.get(path)).status_code == 404


async def test_its_status_is_a_subresource_and_not_written_with_the_rest(cluster: Cluster) -> None:
    claimed = {"conditions": [{"type": "Available", "status": "True", "reason": "Made", "message": "up"}]}
    created = await cluster.create(API_SERVICES, api_service() | {"status": claimed})
    resources = (await cluster.admin.get("/apis/apiregistration.k8s.io/v1")).json()["resources"]

    assert "Made" not in json.dumps(created.get("status", {}))
    assert {"apiservices", "apiservices/status"} <= {each["name"] for each in resources}
    (main,) = [each for each in resources if each["name"] == "apiservices"]
    assert (main["namespaced"], main["categories"]) == (False, ["api-extensions"])


async def test_its_changes_are_watched(cluster: Cluster) -> None:
    version = (await cluster.admin.get(API_SERVICES)).json()["metadata"]["resourceVersion"]
    query = {"watch": "true", "resourceVersion": version, "fieldSelector": f"metadata.name={NAME}"}
    async with cluster.admin.stream("GET", API_SERVICES, params=query) as response:
        lines = response.aiter_lines()
        await cluster.create(API_SERVICES, api_service())
        event = json.loads(await asyncio.wait_for(anext(lines), 10))

    assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", NAME)


async def test_those_of_the_server_itself_are_local_and_available(cluster: Cluster) -> None:
    async def read() -> Any:
        return (await cluster.admin.get(f"{API_SERVICES}/{LOCAL}")).json()

    found = await cluster.eventually(read, lambda each: each["status"].get("conditions"))

    (condition,) = found["status"]["conditions"]
    assert found["spec"].get("service") is None
    assert {key: condition[key] for key in ("type", "status", "reason", "message")} == {
        "type": "Available",
        "status": "True",
        "reason": "Local",
        "message": "Local APIServices are always available",
    }


async def test_the_table_has_four_columns(cluster: Cluster, extension: ExtensionServer) -> None:
    await cluster.available(extension)
    table = (await cluster.admin.get(API_SERVICES, headers=TABLE)).json()

    rows = {row["cells"][0]: row["cells"] for row in table["rows"]}
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Service", "Available", "Age"]
    assert rows[NAME][1:3] == ["kube-system/ms", "True"]
    assert rows[LOCAL][1:3] == ["Local", "True"]


async def test_the_table_names_the_reason_of_one_that_is_not_available(cluster: Cluster) -> None:
    await cluster.create(API_SERVICES, api_service())
    await cluster.condition("False")
    table = (await cluster.admin.get(f"{API_SERVICES}/{NAME}", headers=TABLE)).json()

    assert table["rows"][0]["cells"][2] == "False (ServiceNotFound)"


async def test_nothing_is_proxied_before_it_is_there_nor_after_it_is_gone(
    cluster: Cluster, extension: ExtensionServer
) -> None:
    extension.routes[NODES] = answer(200, {"here": True})
    before = await cluster.admin.get(NODES)
    await cluster.available(extension)
    during = await cluster.proxied()
    await cluster.admin.delete(f"{API_SERVICES}/{NAME}")
    after = await cluster.eventually(lambda: cluster.admin.get(NODES), lambda got: got.status_code == 404)

    assert (before.status_code, during.json()) == (404, {"here": True})
    assert before.text == after.text == "404 page not found\n"


@pytest.mark.parametrize("path", [PATH, f"{PATH}/", NODES, f"{PATH}/anything/below"])
async def test_the_version_and_everything_below_is_proxied(
    cluster: Cluster, extension: ExtensionServer, path: str
) -> None:
    extension.routes[path] = answer(418, b"mine")
    extension.routes.setdefault(PATH, answer(200, {}))
    if path == PATH:  # its answer has to be a success, or nothing is proxied at all
        extension.routes[path] = answer(200, b"mine")
    await cluster.available(extension)

    assert (await cluster.proxied(path)).content == b"mine"


async def test_the_group_is_answered_by_the_aggregator_available_or_not(
    cluster: Cluster, extension: ExtensionServer
) -> None:
    for version, priority in (("v1beta1", 100), ("v1", 200)):
        await cluster.create(API_SERVICES, api_service(version, versionPriority=priority))
    await cluster.condition("False")

    async def group() -> Any:
        return (await cluster.admin.get(f"/apis/{GROUP}")).json()

    found = await cluster.eventually(group, lambda each: len(each.get("versions", ())) == 2)

    versions = [{"groupVersion": f"{GROUP}/{each}", "version": each} for each in ("v1", "v1beta1")]
    assert found == {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": GROUP,
        "versions": versions,
        "preferredVersion": versions[0],
    }
    assert (await cluster.admin.get(f"/apis/{GROUP}/")).json() == found
    listed = (await cluster.admin.get("/apis", headers={"Accept": "application/json"})).json()["groups"]
    assert {key: found[key] for key in ("name", "versions", "preferredVersion")} in listed


async def test_equal_priorities_are_ordered_as_kubernetes_orders_versions(cluster: Cluster) -> None:
    names = ["v1alpha1", "other", "v1", "v2", "v1beta1"]
    for version in names:
        await cluster.create(API_SERVICES, api_service(version, group="order.example.com"))

    async def versions() -> list[str]:
        got = (await cluster.admin.get("/apis/order.example.com")).json()
        return [each["version"] for each in got.get("versions", ())]

    found = await cluster.eventually(versions, lambda each: len(each) == len(names))

    assert found == ["v2", "v1", "v1beta1", "v1alpha1", "other"]


async def test_groups_are_ordered_by_the_highest_priority_of_their_versions(cluster: Cluster) -> None:
    for group, version, priority in (("low", "v1", 10), ("high", "v1", 5), ("high", "v2", 20)):
        spec = {"groupPriorityMinimum": priority}
        await cluster.create(API_SERVICES, api_service(version, group=f"{group}.example.com", **spec))

    async def groups() -> list[str]:
        listed = (await cluster.admin.get("/apis", headers={"Accept": "application/json"})).json()["groups"]
        return [each["name"] for each in listed if each["name"].endswith(".example.com")]

    assert await cluster.eventually(groups, lambda each: len(each) == 2) == ["high.example.com", "low.example.com"]


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/version", f"/apis/{GROUP}"])
async def test_an_extension_servers_other_paths_are_not_reachable(
    cluster: Cluster, extension: ExtensionServer, path: str
) -> None:
    await cluster.available(extension)
    await cluster.admin.get(path)

    assert extension.arrivals(path) == []


async def test_a_bundle_that_is_not_base64_is_a_bad_request(cluster: Cluster) -> None:
    response = await cluster.admin.post(API_SERVICES, json=api_service(caBundle="no base64!"))

    assert (response.status_code, response.json()["reason"]) == (400, "BadRequest")
