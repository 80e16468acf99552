"""Who the server takes a client for, what it refuses, and impersonation."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from metrics_api.localcluster.apiserver import ApiServer
from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.resources import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES
from metrics_api.localcluster.users import User, service_account
from metrics_api.pki import Authority
from tests.localcluster.conftest import client_context

Connect = Callable[..., httpx.AsyncClient]
REVIEW = {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"}


async def whoami(client: httpx.AsyncClient, **headers: str) -> dict[str, Any]:
    response = await client.post(
        "/apis/authentication.k8s.io/v1/selfsubjectreviews", json=REVIEW, headers=list(headers.items())
    )
    assert response.status_code == 201, response.text
    info: dict[str, Any] = response.json()["status"]["userInfo"]
    return info


def allow(objects: ObjectStore, user: str, *rules: dict[str, Any]) -> None:
    objects.create(CLUSTER_ROLES, {"metadata": {"name": f"of-{user}"}, "rules": list(rules)})
    objects.create(
        CLUSTER_ROLE_BINDINGS,
        {
            "metadata": {"name": f"of-{user}"},
            "subjects": [{"kind": "User", "name": user}],
            "roleRef": {"kind": "ClusterRole", "name": f"of-{user}"},
        },
    )


async def test_a_client_certificate_gives_name_and_groups(server: ApiServer, connect: Connect) -> None:
    info = await whoami(connect("alice", ["dev", "ops"]))

    assert info["username"] == "alice"
    assert sorted(info["groups"]) == ["dev", "ops", "system:authenticated"]
    credential = info["extra"]["authentication.kubernetes.io/credential-id"]
    assert credential[0].startswith("X509SHA256=")
    assert len(credential[0]) == len("X509SHA256=") + 64


async def test_a_token_gives_the_user_it_was_issued_to(server: ApiServer, connect: Connect) -> None:
    token = server.tokens.issue(service_account("kube-system", "reader", uid="some-uid"))

    info = await whoami(connect(token=token))

    assert info["username"] == "system:serviceaccount:kube-system:reader"
    assert info["uid"] == "some-uid"
    assert info["groups"] == [
        "system:serviceaccounts",
        "system:serviceaccounts:kube-system",
        "system:authenticated",
    ]


async def test_a_revoked_token_is_refused(server: ApiServer, connect: Connect) -> None:
    token = server.tokens.issue(User("alice"))
    server.tokens.revoke(token)

    response = await connect(token=token).get("/version")

    assert response.status_code == 401
    assert response.json() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "Unauthorized",
        "reason": "Unauthorized",
        "code": 401,
    }


async def test_a_certificate_counts_more_than_a_token(server: ApiServer, connect: Connect) -> None:
    client = connect("alice", token=server.tokens.issue(User("bob")))

    assert (await whoami(client))["username"] == "alice"


@pytest.mark.parametrize("authorization", ["", "Basic YTpi", "Bearer"])
async def test_without_credentials_the_client_is_anonymous(
    server: ApiServer, connect: Connect, authorization: str
) -> None:
    headers = {"Authorization": authorization} if authorization else {}

    version = await connect().get("/version", headers=headers)
    pods = await connect().get("/api/v1/pods", headers=headers)

    assert version.status_code == 200
    assert pods.status_code == 403
    assert pods.json()["message"] == (
        'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" at the cluster scope'
    )
    assert pods.json()["details"] == {"kind": "pods"}
    assert pods.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_certificate_of_another_authority_cannot_connect(server: ApiServer, tmp_path: Path) -> None:
    stranger = Authority.create("cluster-ca").issue("admin", organizations=["system:masters"], client=True)
    context = client_context(server.authorities, stranger, tmp_path)
    async with httpx.AsyncClient(base_url=server.url, verify=context, trust_env=False) as client:
        with pytest.raises((httpx.TransportError, ssl.SSLError)):
            await client.get("/version")


async def test_the_front_proxys_certificate_is_nobodys_here(server: ApiServer, tmp_path: Path) -> None:
    pair = server.authorities.front_proxy.issue("front-proxy-client", client=True)
    context = client_context(server.authorities, pair, tmp_path)
    async with httpx.AsyncClient(base_url=server.url, verify=context, trust_env=False) as client:
        with pytest.raises((httpx.TransportError, ssl.SSLError)):
            await client.get("/version", headers={"X-Remote-User": "admin", "X-Remote-Group": "system:masters"})


async def test_headers_of_a_front_proxy_are_not_believed(server: ApiServer, connect: Connect) -> None:
    info = await whoami(connect("alice"), **{"X-Remote-User": "root", "X-Remote-Group": "system:masters"})

    assert info["username"] == "alice"
    assert "system:masters" not in info["groups"]


async def test_authorization_comes_before_the_question_whether_the_path_exists(
    server: ApiServer, connect: Connect
) -> None:
    client = connect("alice")

    codes = [
        (await client.request(method, path)).status_code
        for method, path in (
            ("GET", "/api/v1/widgets"),
            ("PUT", "/api/v1/nodes"),
            ("GET", "/nothing"),
            ("POST", "/api/v1/namespaces/x/pods"),
        )
    ]

    assert codes == [403, 403, 403, 403]


async def test_an_administrator_may_act_as_somebody_else(server: ApiServer, admin: httpx.AsyncClient) -> None:
    response = await admin.post(
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        json=REVIEW,
        headers=[
            ("Impersonate-User", "bob"),
            ("Impersonate-Group", "dev"),
            ("Impersonate-Group", "ops"),
            ("Impersonate-Uid", "u-1"),
            ("Impersonate-Extra-Example.com%2fteam", "blue"),
        ],
    )

    assert response.json()["status"]["userInfo"] == {
        "username": "bob",
        "uid": "u-1",
        "groups": ["dev", "ops", "system:authenticated"],
        "extra": {"example.com/team": ["blue"]},
    }


async def test_an_impersonated_service_account_has_its_groups(server: ApiServer, admin: httpx.AsyncClient) -> None:
    info = await whoami(admin, **{"Impersonate-User": "system:serviceaccount:shop:web"})

    assert info["groups"] == ["system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"]


async def test_what_the_impersonated_user_may_not_do_is_refused(server: ApiServer, admin: httpx.AsyncClient) -> None:
    response = await admin.get("/api/v1/pods", headers={"Impersonate-User": "bob"})

    assert response.status_code == 403
    assert 'User "bob" cannot list' in response.json()["message"]


@pytest.mark.parametrize(
    ("headers", "mode"),
    [
        ({"Impersonate-User": "carol"}, "user-info"),
        ({"Impersonate-User": "bob", "Impersonate-Group": "system:masters"}, "user-info"),
        ({"Impersonate-User": "bob", "Impersonate-Uid": "1"}, "user-info"),
        ({"Impersonate-User": "bob", "Impersonate-Extra-team": "blue"}, "user-info"),
        ({"Impersonate-User": "system:serviceaccount:shop:web"}, "serviceaccount"),
        ({"Impersonate-User": "system:node:n1"}, "arbitrary-node"),
    ],
    ids=["user", "group", "uid", "extra", "service account", "node"],
)
async def test_each_thing_impersonated_needs_its_permission(
    server: ApiServer, connect: Connect, objects: ObjectStore, headers: dict[str, str], mode: str
) -> None:
    rule = {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["users"], "resourceNames": ["bob"]}
    allow(objects, "alice", rule)
    client = connect("alice")

    response = await client.get("/version", headers=headers)

    # The first mode that was tried says why, not the last.
    assert response.status_code == 403
    assert response.json()["message"] == f'forbidden: User "alice" cannot impersonate-on:{mode}:get path "/version"'
    assert (await whoami(client, **{"Impersonate-User": "bob"}))["username"] == "bob"
