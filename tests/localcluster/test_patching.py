"""Patches over the wire, and dry runs of every write."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from metrics_api.localcluster.apiserver import ApiServer
from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.resources import CONFIG_MAPS

MAPS = "/api/v1/namespaces/default/configmaps"
MERGE = {"Content-Type": "application/merge-patch+json"}


def config_map(name: str = "one", **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


@pytest.mark.parametrize(
    ("content_type", "patch", "data"),
    [
        ("application/merge-patch+json", {"data": {"a": None, "c": "3"}}, {"b": "2", "c": "3"}),
        ("application/json-patch+json", [{"op": "remove", "path": "/data/a"}], {"b": "2"}),
        ("application/strategic-merge-patch+json", {"data": {"a": "9"}}, {"a": "9", "b": "2"}),
        ("application/apply-patch+yaml", {"data": {"a": "8"}}, {"a": "8", "b": "2"}),
    ],
)
async def test_a_patch_changes_what_it_names(
    server: ApiServer, admin: httpx.AsyncClient, content_type: str, patch: Any, data: dict[str, str]
) -> None:
    await admin.post(MAPS, json=config_map(a="1", b="2"))

    response = await admin.patch(
        f"{MAPS}/one",
        content=json.dumps(patch),
        headers={"Content-Type": content_type},
        params={"fieldManager": "test"},
    )

    assert response.status_code == 200
    assert response.json()["data"] == data


async def test_an_apply_creates_what_is_not_there(server: ApiServer, admin: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/apply-patch+yaml"}
    body = "apiVersion: v1\nkind: ConfigMap\ndata: {a: '1'}\n"

    created = await admin.patch(f"{MAPS}/one", content=body, headers=headers, params={"fieldManager": "me"})
    nobody = await admin.patch(f"{MAPS}/two", content=body, headers=headers)

    assert created.status_code == 201
    assert created.json()["metadata"]["name"] == "one"
    assert nobody.status_code == 422
    assert "fieldManager" in nobody.json()["message"]


@pytest.mark.parametrize(
    ("content_type", "body", "code"),
    [
        ("application/json", b"{}", 415),
        ("application/merge-patch+json", b"{", 400),
        ("application/merge-patch+json", b"[]", 400),
        ("application/json-patch+json", b"{}", 400),
        ("application/json-patch+json", b'[{"op":"test","path":"/data/a","value":"2"}]', 422),
        ("application/merge-patch+json", b'{"metadata":{"name":"two"}}', 400),
        ("application/merge-patch+json", b'{"metadata":{"resourceVersion":"1"}}', 409),
    ],
    ids=["no patch type", "cut off", "array", "object", "failed test", "rename", "old version"],
)
async def test_a_patch_that_cannot_be_applied_is_refused(
    server: ApiServer, admin: httpx.AsyncClient, content_type: str, body: bytes, code: int
) -> None:
    await admin.post(MAPS, json=config_map(a="1"))

    response = await admin.patch(f"{MAPS}/one", content=body, headers={"Content-Type": content_type})

    assert response.status_code == code


async def test_a_dry_run_changes_nothing(server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore) -> None:
    dry = {"dryRun": "All"}
    created = await admin.post(MAPS, json=config_map("two"), params=dry)
    await admin.post(MAPS, json=config_map("one", a="1"))
    before = objects.version
    patched = await admin.patch(f"{MAPS}/one", json={"data": {"a": "2"}}, headers=MERGE, params=dry)
    deleted = await admin.delete(f"{MAPS}/one", params=dry)
    again = await admin.post(MAPS, json=config_map("one"), params=dry)

    assert created.status_code == 201
    assert patched.json()["data"] == {"a": "2"}
    assert deleted.status_code == 200
    assert again.status_code == 409
    assert objects.version == before
    assert [stored.name for stored in objects.stored(CONFIG_MAPS, "default")] == ["one"]
