"""In which form answers come: the Accept header, compression, common headers, errors."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import yaml

from metrics_api.localcluster.apiserver import ApiServer
from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.resources import NODES, PODS

METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def pod(name: str, namespace: str = "default", node: str = "n1", **labels: str) -> dict[str, Any]:
    spec = {"nodeName": node, "containers": [{"name": "app", "image": "app"}]}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"metadata": metadata, "spec": spec, "status": {"phase": "Running"}}


def node(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}


@pytest.mark.parametrize(
    ("path", "accept", "kind"),
    [
        ("/api/v1/nodes", "", "NodeList"),
        ("/api/v1/nodes", "*/*", "NodeList"),
        ("/api/v1/nodes", "application/vnd.kubernetes.protobuf, */*", "NodeList"),
        ("/api/v1/nodes", "application/json;q=0.5,application/json;as=Table;v=v1;g=meta.k8s.io", "Table"),
        ("/api/v1/nodes", METADATA_LIST, "PartialObjectMetadataList"),
        # As Go's informers ask: protobuf, which is not made here, and then JSON.
        (
            "/api/v1/nodes",
            f"{METADATA_LIST.replace('json', 'vnd.kubernetes.protobuf')},{METADATA_LIST}",
            "PartialObjectMetadataList",
        ),
        ("/api/v1/nodes", f"{METADATA},application/json", "NodeList"),
        ("/api/v1/nodes/n1", METADATA, "PartialObjectMetadata"),
        ("/api/v1/nodes/n1", TABLE, "Table"),
    ],
)
async def test_the_accept_header_decides_the_kind(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore, path: str, accept: str, kind: str
) -> None:
    objects.create(NODES, node("n1"))

    response = await admin.get(path, headers={"Accept": accept})

    assert response.json()["kind"] == kind
    assert response.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("accept", ["text/html", "application/vnd.kubernetes.protobuf", METADATA])
async def test_a_form_that_cannot_be_made_is_not_acceptable(
    server: ApiServer, admin: httpx.AsyncClient, accept: str
) -> None:
    response = await admin.get("/api/v1/nodes", headers={"Accept": accept})

    assert response.status_code == 406
    assert response.json()["reason"] == "NotAcceptable"


@pytest.mark.parametrize("path", ["/api/v1/nodes", "/api/v1/nodes/n1"])
async def test_yaml_says_the_same_as_json(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore, path: str
) -> None:
    objects.create(NODES, node("n1"))

    response = await admin.get(path, headers={"Accept": "application/yaml"})

    assert response.headers["Content-Type"] == "application/yaml"
    assert yaml.safe_load(response.text) == (await admin.get(path)).json()


async def test_a_long_list_is_compressed_when_the_client_takes_it(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore
) -> None:
    objects.load(PODS, [pod(f"p{number}") for number in range(2000)])

    plain = await admin.get("/api/v1/pods", headers={"Accept-Encoding": "identity"})
    packed = await admin.get("/api/v1/pods", headers={"Accept-Encoding": "gzip"})

    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(plain.json()["items"]) == 2000
    assert packed.json() == plain.json()


async def test_every_answer_has_an_audit_id_and_is_not_to_be_cached(
    server: ApiServer, admin: httpx.AsyncClient
) -> None:
    own = await admin.get("/api/v1/nodes", headers={"Audit-Id": "my-own-id"})
    made = await admin.get("/api/v1/nodes/absent")

    assert own.headers["Audit-Id"] == "my-own-id"
    assert len(made.headers["Audit-Id"]) == 36
    assert made.headers["Cache-Control"] == "no-cache, private"
    assert made.headers["Date"] == "Thu, 01 Jan 2026 00:00:00 GMT"


@pytest.mark.parametrize(
    ("method", "path", "code", "message"),
    [
        ("GET", "/api/v1/nodes/absent", 404, 'nodes "absent" not found'),
        ("GET", "/apis/apps/v1/namespaces/x/deployments/d", 404, 'deployments.apps "d" not found'),
        ("GET", "/api/v1/widgets", 404, "the server could not find the requested resource"),
        ("GET", "/api/v1/nodes/n/nothing", 404, "the server could not find the requested resource"),
        ("GET", "/api/v1/namespaces/x/nodes", 404, "the server could not find the requested resource"),
        ("POST", "/api/v1/pods", 405, "the server does not allow this method on the requested resource"),
        ("POST", "/api/v1/nodes/n", 405, "the server does not allow this method on the requested resource"),
        ("PUT", "/api/v1/nodes", 405, "the server does not allow this method on the requested resource"),
        (
            "GET",
            "/apis/authorization.k8s.io/v1/subjectaccessreviews",
            405,
            "the server does not allow this method on the requested resource",
        ),
        ("POST", "/version", 405, "the server does not allow this method on the requested resource"),
    ],
)
async def test_what_is_not_there_is_answered_as_in_kubernetes(
    server: ApiServer, admin: httpx.AsyncClient, method: str, path: str, code: int, message: str
) -> None:
    response = await admin.request(method, path)

    assert response.status_code == code
    assert response.json()["message"] == message


async def test_not_found_has_the_details_that_clients_read(server: ApiServer, admin: httpx.AsyncClient) -> None:
    status = (await admin.get("/apis/apps/v1/namespaces/x/deployments/d")).json()

    assert status == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'deployments.apps "d" not found',
        "reason": "NotFound",
        "details": {"name": "d", "group": "apps", "kind": "deployments"},
        "code": 404,
    }
