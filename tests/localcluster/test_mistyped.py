"""Documents in which one value has another type: refused or harmless, never an error of the server's own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import pytest

from metrics_api.localcluster.apiserver import ApiServer
from metrics_api.localcluster.resources import RESOURCES, Resource
from tests.localcluster.conftest import Connect

WRONG: Sequence[Any] = (None, "text", 5, True, [], [1], ["a"], [{}], {}, {"a": 1}, {"a": None})
PATCHES = ("merge-patch+json", "strategic-merge-patch+json")
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
METADATA = {
    "name": "x",
    "labels": {"a": "b"},
    "annotations": {"a": "b"},
    "finalizers": [],
    "ownerReferences": [],
    "generateName": "",
}
RULE = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}
ROLE = {"rules": [RULE], "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}}
BINDING = {"subjects": [{"kind": "User", "name": "u"}], "roleRef": {"kind": "ClusterRole", "name": "x"}}
QUESTION = {"resourceAttributes": {"verb": "get", "resource": "pods"}}
READY = {"type": "Ready", "status": "True"}
EXAMPLES: dict[str, dict[str, Any]] = {
    "APIService": {
        "metadata": {"name": "v1.g.example"},
        "spec": {
            "group": "g.example",
            "version": "v1",
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "service": {"namespace": "default", "name": "x"},
        },
    },
    "ClusterRole": ROLE,
    "ClusterRoleBinding": BINDING,
    "ConfigMap": {"metadata": METADATA, "data": {"a": "b"}},
    "EndpointSlice": {
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["192.0.2.1"], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": 1}],
    },
    "Node": {
        "spec": {"unschedulable": True},
        "status": {
            "conditions": [READY],
            "addresses": [{"type": "InternalIP", "address": "192.0.2.1"}],
            "nodeInfo": {"kubeletVersion": "v1"},
        },
    },
    "Pod": {
        "spec": {"containers": [{"name": "a", "image": "b"}], "readinessGates": [{"conditionType": "x"}]},
        "status": {"conditions": [READY], "containerStatuses": [{"ready": True, "restartCount": 1, "state": {}}]},
    },
    "Role": ROLE,
    "RoleBinding": BINDING,
    "Secret": {"data": {"a": "YQ=="}, "type": "Opaque"},
    "SelfSubjectAccessReview": {"spec": QUESTION},
    "Service": {"spec": {"type": "ClusterIP", "ports": [{"name": "https", "port": 443}]}},
    "SubjectAccessReview": {"spec": {"user": "u", "groups": ["g"], "uid": "", "extra": {"a": ["b"]}} | QUESTION},
    "TokenReview": {"spec": {"token": "x", "audiences": ["a"]}},
}


def example(resource: Resource) -> dict[str, Any]:
    return {"metadata": {"name": "x"}, "spec": {}} | EXAMPLES.get(resource.kind, {})


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value in a document, but to the document itself."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from places(child, (*path, key))


def spoiled(document: dict[str, Any]) -> Iterator[bytes]:
    """Yield the document with one value changed, for every value and every wrong one."""
    for *way, last in places(document):
        for wrong in WRONG:
            copy = json.loads(json.dumps(document))
            parent = copy
            for key in way:
                parent = parent[key]
            parent[last] = wrong
            yield json.dumps(copy).encode()


def collection(resource: Resource) -> str:
    root = f"/apis/{resource.group_version}" if resource.group else "/api/v1"
    return f"{root}/namespaces/default/{resource.plural}" if resource.namespaced else f"{root}/{resource.plural}"


def sent_as(content_type: str) -> dict[str, str]:
    return {"Content-Type": f"application/{content_type}"}


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.plural)
async def test_one_wrong_type_is_refused_or_does_no_harm(
    server: ApiServer, admin: httpx.AsyncClient, connect: Connect, resource: Resource
) -> None:
    stranger, path, right = connect("u"), collection(resource), example(resource)
    one = f"{path}/{right['metadata']['name']}"
    writable = "update" in resource.verbs
    codes = set()
    for wrong in spoiled(right):
        created = await admin.post(path, content=wrong, headers=sent_as("json"))
        codes.add(created.status_code)
        if created.status_code == 201 and writable:
            codes.add((await admin.get(path, headers={"Accept": TABLE})).status_code)
            codes.add((await stranger.get("/healthz")).status_code)
            made = created.json()["metadata"]["name"]
            codes.add((await admin.delete(f"{path}/{made}")).status_code)
    if writable:
        await admin.post(path, json=right)
        for wrong in spoiled(right):
            codes.add((await admin.put(one, content=wrong, headers=sent_as("json"))).status_code)
            for patch in PATCHES:
                changed = await admin.patch(one, content=wrong, headers=sent_as(patch))
                codes.add(changed.status_code)

    assert codes <= {200, 201, 400, 403, 404, 409, 422}
    assert 400 in codes


@pytest.mark.parametrize("field", ["gracePeriodSeconds", "preconditions", "propagationPolicy", "dryRun"])
async def test_a_deletion_with_a_wrong_type_is_refused(admin: httpx.AsyncClient, field: str) -> None:
    path = "/api/v1/namespaces/default/configmaps"
    await admin.post(path, json={"metadata": {"name": "one"}})
    refused = [
        await admin.request("DELETE", f"{path}/one", content=json.dumps({field: 1.5}), headers=sent_as("json")),
        await admin.request("DELETE", path, content=json.dumps({field: 1.5}), headers=sent_as("json")),
    ]

    for response in refused:
        assert response.status_code == 400
        assert response.json()["message"] == (
            'DeleteOptions in version "v1" cannot be handled as a DeleteOptions: '
            f"json: cannot unmarshal the value of field DeleteOptions.{field}"
        )
    assert (await admin.get(f"{path}/one")).status_code == 200


NESTED = '{"data":' + '{"a":' * 300 + "1" + "}" * 301


@pytest.mark.parametrize(
    ("content_type", "body", "message"),
    [
        ("json", NESTED, "nested more than 200 levels"),
        ("json", '{"data":' * 5000, "json parse error"),
        ("yaml", "[" * 5000, "json parse error"),
        ("yaml", "data: &a {x: y}\nother: *a\n", "aliases are not taken"),
        ("yaml", "data: !!set {a, b}\n", "json parse error"),
        ("yaml", "data: {big: 1000000000000000000000000}\n", "json parse error"),
    ],
    ids=["deep", "too deep for the parser", "deep yaml", "aliases", "a set", "a number beyond 64 bits"],
)
async def test_what_could_not_be_stored_is_refused(
    admin: httpx.AsyncClient, content_type: str, body: str, message: str
) -> None:
    path = "/api/v1/namespaces/default/configmaps"
    response = await admin.post(path, content=body, headers=sent_as(content_type))

    assert (response.status_code, response.json()["reason"]) == (400, "BadRequest")
    assert message in response.json()["message"]


async def test_a_patch_that_is_nested_too_deeply_is_refused(admin: httpx.AsyncClient) -> None:
    path = "/api/v1/namespaces/default/configmaps"
    await admin.post(path, json={"metadata": {"name": "one"}})
    for patch in PATCHES:
        response = await admin.patch(f"{path}/one", content=NESTED, headers=sent_as(patch))

        assert response.status_code == 400


@pytest.mark.parametrize(
    ("operations", "message"),
    [
        (
            [{"op": "test", "path": "/metadata/name", "value": "one"}] * 10_001,
            "The allowed maximum operations in a JSON patch is 10000, got 10001",
        ),
        # Each copies all that there is into itself.
        (
            [{"op": "copy", "from": "", "path": f"/data/{number}"} for number in range(40)],
            "the operations copy more than 3145728 bytes",
        ),
    ],
    ids=["too many", "too large"],
)
async def test_a_json_patch_that_asks_for_too_much_is_refused(
    admin: httpx.AsyncClient, operations: list[dict[str, str]], message: str
) -> None:
    path = "/api/v1/namespaces/default/configmaps"
    await admin.post(path, json={"metadata": {"name": "one"}, "data": {"a": "b"}})
    response = await admin.patch(f"{path}/one", content=json.dumps(operations), headers=sent_as("json-patch+json"))

    assert (response.status_code, response.json()["reason"]) == (413, "RequestEntityTooLarge")
    assert response.json()["message"] == f"Request entity too large: {message}"


@pytest.mark.parametrize(
    "patch",
    [
        {"metadata": {"$retainKeys": 5}},
        {"metadata": {"$deleteFromPrimitiveList/finalizers": 5}},
        {"metadata": {"finalizers": ["a"], "$setElementOrder/finalizers": 5}},
    ],
)
async def test_a_malformed_directive_is_refused(admin: httpx.AsyncClient, patch: dict[str, Any]) -> None:
    path = "/api/v1/namespaces/default/configmaps"
    await admin.post(path, json={"metadata": {"name": "one"}})
    response = await admin.patch(f"{path}/one", json=patch, headers=sent_as("strategic-merge-patch+json"))

    assert (response.status_code, response.json()["reason"]) == (400, "BadRequest")
