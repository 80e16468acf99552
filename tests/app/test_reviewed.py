"""What kube-apiserver is asked before a request is answered: the whole way from the request line to the review."""

from __future__ import annotations

from typing import Any

import pytest

from metrics_api.auth.access import Authorizer
from metrics_api.auth.authentication import Authenticator
from metrics_api.auth.gate import Gate
from metrics_api.auth.peers import PeerJudge
from metrics_api.auth.reviews import Reviewer
from metrics_api.auth.tokens import TokenAuthenticator
from metrics_api.auth.trust import Trust
from metrics_api.clock import SystemClock
from tests.api.views import connect, make_api
from tests.auth.fakes import FakeReviews

GROUP = "/apis/metrics.k8s.io/v1beta1"


def resource(verb: str, kind: str = "nodes", /, **more: Any) -> dict[str, Any]:
    attributes = {"verb": verb, "group": "metrics.k8s.io", "version": "v1beta1", "resource": kind, **more}
    return {"resourceAttributes": {key: value for key, value in attributes.items() if value}}


def path(verb: str, path: str) -> dict[str, Any]:
    return {"nonResourceAttributes": {"verb": verb, "path": path}}


def one(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"requirements": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("method", "target", "asked"),
    [
        ("GET", f"{GROUP}/nodes", resource("list")),
        ("GET", f"{GROUP}/nodes/", resource("list")),
        ("GET", f"{GROUP}/nodes/n1", resource("get", name="n1")),
        ("HEAD", f"{GROUP}/nodes/n1", resource("get", name="n1")),
        ("GET", f"{GROUP}/pods", resource("list", "pods")),
        ("GET", f"{GROUP}/namespaces/web/pods", resource("list", "pods", namespace="web")),
        ("GET", f"{GROUP}/namespaces/web/pods/p", resource("get", "pods", namespace="web", name="p")),
        (
            "GET",
            f"{GROUP}/namespaces/web/pods/p/log",
            resource("get", "pods", namespace="web", name="p", subresource="log"),
        ),
        ("GET", f"{GROUP}/nodes?watch=true", resource("watch")),
        ("GET", f"{GROUP}/nodes?watch=0", resource("list")),
        (
            "GET",
            f"{GROUP}/nodes?fieldSelector=metadata.name%3Dn1",
            resource("list", name="n1", fieldSelector=one("metadata.name", "In", "n1")),
        ),
        (
            "GET",
            f"{GROUP}/pods?labelSelector=app+in+(b,a)&watch=1",
            resource("watch", "pods", labelSelector=one("app", "In", "a", "b")),
        ),
        ("POST", f"{GROUP}/nodes", resource("create")),
        ("PUT", f"{GROUP}/nodes/n1", resource("update", name="n1")),
        ("PATCH", f"{GROUP}/nodes/n1", resource("patch", name="n1")),
        ("DELETE", f"{GROUP}/nodes/n1", resource("delete", name="n1")),
        ("DELETE", f"{GROUP}/nodes", resource("deletecollection")),
        ("GET", f"{GROUP}/nope", resource("list", "nope")),
        ("GET", "/apis/apps/v1/nodes", resource("list", group="apps", version="v1")),
        ("GET", "/api/v1/nodes/n1", resource("get", group="", version="v1", name="n1")),
        ("GET", "/api/v1", path("get", "/api/v1")),
        ("GET", GROUP, path("get", GROUP)),
        ("GET", "/apis", path("get", "/apis")),
        ("GET", "/metrics?x=y", path("get", "/metrics")),
        ("GET", "/livez/ping", path("get", "/livez/ping")),
        ("GET", "/a%20b", path("get", "/a b")),
        ("POST", "/version", path("post", "/version")),
        ("DELETE", "/nope", path("delete", "/nope")),
    ],
)
async def test_a_request_is_reviewed_as_what_it_is(method: str, target: str, asked: dict[str, Any]) -> None:
    kube, clock = FakeReviews(), SystemClock()
    judge, reviewer = PeerJudge(Trust()), Reviewer(kube, clock)
    kube.users["t"] = {"username": "carol", "uid": "u1", "groups": ["dev"], "extra": {"scopes": ["a"]}}
    gate = Gate(
        judge,
        Authenticator(judge, TokenAuthenticator(reviewer, clock, lifetime=10), clock),
        Authorizer(reviewer, clock, allowed_lifetime=10, denied_lifetime=10),
        peer_chain=lambda scope: scope.setdefault("state", {}).get("chain", ()),
        always_allowed=("/livez",),
    )
    async with connect(make_api(gate=gate)) as client:
        answer = await client.request(method, target, headers={"authorization": "Bearer t"})

    who = {"user": "carol", "uid": "u1", "groups": ["dev", "system:authenticated"], "extra": {"scopes": ["a"]}}
    assert answer.status_code == 403
    assert kube.specs[-1] == {**asked, **who}
