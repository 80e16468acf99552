"""Get and list over the wire: pages, versions, selectors, forms."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from metrics_api.localcluster.apiserver import ApiServer
from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.resources import CONFIG_MAPS, NODES, PODS

CAPTURED = Path(__file__).parent.parent / "data" / "kube-apiserver"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
GO_CLIENT = f"application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,{METADATA_LIST}"


def pod(name: str, namespace: str = "default", node: str = "n1", **labels: str) -> dict[str, Any]:
    spec = {"nodeName": node, "containers": [{"name": "app", "image": "app"}]}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"metadata": metadata, "spec": spec, "status": {"phase": "Running"}}


def node(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}


def names(document: dict[str, Any]) -> list[str]:
    return [item["metadata"]["name"] for item in document["items"]]


async def test_a_real_node_comes_back_as_it_was_captured(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore
) -> None:
    captured = json.loads((CAPTURED / "node-from-a-real-kubelet.json").read_text())
    stored = objects.create(NODES, captured)

    got = (await admin.get("/api/v1/nodes/localhost")).json()

    captured["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"]
    assert got == captured
    assert list(got) == list(captured)
    assert list(got["metadata"]) == list(captured["metadata"])


async def test_a_page_of_a_list_has_the_shape_of_a_real_one(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore
) -> None:
    captured = json.loads((CAPTURED / "nodes-list-limit-2.json").read_text())
    objects.load(NODES, captured["items"])
    objects.load(NODES, [node(f"node-{number:05}") for number in range(1, 1000)])

    got = (await admin.get("/api/v1/nodes", params={"limit": "2"})).json()

    version = got["metadata"].pop("resourceVersion")
    assert version == str(objects.version)
    token, expected = got["metadata"].pop("continue"), captured["metadata"].pop("continue")
    captured["metadata"].pop("resourceVersion")
    assert got["metadata"] == captured["metadata"]
    assert _decoded(token) == {**_decoded(expected), "rv": int(version), "start": f"/{names(got)[-1]}\0"}
    assert list(got) == list(captured)
    assert list(got["items"][0]) == list(captured["items"][0])


def _decoded(token: str) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    return decoded


async def test_the_metadata_only_list_has_the_shape_of_a_real_one(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore
) -> None:
    captured = json.loads((CAPTURED / "pods-partial-object-metadata-list-limit-3.json").read_text())
    objects.load(PODS, [{**item, "spec": {}, "status": {}} for item in captured["items"]])

    got = (await admin.get("/api/v1/pods", headers={"Accept": GO_CLIENT})).json()

    for before, after in zip(captured["items"], got["items"], strict=True):
        before["metadata"]["resourceVersion"] = after["metadata"]["resourceVersion"]
    assert got["kind"] == "PartialObjectMetadataList"
    assert got["items"] == captured["items"]
    assert list(got["items"][0]["metadata"]) == list(captured["items"][0]["metadata"])


async def test_pages_show_the_state_of_the_first_page(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore
) -> None:
    objects.load(PODS, [pod(f"p{number}") for number in range(5)])
    first = (await admin.get("/api/v1/pods", params={"limit": "2"})).json()
    objects.delete(PODS, "default", "p3")
    objects.create(PODS, pod("p2-new"))
    query = {"limit": "2", "continue": first["metadata"]["continue"]}
    second = (await admin.get("/api/v1/pods", params=query)).json()
    query["continue"] = second["metadata"]["continue"]
    third = (await admin.get("/api/v1/pods", params=query)).json()

    assert [names(page) for page in (first, second, third)] == [["p0", "p1"], ["p2", "p3"], ["p4"]]
    assert [page["metadata"].get("remainingItemCount") for page in (first, second, third)] == [3, 1, None]
    assert {page["metadata"]["resourceVersion"] for page in (first, second, third)} == {
        first["metadata"]["resourceVersion"]
    }
    assert "continue" not in third["metadata"]


async def test_pages_cross_namespaces_in_order(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore
) -> None:
    objects.load(PODS, [pod("p", namespace) for namespace in ("b", "a", "a-c", "c")])
    seen: list[str] = []
    token = ""
    while True:
        page = (await admin.get("/api/v1/pods", params={"limit": "1", "continue": token})).json()
        seen += [item["metadata"]["namespace"] for item in page["items"]]
        token = page["metadata"].get("continue", "")
        if not token:
            break

    assert seen == ["a", "a-c", "b", "c"]


async def test_the_remaining_count_is_not_told_with_a_selector(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore
) -> None:
    objects.load(PODS, [pod(f"p{number}", app="web") for number in range(3)])

    page = (await admin.get("/api/v1/pods", params={"limit": "1", "labelSelector": "app"})).json()

    assert names(page) == ["p0"]
    assert "continue" in page["metadata"]
    assert "remainingItemCount" not in page["metadata"]


async def test_a_continue_token_from_before_a_compaction_is_expired(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore
) -> None:
    objects.load(PODS, [pod(f"p{number}") for number in range(3)])
    page = (await admin.get("/api/v1/pods", params={"limit": "1"})).json()
    objects.create(PODS, pod("p9"))
    objects.compact()

    response = await admin.get("/api/v1/pods", params={"limit": "1", "continue": page["metadata"]["continue"]})

    assert response.status_code == 410
    assert response.json()["reason"] == "Expired"
    assert "continue parameter is too old" in response.json()["message"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"labelSelector": "app=web"}, ["a", "b"]),
        ({"labelSelector": "app in (web),tier!=front"}, ["b"]),
        ({"labelSelector": "!app"}, ["c"]),
        ({"fieldSelector": "spec.nodeName=n2"}, ["b", "c"]),
        ({"fieldSelector": "spec.nodeName!=n2,status.phase=Running"}, ["a"]),
        ({"fieldSelector": "metadata.name=a"}, ["a"]),
        ({"fieldSelector": "metadata.namespace=other"}, []),
        ({"fieldSelector": "spec.nodeName=n2", "labelSelector": "app"}, ["b"]),
    ],
    ids=lambda value: "&".join(value.values()) if isinstance(value, dict) else "",
)
async def test_a_selector_narrows_a_list(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore, query: dict[str, str], expected: list[str]
) -> None:
    objects.load(PODS, [pod("a", app="web", tier="front"), pod("b", node="n2", app="web"), pod("c", node="n2")])

    assert names((await admin.get("/api/v1/pods", params=query)).json()) == expected


@pytest.mark.parametrize("path", ["/api/v1/pods", "/api/v1/namespaces/absent/pods"])
async def test_a_list_of_nothing_is_an_empty_array(server: ApiServer, admin: httpx.AsyncClient, path: str) -> None:
    response = await admin.get(path)

    assert response.status_code == 200
    assert response.json()["items"] == []
    assert response.json()["kind"] == "PodList"


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ({"limit": "abc"}, 400, 'strconv.ParseInt: parsing "abc": invalid syntax'),
        ({"continue": "!"}, 400, "invalid continue token"),
        ({"continue": "bm9wZQ", "resourceVersion": "5"}, 400, "not allowed when using continue"),
        ({"resourceVersion": "abc"}, 400, 'strconv.ParseUint: parsing "abc": invalid syntax'),
        ({"resourceVersion": "999999"}, 504, "Too large resource version: 999999"),
        ({"resourceVersionMatch": "Exact"}, 422, "forbidden unless resourceVersion is provided"),
        ({"resourceVersionMatch": "Near", "resourceVersion": "1"}, 422, 'Unsupported value: "Near"'),
        ({"resourceVersionMatch": "Exact", "resourceVersion": "0"}, 422, 'forbidden for resourceVersion "0"'),
        ({"sendInitialEvents": "true"}, 422, "sendInitialEvents is forbidden for list"),
        ({"labelSelector": "a=b=c"}, 400, "found '='"),
        ({"fieldSelector": "spec.color=red"}, 400, "field label not supported: spec.color"),
        ({"fieldSelector": "nonsense"}, 400, "invalid selector"),
    ],
    ids=lambda value: "&".join(f"{key}={one}" for key, one in value.items()) if isinstance(value, dict) else "",
)
async def test_wrong_parameters_of_a_list_are_refused(
    server: ApiServer, admin: httpx.AsyncClient, query: dict[str, str], code: int, message: str
) -> None:
    response = await admin.get("/api/v1/pods", params=query)

    assert response.status_code == code
    status = response.json()
    assert (status["kind"], status["code"], status["status"]) == ("Status", code, "Failure")
    assert message in status["message"]


async def test_an_exact_version_shows_the_past_and_not_older_than_shows_the_present(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore
) -> None:
    objects.create(PODS, pod("a"))
    version = str(objects.version)
    objects.create(PODS, pod("b"))

    exact = await admin.get("/api/v1/pods", params={"resourceVersion": version, "resourceVersionMatch": "Exact"})
    not_older = await admin.get(
        "/api/v1/pods", params={"resourceVersion": version, "resourceVersionMatch": "NotOlderThan"}
    )

    assert names(exact.json()) == ["a"]
    assert exact.json()["metadata"]["resourceVersion"] == version
    assert names(not_older.json()) == ["a", "b"]


async def test_the_authentication_config_has_the_keys_of_a_real_one(
    server: ApiServer, admin: httpx.AsyncClient
) -> None:
    path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
    captured = json.loads((CAPTURED / "extension-apiserver-authentication-configmap.json").read_text())

    data = (await admin.get(path)).json()["data"]

    assert data.keys() == captured["data"].keys()
    for key in data.keys() - {"client-ca-file", "requestheader-client-ca-file"}:
        assert data[key] == captured["data"][key]
    assert data["client-ca-file"] == server.authorities.cluster.certificate.decode()
    assert data["requestheader-client-ca-file"] == server.authorities.front_proxy.certificate.decode()


async def test_the_fault_of_a_missing_authentication_config_hides_it(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore
) -> None:
    objects.create(CONFIG_MAPS, {"metadata": {"name": "other", "namespace": "kube-system"}})
    server.faults.authentication_config_missing = True
    path = "/api/v1/namespaces/kube-system/configmaps"

    one = await admin.get(f"{path}/extension-apiserver-authentication")
    listed = (await admin.get(path)).json()

    assert one.status_code == 404
    assert names(listed) == ["other"]
