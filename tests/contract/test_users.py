"""Who asks, what they may, and the reviews by which extension servers find out (contract §8.4)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.backend import ACTOR_TOKEN, READER, READER_TOKEN, ROBOT_TOKEN
from tests.contract.cluster import GROUP, NODES, Cluster

TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
SELF_REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
OWN_ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
BINDINGS = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
RBAC = "rbac.authorization.k8s.io"
AUDIENCE = "https://kubernetes.default.svc"


async def review(cluster: Cluster, path: str, spec: dict[str, Any], *, token: str = "") -> Any:
    client = cluster.client(token=token) if token else cluster.admin
    group, version = path.split("/")[2:4]
    kind = next(kind for name, kind in KINDS.items() if path.endswith(name))
    response = await client.post(path, json={"apiVersion": f"{group}/{version}", "kind": kind, "spec": spec})
    assert response.status_code == 201, response.text
    return response.json()["status"]


KINDS = {
    "/tokenreviews": "TokenReview",
    "/selfsubjectreviews": "SelfSubjectReview",
    "/subjectaccessreviews": "SubjectAccessReview",
    "/selfsubjectaccessreviews": "SelfSubjectAccessReview",
}


async def who(cluster: Cluster, **how: Any) -> Any:
    client = cluster.client(**how)
    response = await client.post(
        SELF_REVIEWS, json={"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    )
    return response.json()["status"]["userInfo"] if response.status_code == 201 else response.status_code


async def test_a_certificate_names_user_and_groups(cluster: Cluster) -> None:
    found = await who(cluster, user="alice", groups=["devs"])

    assert (found["username"], found["groups"]) == ("alice", ["devs", "system:authenticated"])
    (credential,) = found["extra"]["authentication.kubernetes.io/credential-id"]
    assert credential.startswith("X509SHA256=")


async def test_a_token_names_user_uid_and_groups(cluster: Cluster) -> None:
    found = await who(cluster, token=ROBOT_TOKEN)

    assert (found["username"], found["uid"]) == ("robot", "42")
    assert found["groups"] == ["system:masters", "system:authenticated"]


async def test_an_unknown_token_is_unauthorized(cluster: Cluster) -> None:
    response = await cluster.client(token="nonsense").get("/healthz")

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


async def test_without_credentials_one_is_anonymous(cluster: Cluster) -> None:
    status = (await cluster.client().get("/api/v1/nodes")).json()

    assert (status["code"], status["reason"]) == (403, "Forbidden")
    assert status["message"] == (
        'nodes is forbidden: User "system:anonymous" cannot list resource "nodes" in API group "" at the cluster scope'
    )


async def test_a_valid_token_is_reviewed_with_its_user(cluster: Cluster) -> None:
    found = await review(cluster, TOKEN_REVIEWS, {"token": READER_TOKEN})

    assert found["authenticated"] is True
    assert (found["user"]["username"], found["user"]["uid"]) == ("reader", "43")
    assert found["user"]["groups"] == ["readers", "system:authenticated"]


@pytest.mark.parametrize(
    ("audiences", "authenticated"),
    [(["somebody-else"], False), (["somebody-else", AUDIENCE], True), ([AUDIENCE], True)],
)
async def test_a_token_is_valid_for_the_api_servers_audience_only(
    cluster: Cluster, audiences: list[str], *, authenticated: bool
) -> None:
    found = await review(cluster, TOKEN_REVIEWS, {"token": READER_TOKEN, "audiences": audiences})

    assert found.get("authenticated", False) is authenticated
    assert found.get("audiences", []) == ([AUDIENCE] if authenticated else [])


async def test_an_unknown_token_is_reviewed_with_an_error(cluster: Cluster) -> None:
    found = await review(cluster, TOKEN_REVIEWS, {"token": "nonsense"})

    assert not found.get("authenticated")
    assert "invalid bearer token" in found["error"]
    assert found["user"] == {}


@pytest.mark.parametrize(
    ("path", "anonymous", "authenticated"),
    [
        ("/healthz", True, True),
        ("/livez", True, True),
        ("/readyz", True, True),
        ("/version", True, True),
        ("/api", False, True),
        ("/apis", False, True),
        (f"/apis/{GROUP}/v1beta1", False, True),
        ("/openapi/v2", False, True),
        ("/openapi/v3", False, True),
        ("/metrics", False, False),
    ],
)
async def test_what_everybody_may_read(cluster: Cluster, path: str, *, anonymous: bool, authenticated: bool) -> None:
    wanted = {"path": path, "verb": "get"}
    users = (
        {"user": "system:anonymous", "groups": ["system:unauthenticated"]},
        {"user": "somebody", "groups": ["system:authenticated"]},
    )
    found = [
        (await review(cluster, ACCESS_REVIEWS, {**user, "nonResourceAttributes": wanted}))["allowed"] for user in users
    ]

    assert found == [anonymous, authenticated]


async def test_masters_may_do_everything(cluster: Cluster) -> None:
    wanted = {"verb": "delete", "group": "any.example.com", "resource": "things"}
    spec = {"user": "root", "groups": ["system:masters"], "resourceAttributes": wanted}

    assert (await review(cluster, ACCESS_REVIEWS, spec))["allowed"] is True


async def test_a_role_that_is_bound_allows_and_says_so_and_no_more(cluster: Cluster) -> None:
    rule = {"apiGroups": [GROUP], "resources": ["pods"], "verbs": ["list"]}
    await cluster.create(ROLES, {"metadata": {"name": "contract-lister"}, "rules": [rule]})
    subject = {"kind": "User", "apiGroup": RBAC, "name": "carol"}
    reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "contract-lister"}
    await cluster.create(
        BINDINGS, {"metadata": {"name": "contract-carol"}, "subjects": [subject], "roleRef": reference}
    )

    async def may(verb: str) -> Any:
        wanted = {"verb": verb, "group": GROUP, "resource": "pods", "namespace": "default"}
        return await review(cluster, ACCESS_REVIEWS, {"user": "carol", "resourceAttributes": wanted})

    allowed = await cluster.eventually(lambda: may("list"), lambda each: each["allowed"])
    denied = await may("get")

    assert allowed["reason"] == (
        'RBAC: allowed by ClusterRoleBinding "contract-carol" of ClusterRole "contract-lister" to User "carol"'
    )
    assert (denied["allowed"], denied.get("reason", "")) == (False, "")


async def test_roles_with_the_label_become_part_of_view(cluster: Cluster) -> None:
    labels = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
    rule = {"apiGroups": [GROUP], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]}
    await cluster.create(ROLES, {"metadata": {"name": "contract-aggregated", "labels": labels}, "rules": [rule]})
    subject = {"kind": "User", "apiGroup": RBAC, "name": "dave"}
    reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "view"}
    await cluster.create(BINDINGS, {"metadata": {"name": "contract-dave"}, "subjects": [subject], "roleRef": reference})
    wanted = {"verb": "list", "group": GROUP, "resource": "nodes"}
    spec = {"user": "dave", "resourceAttributes": wanted}

    # kube-controller-manager writes the rules into the role, and does not run beside every backend.
    if cluster.backend.place.aggregates_roles:
        assert (await review(cluster, ACCESS_REVIEWS, spec))["allowed"] is True
    else:
        pytest.skip("needs kube-controller-manager, which aggregates cluster roles")


async def test_one_may_ask_about_oneself(cluster: Cluster) -> None:
    wanted = {"verb": "list", "group": GROUP, "resource": "nodes"}
    own = await review(cluster, OWN_ACCESS_REVIEWS, {"resourceAttributes": wanted}, token=READER_TOKEN)
    master = await review(cluster, OWN_ACCESS_REVIEWS, {"resourceAttributes": wanted}, token=ROBOT_TOKEN)

    assert (own["allowed"], master["allowed"]) == (False, True)


async def test_reviews_of_others_are_for_those_who_may(cluster: Cluster) -> None:
    spec = {"user": "x", "nonResourceAttributes": {"path": "/", "verb": "get"}}
    response = await cluster.client(token=READER_TOKEN).post(
        ACCESS_REVIEWS,
        json={"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec},
    )

    assert response.status_code == 403


async def test_impersonation_needs_its_permission(cluster: Cluster) -> None:
    headers = {"Impersonate-User": "bob"}
    refused = await cluster.client(token=READER_TOKEN).get(NODES, headers=headers)
    acting = await cluster.admin.get("/api/v1/nodes", headers=headers)

    assert refused.status_code == 403
    assert refused.json()["message"] == (
        'nodes.metrics.k8s.io is forbidden: User "reader" cannot impersonate-on:user-info:list resource "nodes" in API'
        ' group "metrics.k8s.io" at the cluster scope'
    )
    assert 'User "bob" cannot list resource "nodes"' in acting.json()["message"]


LEGACY_RULES = [{"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"], "resourceNames": ["bob"]}]
CONSTRAINED_RULES = [
    {"apiGroups": [""], "resources": ["nodes"], "verbs": ["impersonate-on:user-info:list"]},
    {"apiGroups": ["authentication.k8s.io"], "resources": ["users"], "verbs": ["impersonate:user-info"]},
]


@pytest.mark.parametrize(
    ("rules", "others"), [(LEGACY_RULES, True), (CONSTRAINED_RULES, False)], ids=["legacy", "constrained"]
)
async def test_there_are_two_ways_to_be_allowed_to_impersonate(
    cluster: Cluster, rules: list[dict[str, Any]], *, others: bool
) -> None:
    await cluster.create(ROLES, {"metadata": {"name": "contract-actor"}, "rules": rules})
    subject = {"kind": "User", "apiGroup": RBAC, "name": READER.name}
    reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "contract-actor"}
    binding = {"metadata": {"name": "contract-actor"}, "subjects": [subject], "roleRef": reference}
    await cluster.create(BINDINGS, binding)
    reader = cluster.client(token=READER_TOKEN)

    async def said(path: str, **headers: str) -> str:
        return str((await reader.get(path, headers={"Impersonate-User": "bob", **headers})).json()["message"])

    await cluster.eventually(lambda: said("/api/v1/nodes"), lambda message: 'User "bob" cannot list' in message)

    # A constrained permission is for what is done as well; none of them is for a group.
    assert ('User "bob" cannot list' in await said("/api/v1/pods")) is others
    assert "cannot impersonate" in await said("/api/v1/nodes", **{"Impersonate-Group": "system:masters"})


async def test_an_impersonated_node_and_service_account_have_the_groups_of_their_kind(cluster: Cluster) -> None:
    async def groups(name: str) -> Any:
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        response = await actor.post(SELF_REVIEWS, json=review, headers={"Impersonate-User": name})
        return response.json()["status"]["userInfo"]["groups"]

    actor = cluster.client(token=ACTOR_TOKEN)
    assert await groups("system:node:n1") == ["system:nodes", "system:authenticated"]
    assert await groups("system:serviceaccount:shop:web") == [
        "system:serviceaccounts",
        "system:serviceaccounts:shop",
        "system:authenticated",
    ]


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        ("Impersonate-Group", 'Name:"", UID:"", Groups:[]string{"x"}, Extra:map[string][]string(nil)'),
        ("Impersonate-Uid", 'Name:"", UID:"x", Groups:[]string(nil), Extra:map[string][]string(nil)'),
        (
            "Impersonate-Extra-Team",
            'Name:"", UID:"", Groups:[]string(nil), Extra:map[string][]string{"team":[]string{"x"}}',
        ),
    ],
)
async def test_impersonating_nobody_in_particular_is_a_bad_request(cluster: Cluster, header: str, shown: str) -> None:
    response = await cluster.admin.get("/api/v1/nodes", headers={header: "x"})

    assert (response.status_code, response.json()["reason"]) == (400, "BadRequest")
    assert response.json()["message"] == f"requested &user.DefaultInfo{{{shown}}} without impersonating a user name"


async def test_authorization_comes_before_the_question_whether_it_exists(cluster: Cluster) -> None:
    response = await cluster.client(token=READER_TOKEN).get("/api/v1/namespaces/default/unicorns/u")

    assert response.status_code == 403
