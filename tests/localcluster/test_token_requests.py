"""Tokens that end, and tokens that are bound to an object; the rest is in the contract suite."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from metrics_api.localcluster.apiserver import ApiServer
from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.resources import NODES, PODS, SECRETS, SERVICE_ACCOUNTS
from metrics_api.timetext import format_rfc3339
from tests.fakes import FakeClock
from tests.localcluster.conftest import Connect
from tests.localcluster.test_formats import node, pod

TOKENS = "/api/v1/namespaces/default/serviceaccounts/robot/token"
WHOAMI = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
POD = {"kind": "Pod", "apiVersion": "v1", "name": "web"}


@pytest.fixture(autouse=True)
def account(server: ApiServer, objects: ObjectStore) -> Any:
    return objects.create(SERVICE_ACCOUNTS, {"metadata": {"name": "robot", "namespace": "default"}})


@pytest.fixture
def web(objects: ObjectStore) -> Any:
    """A pod of that service account, on a node."""
    objects.create(NODES, node("n1"))
    made = pod("web")
    made["spec"]["serviceAccountName"] = "robot"
    return objects.create(PODS, made)


async def ask(admin: httpx.AsyncClient, **spec: Any) -> Any:
    response = await admin.post(TOKENS, json={"spec": spec})
    assert response.status_code == 201, response.text
    return response.json()["status"]


async def test_a_token_is_accepted_up_to_its_end(admin: httpx.AsyncClient, connect: Connect, clock: FakeClock) -> None:
    issued = await ask(admin, expirationSeconds=600)
    client = connect(token=issued["token"])

    assert issued["expirationTimestamp"] == format_rfc3339(clock.now() + 600)
    await clock.advance(599)
    assert (await client.get("/healthz")).status_code == 200
    await clock.advance(1)
    assert (await client.get("/healthz")).status_code == 401
    await ask(admin)  # lets the ended one go
    assert (await client.get("/healthz")).status_code == 401


async def test_a_bound_token_names_the_pod_and_its_node(
    admin: httpx.AsyncClient, connect: Connect, objects: ObjectStore, web: Any
) -> None:
    token = (await ask(admin, boundObjectRef=POD))["token"]
    extra = (await connect(token=token).post(WHOAMI, json={})).json()["status"]["userInfo"]["extra"]

    on = objects.find(NODES, "", "n1")
    assert on is not None
    assert extra["authentication.kubernetes.io/pod-name"] == ["web"]
    assert extra["authentication.kubernetes.io/pod-uid"] == [web["metadata"]["uid"]]
    assert extra["authentication.kubernetes.io/node-name"] == ["n1"]
    assert extra["authentication.kubernetes.io/node-uid"] == [on.uid]


async def test_a_bound_token_ends_with_its_object(
    admin: httpx.AsyncClient, connect: Connect, objects: ObjectStore
) -> None:
    secret = {"metadata": {"name": "held", "namespace": "default"}}
    objects.create(SECRETS, secret)
    reference = {"kind": "Secret", "apiVersion": "v1", "name": "held"}
    client = connect(token=(await ask(admin, boundObjectRef=reference))["token"])

    before = await client.get("/healthz")
    objects.delete(SECRETS, "default", "held")
    after = await client.get("/healthz")
    objects.create(SECRETS, secret)  # another life of the name
    again = await client.get("/healthz")

    assert [before.status_code, after.status_code, again.status_code] == [200, 401, 401]


@pytest.mark.parametrize(
    ("reference", "code", "message"),
    [
        ({**POD, "name": "absent"}, 404, 'pods "absent" not found'),
        (
            {**POD, "name": "another"},
            400,
            'cannot bind token for serviceaccount "robot" to pod running with different serviceaccount name.',
        ),
        (
            {**POD, "uid": "old"},
            409,
            'Operation cannot be fulfilled on Pod "web": the UID in the bound object reference (old) does not match '
            "the UID in record. The object might have been deleted and then recreated",
        ),
        (
            {"kind": "Deployment", "apiVersion": "apps/v1", "name": "web"},
            400,
            "cannot bind token to object of type apps/v1, Kind=Deployment",
        ),
        ({"kind": "Service", "apiVersion": "v1"}, 400, "cannot bind token to object of type /v1, Kind=Service"),
    ],
    ids=["absent", "another account's", "another life", "another group", "another kind"],
)
async def test_what_a_token_cannot_be_bound_to_is_said(
    admin: httpx.AsyncClient, objects: ObjectStore, web: Any, reference: dict[str, str], code: int, message: str
) -> None:
    objects.create(PODS, pod("another"))
    response = await admin.post(TOKENS, json={"spec": {"boundObjectRef": reference}})

    assert (response.status_code, response.json()["message"]) == (code, message)


async def test_aggregated_discovery_has_the_subresource_with_its_own_kind(admin: httpx.AsyncClient) -> None:
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    [item] = (await admin.get("/api", headers={"Accept": accept})).json()["items"]
    [accounts] = [each for each in item["versions"][0]["resources"] if each["resource"] == "serviceaccounts"]

    assert accounts["subresources"] == [
        {
            "subresource": "token",
            "responseKind": {"group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest"},
            "verbs": ["create"],
        }
    ]
