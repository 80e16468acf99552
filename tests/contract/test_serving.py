"""What every client may count on: paths, forms, errors (contract §8.1, §8.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.contract.cluster import Cluster

MAPS = "/api/v1/namespaces/default/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
GO = "application/vnd.kubernetes.protobuf"
TOO_LONG = b'{"data":{"a":"' + b"x" * (3 * 1024 * 1024) + b'"}}'


def failure(code: int, reason: str, **more: Any) -> dict[str, Any]:
    """Return a ``Status`` but for its message."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "reason": reason,
        "code": code,
        **more,
    }


@pytest.mark.parametrize("path", ["/version", "/version/"])
async def test_the_version_is_told_with_and_without_a_slash(cluster: Cluster, path: str) -> None:
    found = (await cluster.admin.get(path)).json()

    assert found["major"] == "1"
    assert {"gitVersion", "gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform"} <= set(found)


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
async def test_probes_say_ok_to_anybody(cluster: Cluster, path: str) -> None:
    response = await cluster.client().get(path)

    assert (response.status_code, response.text) == (200, "ok")
    assert response.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    ("group_version", "resources"),
    [
        ("api/v1", {"nodes", "pods", "namespaces", "services", "configmaps", "events"}),
        ("apis/apiregistration.k8s.io/v1", {"apiservices", "apiservices/status"}),
        ("apis/authentication.k8s.io/v1", {"tokenreviews", "selfsubjectreviews"}),
        ("apis/authorization.k8s.io/v1", {"subjectaccessreviews", "selfsubjectaccessreviews"}),
        ("apis/discovery.k8s.io/v1", {"endpointslices"}),
        ("apis/apps/v1", {"deployments"}),
    ],
)
async def test_the_resources_of_a_version_are_listed(cluster: Cluster, group_version: str, resources: set[str]) -> None:
    found = (await cluster.admin.get(f"/{group_version}", headers={"Accept": "application/json"})).json()

    assert (found["kind"], found["groupVersion"]) == ("APIResourceList", group_version.partition("/")[2])
    assert resources <= {each["name"] for each in found["resources"]}


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/nodes",
        "/api/v1/pods",
        "/api/v1/namespaces/default/pods",
        "/api/v1/namespaces",
        "/api/v1/services",
        "/api/v1/configmaps",
        "/api/v1/events",
        "/apis/discovery.k8s.io/v1/endpointslices",
        "/apis/apiregistration.k8s.io/v1/apiservices",
    ],
)
async def test_a_list_has_items_and_a_version(cluster: Cluster, path: str) -> None:
    found = (await cluster.admin.get(path)).json()

    assert found["kind"].endswith("List")
    assert isinstance(found["items"], list)
    assert found["metadata"]["resourceVersion"].isdigit()


@pytest.mark.parametrize(
    ("path", "columns", "wide"),
    [
        (
            "/api/v1/nodes",
            ["Name", "Status", "Roles", "Age", "Version"],
            ["Internal-IP", "External-IP", "OS-Image", "Kernel-Version", "Container-Runtime"],
        ),
        (
            "/api/v1/pods",
            ["Name", "Ready", "Status", "Restarts", "Age"],
            ["IP", "Node", "Nominated Node", "Readiness Gates"],
        ),
    ],
)
async def test_tables_have_kubernetes_columns(cluster: Cluster, path: str, columns: list[str], wide: list[str]) -> None:
    found = (await cluster.admin.get(path, headers={"Accept": TABLE})).json()

    assert found["kind"] == "Table"
    assert [each["name"] for each in found["columnDefinitions"] if each["priority"] == 0] == columns
    assert [each["name"] for each in found["columnDefinitions"] if each["priority"] == 1] == wide


@pytest.mark.parametrize("accept", [f"{GO},application/json", f"{GO}, */*", "application/json", "*/*", ""])
async def test_every_clients_accept_header_is_answered_in_a_form_it_decodes(cluster: Cluster, accept: str) -> None:
    response = await cluster.admin.get("/api/v1/nodes", headers={"Accept": accept})

    assert response.status_code == 200
    assert response.headers["content-type"].partition(";")[0] in ("application/json", GO)


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/openapi",
        "/healthz/",
        "/openapi/v2/",
        "/apis/none.example.com",
        "/apis/none.example.com/v1",
        "/apis/none.example.com/v1/x",
    ],
)
async def test_an_unknown_path_is_not_found_in_gos_words(cluster: Cluster, path: str) -> None:
    response = await cluster.admin.get(path)

    assert (response.status_code, response.text) == (404, "404 page not found\n")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_an_unknown_openapi_document_is_not_found_without_a_word(cluster: Cluster) -> None:
    response = await cluster.admin.get("/openapi/v3/apis/none.example.com/v1")

    assert (response.status_code, response.content) == (404, b"")


async def test_the_root_lists_the_paths(cluster: Cluster) -> None:
    paths = (await cluster.admin.get("/")).json()["paths"]

    assert {"/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/healthz", "/openapi/v2", "/version"} <= set(
        paths
    )


@pytest.mark.parametrize("path", ["/api", "/apis/apps/v1", "/version"])
async def test_what_can_only_be_read_takes_no_other_method(cluster: Cluster, path: str) -> None:
    response = await cluster.admin.put(path, json={})

    assert (response.status_code, response.json()["reason"]) == (405, "MethodNotAllowed")


FORMS = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
STREAMED = ", application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
KNOWN = f"only the following media types are accepted: {FORMS}"
UNKNOWN = f"406: Not Acceptable\n\nAvailable representations: {FORMS}"


@pytest.mark.parametrize(
    ("path", "accept", "says"),
    [
        ("/api/v1/nodes", "text/html", UNKNOWN + STREAMED),
        ("/api/v1/nodes", "application/*", UNKNOWN + STREAMED),
        ("/api/v1/nodes", "application/json;as=Table;v=v2;g=meta.k8s.io", KNOWN),
        ("/api/v1/namespaces/default", "text/html", UNKNOWN),
        ("/apis", "text/html", KNOWN),
        ("/apis/apps", "application/json;as=Table;v=v1;g=meta.k8s.io", KNOWN),
        ("/apis/apps/v1", "text/html", UNKNOWN),
    ],
)
async def test_a_form_that_cannot_be_made_is_not_acceptable(
    cluster: Cluster, path: str, accept: str, says: str
) -> None:
    response = await cluster.admin.get(path, headers={"Accept": accept})

    assert (response.status_code, response.json()["reason"]) == (406, "NotAcceptable")
    assert response.json()["message"] == says


@pytest.mark.parametrize("path", ["/api", "/apis", "/apis/apps", "/apis/apps/v1"])
async def test_discovery_can_be_yaml(cluster: Cluster, path: str) -> None:
    response = await cluster.admin.get(path, headers={"Accept": "application/yaml"})

    assert (response.status_code, response.headers["content-type"]) == (200, "application/yaml")


@pytest.mark.parametrize(
    ("method", "query", "says"),
    [
        ("DELETE", {"gracePeriodSeconds": "x"}, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("DELETE", {"propagationPolicy": "Foo"}, 'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: '),
        ("PUT", {}, "the name of the object (one based on URL) was undeterminable: name must be provided"),
    ],
)
async def test_a_change_that_is_not_understood_changes_nothing(
    cluster: Cluster, method: str, query: dict[str, str], says: str
) -> None:
    created = await cluster.create(MAPS, {"metadata": {"name": "one"}})
    refused = await cluster.admin.request(method, f"{MAPS}/one", params=query, json={} if method == "PUT" else None)
    left = (await cluster.admin.get(f"{MAPS}/one")).json()

    assert refused.status_code in (400, 422)
    assert says in refused.json()["message"]
    assert left["metadata"]["resourceVersion"] == created["metadata"]["resourceVersion"]


@pytest.mark.parametrize(
    "path", ["/api/v2", "/api/v1/unicorns", "/api/v1/namespaces/default/unicorns/u", "/apis/apps/v2"]
)
async def test_an_unknown_kind_is_a_status(cluster: Cluster, path: str) -> None:
    response = await cluster.admin.get(path)

    assert response.status_code == 404
    assert response.json() == failure(404, "NotFound", details={}) | {
        "message": "the server could not find the requested resource"
    }


async def test_a_missing_object_is_a_status_with_details(cluster: Cluster) -> None:
    response = await cluster.admin.get(f"{MAPS}/absent")

    assert response.status_code == 404
    assert response.json() == failure(404, "NotFound", details={"name": "absent", "kind": "configmaps"}) | {
        "message": 'configmaps "absent" not found'
    }


async def test_a_method_that_a_resource_does_not_have_is_not_allowed(cluster: Cluster) -> None:
    response = await cluster.admin.put("/api/v1/nodes", json={})

    assert response.status_code == 405
    assert response.json() == failure(405, "MethodNotAllowed", details={}) | {
        "message": "the server does not allow this method on the requested resource"
    }


UNKNOWN_BODY = "the body of the request was in an unknown format - accepted media types include: "
UNRECOGNIZED = "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; "
MISTYPED = 'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal '


@pytest.mark.parametrize(
    ("content_type", "body", "code", "reason", "says"),
    [
        pytest.param("application/json", b"{", 400, "BadRequest", UNRECOGNIZED, id="cut-off"),
        pytest.param("application/json", b"\xff\xfe", 400, "BadRequest", UNRECOGNIZED, id="no-text"),
        pytest.param("application/json", b"[]", 400, "BadRequest", UNRECOGNIZED, id="an-array"),
        pytest.param("application/yaml", b"a: [", 400, "BadRequest", "", id="bad-yaml"),
        pytest.param("application/vnd.kubernetes.protobuf", b"{}", 400, "BadRequest", "", id="bad-protobuf"),
        pytest.param("application/json", b'{"metadata":"a"}', 400, "BadRequest", MISTYPED, id="a-text-for-metadata"),
        pytest.param("application/json", b'{"data":{"a":1}}', 400, "BadRequest", MISTYPED, id="a-number-for-data"),
        pytest.param(
            "application/json",
            b'{"metadata":{"labels":["a"]}}',
            400,
            "BadRequest",
            MISTYPED,
            id="an-array-for-labels",
        ),
        pytest.param("text/plain", b"{}", 415, "UnsupportedMediaType", UNKNOWN_BODY + FORMS, id="another-type"),
        pytest.param(
            "application/json",
            TOO_LONG,
            413,
            "RequestEntityTooLarge",
            "Request entity too large: limit is 3145728",
            id="too-long",
        ),
    ],
)
async def test_a_body_that_is_no_object_is_refused(
    cluster: Cluster, content_type: str, body: bytes, code: int, reason: str, says: str
) -> None:
    if body.startswith(b'{"') and body != TOO_LONG:  # typed only once it says what it is
        body = b'{"kind":"ConfigMap","apiVersion":"v1",' + body[1:]
    response = await cluster.admin.post(MAPS, content=body, headers={"Content-Type": content_type})
    status = response.json()
    message = status.pop("message")

    assert response.status_code == code
    assert status == failure(code, reason)
    assert message.startswith(says)


async def test_a_body_that_comes_in_pieces_is_refused_once_it_is_too_long(cluster: Cluster) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(TOO_LONG), 1 << 16):
            yield TOO_LONG[start : start + (1 << 16)]

    response = await cluster.admin.post(MAPS, content=pieces(), headers={"Content-Type": "application/json"})

    assert (response.status_code, response.json()["message"]) == (413, "Request entity too large: limit is 3145728")


@pytest.mark.parametrize(
    ("document", "code"),
    [
        pytest.param({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "a"}}, 400, id="another-kind"),
        pytest.param({"metadata": {"name": "a", "namespace": "other"}}, 400, id="another-namespace"),
        pytest.param({"metadata": {}}, 422, id="no-name"),
        pytest.param({"metadata": {"name": "not a name"}}, 422, id="a-bad-name"),
        pytest.param({"metadata": {"name": ["a"]}}, 400, id="a-list-for-a-name"),
    ],
)
async def test_an_object_that_may_not_be_is_refused(cluster: Cluster, document: dict[str, Any], code: int) -> None:
    response = await cluster.admin.post(MAPS, json={"kind": "ConfigMap", "apiVersion": "v1"} | document)

    assert (response.status_code, response.json()["kind"]) == (code, "Status")


async def test_a_patch_of_an_unknown_type_is_refused(cluster: Cluster) -> None:
    await cluster.create(MAPS, {"metadata": {"name": "one"}})
    response = await cluster.admin.patch(f"{MAPS}/one", content=b"{}", headers={"Content-Type": "text/plain"})

    assert response.status_code == 415
    assert response.json() == failure(415, "UnsupportedMediaType", details={}) | {
        "message": "415: Unsupported Media Type"
    }


async def test_a_name_that_is_taken_is_a_conflict(cluster: Cluster) -> None:
    await cluster.create(MAPS, {"metadata": {"name": "one"}})
    response = await cluster.admin.post(MAPS, json={"metadata": {"name": "one"}})

    assert response.status_code == 409
    assert response.json() == failure(409, "AlreadyExists", details={"name": "one", "kind": "configmaps"}) | {
        "message": 'configmaps "one" already exists'
    }
