"""Deletion of one object, of many, of a namespace."""

from __future__ import annotations

from typing import Any

import httpx

from metrics_api.localcluster.apiserver import ApiServer
from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.resources import CONFIG_MAPS, NAMESPACES, PODS

MAPS = "/api/v1/namespaces/default/configmaps"


def config_map(name: str = "one", **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


async def test_a_deletion_is_answered_with_what_was_deleted(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore
) -> None:
    created = (await admin.post(MAPS, json=config_map())).json()
    objects.create(PODS, {"metadata": {"name": "web", "namespace": "default"}, "spec": {}})

    gone = await admin.delete(f"{MAPS}/one")
    pod = await admin.delete("/api/v1/namespaces/default/pods/web")
    again = await admin.delete(f"{MAPS}/one")

    assert gone.json() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {"name": "one", "kind": "configmaps", "uid": created["metadata"]["uid"]},
    }
    assert pod.json()["kind"] == "Pod"
    assert again.status_code == 404


async def test_a_deletion_of_another_life_of_the_name_conflicts(server: ApiServer, admin: httpx.AsyncClient) -> None:
    await admin.post(MAPS, json=config_map())

    response = await admin.request("DELETE", f"{MAPS}/one", json={"preconditions": {"uid": "another"}})

    assert response.status_code == 409
    assert "Precondition failed: UID in precondition: another" in response.json()["message"]


async def test_a_collection_is_deleted_as_far_as_it_is_selected(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore
) -> None:
    for name in ("a", "b", "c"):
        metadata = {"name": name, "namespace": "default", "labels": {"name": name}}
        objects.create(CONFIG_MAPS, {"metadata": metadata})

    response = await admin.delete(MAPS, params={"labelSelector": "name in (a,b)"})

    assert [item["metadata"]["name"] for item in response.json()["items"]] == ["a", "b"]
    assert [stored.name for stored in objects.stored(CONFIG_MAPS, "default")] == ["c"]


async def test_a_deleted_namespace_is_emptied_and_then_gone(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore
) -> None:
    await admin.post("/api/v1/namespaces", json={"metadata": {"name": "shop"}})
    await admin.post("/api/v1/namespaces/shop/configmaps", json=config_map())

    answer = (await admin.delete("/api/v1/namespaces/shop")).json()
    after = await admin.get("/api/v1/namespaces/shop")

    assert answer["status"]["phase"] == "Terminating"
    assert after.status_code == 404
    assert objects.find(NAMESPACES, "", "shop") is None
    assert not objects.stored(CONFIG_MAPS, "shop")
