"""TokenReview, SubjectAccessReview and their kin over the wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from metrics_api.localcluster.apiserver import ApiServer
from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.resources import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES
from metrics_api.localcluster.users import User, service_account
from tests.fakes import FakeClock, settle

Connect = Callable[..., httpx.AsyncClient]
CAPTURED = Path(__file__).parent.parent / "data" / "kube-apiserver"
TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


def captured(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((CAPTURED / name).read_text())
    document["metadata"].pop("managedFields")  # field owners are not tracked here
    return document


async def review(client: httpx.AsyncClient, path: str, spec: dict[str, Any]) -> dict[str, Any]:
    response = await client.post(path, json={"spec": spec})
    assert response.status_code == 201, response.text
    document: dict[str, Any] = response.json()
    return document


async def test_a_known_token_is_answered_as_by_a_real_server(server: ApiServer, admin: httpx.AsyncClient) -> None:
    expected = captured("tokenreview-valid.json")
    token = server.tokens.issue(service_account("kube-system", "reader", expected["status"]["user"]["uid"]))

    got = await review(admin, TOKEN_REVIEWS, {"token": token})

    assert got["spec"] == {"token": token}
    [credential] = got["status"]["user"]["extra"].pop("authentication.kubernetes.io/credential-id")
    assert credential.startswith("JTI=")
    expected["status"]["user"]["extra"].clear()
    assert got["status"] == expected["status"]
    assert list(got) == list(expected)


async def test_an_unknown_token_is_answered_as_by_a_real_server(server: ApiServer, admin: httpx.AsyncClient) -> None:
    assert await review(admin, TOKEN_REVIEWS, {"token": "nonsense"}) == captured("tokenreview-invalid.json")


async def test_an_allowed_access_is_answered_as_by_a_real_server(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore
) -> None:
    expected = captured("subjectaccessreview-allowed.json")
    rule = {"verbs": ["list"], "apiGroups": ["metrics.k8s.io"], "resources": ["pods"]}
    objects.create(CLUSTER_ROLES, {"metadata": {"name": "system:aggregated-metrics-reader"}, "rules": [rule]})
    objects.create(
        CLUSTER_ROLE_BINDINGS,
        {
            "metadata": {"name": "reader"},
            "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": "kube-system"}],
            "roleRef": {"kind": "ClusterRole", "name": "system:aggregated-metrics-reader"},
        },
    )

    assert await review(admin, ACCESS_REVIEWS, expected["spec"]) == expected


async def test_a_denied_access_is_answered_as_by_a_real_server(server: ApiServer, admin: httpx.AsyncClient) -> None:
    expected = captured("subjectaccessreview-denied.json")

    assert await review(admin, ACCESS_REVIEWS, expected["spec"]) == expected


@pytest.mark.parametrize(
    ("path", "allowed"), [("/apis", True), ("/metrics", False)], ids=["discovery", "something else"]
)
async def test_an_access_to_a_path_is_decided(
    server: ApiServer, admin: httpx.AsyncClient, path: str, *, allowed: bool
) -> None:
    wanted = {"path": path, "verb": "get"}
    spec = {"user": "bob", "groups": ["system:authenticated"], "nonResourceAttributes": wanted}

    assert (await review(admin, ACCESS_REVIEWS, spec))["status"]["allowed"] is allowed


@pytest.mark.parametrize(
    ("path", "spec", "code", "message"),
    [
        (TOKEN_REVIEWS, {}, 400, "token is required"),
        (ACCESS_REVIEWS, {"user": "bob"}, 422, "exactly one of nonResourceAttributes or resourceAttributes"),
        (ACCESS_REVIEWS, {"resourceAttributes": {}}, 422, "at least one of user or group must be specified"),
        (
            ACCESS_REVIEWS,
            {"user": "bob", "resourceAttributes": {}, "nonResourceAttributes": {}},
            422,
            "exactly one of nonResourceAttributes or resourceAttributes",
        ),
        (ACCESS_REVIEWS, {"user": "bob", "resourceAttributes": "all"}, 400, "json: cannot unmarshal"),
    ],
    ids=["no token", "no question", "no user", "two questions", "no object"],
)
async def test_a_review_that_asks_nothing_is_refused(
    server: ApiServer, admin: httpx.AsyncClient, path: str, spec: dict[str, Any], code: int, message: str
) -> None:
    response = await admin.post(path, json={"spec": spec})

    assert response.status_code == code
    assert message in response.json()["message"]


async def test_anybody_may_ask_about_oneself_and_nobody_else_without_the_delegators_role(
    server: ApiServer, connect: Connect, objects: ObjectStore
) -> None:
    client = connect("alice")
    own = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    wanted = {"resourceAttributes": {"verb": "list", "resource": "pods"}}

    about_alice = await review(client, own, wanted)
    refused = await client.post(ACCESS_REVIEWS, json={"spec": {"user": "bob", **wanted}})
    objects.create(
        CLUSTER_ROLE_BINDINGS,
        {
            "metadata": {"name": "metrics-server:system:auth-delegator"},
            "subjects": [{"kind": "User", "name": "alice"}],
            "roleRef": {"kind": "ClusterRole", "name": "system:auth-delegator"},
        },
    )
    about_bob = await review(client, ACCESS_REVIEWS, {"user": "bob", **wanted})

    assert about_alice["status"] == {"allowed": False}
    assert refused.status_code == 403
    assert about_bob["status"] == {"allowed": False}


async def test_reviews_are_counted_by_the_witness(server: ApiServer, admin: httpx.AsyncClient) -> None:
    token = server.tokens.issue(User("alice"))
    for _ in range(3):
        await review(admin, TOKEN_REVIEWS, {"token": token})

    seen = server.witness.requests(verb="create", resource="tokenreviews.authentication.k8s.io")

    assert [(one.user, one.status) for one in seen] == [("kubernetes-admin", 201)] * 3
    assert server.witness.used("kubernetes-admin") == {("create", "tokenreviews.authentication.k8s.io")}
    server.witness.forget()
    assert not server.witness.requests()


async def test_failing_reviews_answer_500(server: ApiServer, admin: httpx.AsyncClient) -> None:
    server.faults.reviews_fail = True

    response = await admin.post(TOKEN_REVIEWS, json={"spec": {"token": "x"}})

    assert response.status_code == 500
    assert response.json()["reason"] == "InternalError"


async def test_slow_reviews_wait(server: ApiServer, admin: httpx.AsyncClient, clock: FakeClock) -> None:
    server.faults.review_delay = 20.0
    asked = asyncio.create_task(admin.post(TOKEN_REVIEWS, json={"spec": {"token": "x"}}))
    while 20.0 not in clock.sleeps:
        await settle()
    waiting = not asked.done()
    await clock.advance(20)

    assert waiting
    assert (await asked).status_code == 201


async def test_a_slow_review_is_over_when_its_time_is(
    server: ApiServer, admin: httpx.AsyncClient, clock: FakeClock
) -> None:
    server.faults.review_delay = 20.0
    asked = asyncio.create_task(admin.post(TOKEN_REVIEWS, json={"spec": {"token": "x"}}, params={"timeout": "10s"}))
    while 10.0 not in clock.sleeps:
        await settle()
    await clock.advance(10)
    response = await asked

    assert (response.status_code, response.json()["reason"]) == (504, "Timeout")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
