"""Tokens for service accounts, which users and pods authenticate with (contract §8.4)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.contract.backend import READER_TOKEN
from tests.contract.cluster import Cluster
from tests.contract.test_users import AUDIENCE, BINDINGS, RBAC, ROLES, TOKEN_REVIEWS, review, who

ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
NAME = "contract-robot"
TOKENS = f"{ACCOUNTS}/{NAME}/token"


@pytest.fixture(autouse=True)
async def account(cluster: Cluster) -> Any:
    return await cluster.create(ACCOUNTS, {"metadata": {"name": NAME}})


async def ask(cluster: Cluster, path: str = TOKENS, *, token: str = "", **spec: Any) -> httpx.Response:
    client = cluster.client(token=token) if token else cluster.admin
    document = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return await client.post(path, json=document)


async def token_of(cluster: Cluster, **spec: Any) -> str:
    response = await ask(cluster, **spec)
    assert response.status_code == 201, response.text
    token: str = response.json()["status"]["token"]
    return token


async def test_a_token_is_answered_with_what_was_left_out(cluster: Cluster) -> None:
    found = (await ask(cluster)).json()

    assert (found["kind"], found["apiVersion"]) == ("TokenRequest", "authentication.k8s.io/v1")
    assert (found["metadata"]["name"], found["metadata"]["namespace"]) == (NAME, "default")
    assert found["spec"] == {"audiences": [AUDIENCE], "expirationSeconds": 3600, "boundObjectRef": None}
    assert set(found["status"]) == {"token", "expirationTimestamp"}


async def test_a_token_stands_for_its_service_account(cluster: Cluster, account: Any) -> None:
    found = await who(cluster, token=await token_of(cluster))

    assert (found["username"], found["uid"]) == (
        f"system:serviceaccount:default:{NAME}",
        account["metadata"]["uid"],
    )
    assert found["groups"] == [
        "system:serviceaccounts",
        "system:serviceaccounts:default",
        "system:authenticated",
    ]


async def test_a_review_of_a_token_names_its_service_account(cluster: Cluster) -> None:
    found = await review(cluster, TOKEN_REVIEWS, {"token": await token_of(cluster)})

    assert (found["authenticated"], found["audiences"]) == (True, [AUDIENCE])
    assert found["user"]["username"] == f"system:serviceaccount:default:{NAME}"


async def test_a_token_for_another_audience_is_accepted_by_that_one_alone(cluster: Cluster) -> None:
    token = await token_of(cluster, audiences=["vault", "ledger"])
    for_vault = await review(cluster, TOKEN_REVIEWS, {"token": token, "audiences": ["other", "vault"]})
    for_us = await review(cluster, TOKEN_REVIEWS, {"token": token})

    assert (for_vault["authenticated"], for_vault["audiences"]) == (True, ["vault"])
    assert not for_us.get("authenticated")
    assert await who(cluster, token=token) == 401


async def test_a_token_is_refused_once_its_service_account_is_gone(cluster: Cluster) -> None:
    token = await token_of(cluster)
    before = await who(cluster, token=token)
    await cluster.admin.delete(f"{ACCOUNTS}/{NAME}")
    await cluster.eventually(lambda: who(cluster, token=token), lambda found: found == 401)

    assert before != 401


async def test_a_service_account_that_is_not_there_has_no_token(cluster: Cluster) -> None:
    response = await ask(cluster, f"{ACCOUNTS}/absent/token")

    assert response.status_code == 404
    assert response.json()["message"] == 'serviceaccounts "absent" not found'
    assert response.json()["details"] == {"name": "absent", "kind": "serviceaccounts"}


@pytest.mark.parametrize(
    ("seconds", "why"),
    [
        (599, "Invalid value: 599: may not specify a duration less than 10 minutes"),
        ((1 << 32) + 1, "Invalid value: 4294967297: may not specify a duration larger than 2^32 seconds"),
    ],
)
async def test_a_token_lives_ten_minutes_at_least_and_a_lifetime_at_most(
    cluster: Cluster, seconds: int, why: str
) -> None:
    response = await ask(cluster, expirationSeconds=seconds)

    assert response.status_code == 422
    assert response.json()["message"] == (
        f'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: {why}'
    )


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"audiences": "vault"}, id="a text for audiences"),
        pytest.param({"expirationSeconds": "1h"}, id="a text for seconds"),
        pytest.param({"boundObjectRef": []}, id="a list for an object"),
    ],
)
async def test_a_request_with_a_wrong_type_is_refused(cluster: Cluster, spec: dict[str, Any]) -> None:
    response = await ask(cluster, **spec)

    assert (response.status_code, response.json()["reason"]) == (400, "BadRequest")


async def test_a_request_of_another_name_is_refused(cluster: Cluster) -> None:
    response = await cluster.admin.post(TOKENS, json={"metadata": {"name": "other"}})

    assert response.status_code == 422
    assert response.json()["message"] == (
        f'TokenRequest.authentication.k8s.io "{NAME}" is invalid: metadata.name: Invalid value: "other": '
        "must match the service account name if specified"
    )


async def test_tokens_are_only_made(cluster: Cluster) -> None:
    response = await cluster.admin.get(TOKENS)

    assert (response.status_code, response.json()["reason"]) == (405, "MethodNotAllowed")


async def test_who_may_not_make_a_token_gets_none_and_who_may_does(cluster: Cluster) -> None:
    refused = await ask(cluster, token=READER_TOKEN)
    rule = {"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]}
    await cluster.create(ROLES, {"metadata": {"name": "contract-tokens"}, "rules": [rule]})
    subject = {"kind": "Group", "apiGroup": RBAC, "name": "readers"}
    reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "contract-tokens"}
    binding = {"metadata": {"name": "contract-tokens"}, "subjects": [subject], "roleRef": reference}
    await cluster.create(BINDINGS, binding)
    allowed = await cluster.eventually(
        lambda: ask(cluster, token=READER_TOKEN), lambda response: response.status_code != 403
    )

    assert refused.json()["message"] == (
        f'serviceaccounts "{NAME}" is forbidden: User "reader" cannot create resource "serviceaccounts/token" in API'
        ' group "" in the namespace "default"'
    )
    assert allowed.status_code == 201


async def test_the_subresource_is_listed_with_its_own_kind(cluster: Cluster) -> None:
    resources = (await cluster.admin.get("/api/v1", headers={"Accept": "application/json"})).json()["resources"]
    [found] = [each for each in resources if each["name"] == "serviceaccounts/token"]

    assert found == {
        "name": "serviceaccounts/token",
        "singularName": "",
        "namespaced": True,
        "group": "authentication.k8s.io",
        "version": "v1",
        "kind": "TokenRequest",
        "verbs": ["create"],
    }
