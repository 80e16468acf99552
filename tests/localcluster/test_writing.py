"""Create, update, patch and delete over the wire."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from metrics_api.localcluster.apiserver import ApiServer
from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.resources import CONFIG_MAPS, NODES

MAPS = "/api/v1/namespaces/default/configmaps"
API_SERVICES_PATH = "/apis/apiregistration.k8s.io/v1/apiservices"
BINDINGS_PATH = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
MERGE = {"Content-Type": "application/merge-patch+json"}


def config_map(name: str = "one", **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def binding(*subjects: dict[str, str]) -> dict[str, Any]:
    return {"metadata": {"name": "b"}, "subjects": subjects, "roleRef": {"kind": "ClusterRole", "name": "view"}}


def api_service(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": "v1beta1.metrics.k8s.io"},
        "spec": {
            "group": "metrics.k8s.io",
            "version": "v1beta1",
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "insecureSkipTLSVerify": True,
            "service": {"namespace": "kube-system", "name": "metrics-server"},
            **spec,
        },
    }


async def test_a_created_object_is_answered_and_stored(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore
) -> None:
    given = config_map(a="1")
    given["metadata"] |= {"uid": "mine", "creationTimestamp": "2000-01-01T00:00:00Z"}
    response = await admin.post(MAPS, json=given)

    assert response.status_code == 201
    created = response.json()
    assert created["metadata"]["namespace"] == "default"
    assert created["metadata"]["uid"] != "mine"
    assert created["metadata"]["creationTimestamp"] == "2026-01-01T00:00:00Z"
    assert objects.get(CONFIG_MAPS, "default", "one") == created


async def test_yaml_is_understood(server: ApiServer, admin: httpx.AsyncClient) -> None:
    body = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\ndata: {a: '1'}\n"
    response = await admin.post(MAPS, content=body, headers={"Content-Type": "application/yaml"})

    assert response.status_code == 201
    assert response.json()["data"] == {"a": "1"}


async def test_a_name_is_made_up_when_only_its_start_is_given(server: ApiServer, admin: httpx.AsyncClient) -> None:
    response = await admin.post(MAPS, json={"metadata": {"generateName": "made-"}})

    assert response.status_code == 201
    name = response.json()["metadata"]["name"]
    assert name.startswith("made-")
    assert len(name) == len("made-") + 5


@pytest.mark.parametrize(
    ("path", "document", "code", "message"),
    [
        (MAPS, {"metadata": {}}, 422, "metadata.name: Required value: name or generateName is required"),
        (MAPS, config_map("Not_A_Name"), 422, "a lowercase RFC 1123 subdomain must consist of"),
        (MAPS, {**config_map(), "kind": "Pod"}, 400, "cannot be handled as a ConfigMap"),
        (MAPS, {**config_map(), "apiVersion": "v2"}, 400, "the API version in the data (v2) does not match"),
        (MAPS, {"metadata": {"name": "a", "namespace": "b"}}, 400, "does not match the namespace sent on the request"),
        (MAPS, {"metadata": {"name": "a", "resourceVersion": "5"}}, 500, "resourceVersion should not be set"),
        ("/api/v1/namespaces/default/pods", {"metadata": {"name": "a"}, "spec": 5}, 400, "field Pod.spec"),
        (MAPS, {"metadata": {"name": "a", "labels": {"b": 1}}}, 400, "field ConfigMap.metadata.labels"),
        (MAPS, {"metadata": {"name": 5}}, 400, "field ConfigMap.metadata.name"),
        (MAPS, {"metadata": "a"}, 400, "field ConfigMap.metadata"),
        ("/api/v1/namespaces/absent/configmaps", config_map(), 404, 'namespaces "absent" not found'),
        ("/api/v1/namespaces/default/pods", {"metadata": {"name": "a"}}, 422, "spec.containers: Required value"),
        ("/api/v1/namespaces", {"metadata": {"name": "a.b"}}, 422, "a lowercase RFC 1123 label must consist of"),
        (
            BINDINGS_PATH,
            {"metadata": {"name": "a:b"}, "roleRef": {"kind": "ClusterRole"}},
            422,
            "roleRef.name: Required value",
        ),
        (
            BINDINGS_PATH,
            binding({"kind": "ServiceAccount", "name": "a"}, {"kind": "Robot", "name": "b"}, {"kind": "User"}),
            422,
            'is invalid: [subjects[0].namespace: Required value, subjects[1].kind: Unsupported value: "Robot": '
            'supported values: "Group", "ServiceAccount", "User", subjects[2].name: Required value]',
        ),
        (API_SERVICES_PATH, {**api_service(), "metadata": {"name": "x"}}, 422, "metadata.name: Invalid value"),
        (API_SERVICES_PATH, api_service(groupPriorityMinimum=0), 422, "spec.groupPriorityMinimum: Invalid value"),
        (API_SERVICES_PATH, api_service(caBundle="Zm9v"), 422, "may not be true if caBundle is present"),
    ],
    ids=[
        "no name",
        "bad name",
        "another kind",
        "another version",
        "another namespace",
        "a resourceVersion",
        "number for a spec",
        "number for a label",
        "number for a name",
        "text for metadata",
        "no namespace",
        "pod without containers",
        "bad namespace name",
        "binding to nothing",
        "binding of nobody",
        "APIService with another name",
        "APIService without priority",
        "APIService with two kinds of trust",
    ],
)
async def test_what_may_not_be_stored_is_refused(
    server: ApiServer, admin: httpx.AsyncClient, path: str, document: dict[str, Any], code: int, message: str
) -> None:
    response = await admin.post(path, json=document)

    assert response.status_code == code
    assert message in response.json()["message"]


async def test_a_refusal_names_the_field_in_its_causes(server: ApiServer, admin: httpx.AsyncClient) -> None:
    status = (await admin.post(MAPS, json={"metadata": {}})).json()

    assert status["reason"] == "Invalid"
    assert status["message"] == (
        'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required'
    )
    assert status["details"]["causes"] == [
        {
            "reason": "FieldValueRequired",
            "message": "Required value: name or generateName is required",
            "field": "metadata.name",
        }
    ]


@pytest.mark.parametrize(
    ("content_type", "body", "code", "reason"),
    [
        ("application/json", b"{", 400, "BadRequest"),
        ("application/json", b"[]", 400, "BadRequest"),
        ("application/yaml", b"a: [", 400, "BadRequest"),
        ("text/plain", b"{}", 415, "UnsupportedMediaType"),
        ("application/vnd.kubernetes.protobuf", b"{}", 400, "BadRequest"),
        ("application/json", b"x" * (3 * 1024 * 1024 + 1), 413, "RequestEntityTooLarge"),
    ],
    ids=["cut off", "array", "bad YAML", "text", "no protobuf", "too long"],
)
async def test_a_body_that_is_no_object_is_refused(
    server: ApiServer, admin: httpx.AsyncClient, content_type: str, body: bytes, code: int, reason: str
) -> None:
    response = await admin.post(MAPS, content=body, headers={"Content-Type": content_type})

    assert response.status_code == code
    assert response.json()["reason"] == reason


async def test_a_namespace_gets_what_the_server_gives_it(server: ApiServer, admin: httpx.AsyncClient) -> None:
    created = (await admin.post("/api/v1/namespaces", json={"metadata": {"name": "shop"}})).json()

    assert created["status"] == {"phase": "Active"}
    assert created["spec"] == {"finalizers": ["kubernetes"]}
    assert created["metadata"]["labels"] == {"kubernetes.io/metadata.name": "shop"}


async def test_an_update_replaces_and_an_old_one_conflicts(server: ApiServer, admin: httpx.AsyncClient) -> None:
    created = (await admin.post(MAPS, json=config_map(a="1"))).json()

    updated = await admin.put(f"{MAPS}/one", json={**created, "data": {"b": "2"}})
    late = await admin.put(f"{MAPS}/one", json={**created, "data": {"c": "3"}})

    assert updated.status_code == 200
    assert updated.json()["data"] == {"b": "2"}
    assert late.status_code == 409
    assert late.json()["reason"] == "Conflict"
    assert late.json()["message"].startswith('Operation cannot be fulfilled on configmaps "one": the object has been')


@pytest.mark.parametrize(
    ("path", "document", "code"),
    [
        (f"{MAPS}/absent", config_map("absent"), 404),
        (f"{MAPS}/one", config_map("two"), 400),
    ],
    ids=["absent", "another name"],
)
async def test_an_update_of_something_else_is_refused(
    server: ApiServer, admin: httpx.AsyncClient, path: str, document: dict[str, Any], code: int
) -> None:
    await admin.post(MAPS, json=config_map())

    assert (await admin.put(path, json=document)).status_code == code


async def test_the_subresource_status_is_written_apart(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore
) -> None:
    objects.create(NODES, {"metadata": {"name": "n1"}, "spec": {}, "status": {"phase": "old"}})
    body = {"metadata": {"name": "n1"}, "spec": {"unschedulable": True}, "status": {"phase": "new"}}

    main = (await admin.put("/api/v1/nodes/n1", json=body)).json()
    status = (await admin.put("/api/v1/nodes/n1/status", json={**body, "spec": {}})).json()
    patched = (await admin.patch("/api/v1/nodes/n1/status", json={"status": {"x": "y"}}, headers=MERGE)).json()

    assert (main["spec"], main["status"]) == ({"unschedulable": True}, {"phase": "old"})
    assert (status["spec"], status["status"]) == ({"unschedulable": True}, {"phase": "new"})
    assert patched["status"] == {"phase": "new", "x": "y"}
    assert (await admin.get("/api/v1/nodes/n1/status")).json() == patched


async def test_services_get_addresses_that_are_free(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore
) -> None:
    path = "/api/v1/namespaces/default/services"
    spec = {"ports": [{"port": 443}]}
    made = [
        (await admin.post(path, json={"metadata": {"name": name}, "spec": spec})).json()["spec"]
        for name in ("one", "two")
    ]
    external = {"type": "ExternalName", "externalName": "example.com"}
    elsewhere = (await admin.post(path, json={"metadata": {"name": "three"}, "spec": external})).json()

    assert [one["clusterIP"] for one in made] == ["10.96.1.1", "10.96.1.2"]
    assert made[0]["ports"] == [{"port": 443, "protocol": "TCP", "targetPort": 443}]
    assert "clusterIP" not in elsewhere["spec"]
