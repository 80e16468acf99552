from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from metrics_api.auth.access import Attributes, Authorizer
from metrics_api.auth.identity import User
from metrics_api.auth.reviews import Reviewer
from metrics_api.errors import KubeStatusError
from tests.auth.fakes import FakeReviews
from tests.fakes import FakeClock

ALICE = User("alice", "u1", ("dev", "system:authenticated"), (("scopes", ("a",)),))
GROUP = {"group": "metrics.k8s.io", "version": "v1beta1"}


class Bench:
    def __init__(self, allowed: float = 10, denied: float = 10) -> None:
        self.clock = FakeClock()
        self.kube = FakeReviews()
        reviewer = Reviewer(self.kube, self.clock)
        self.authorizer = Authorizer(reviewer, self.clock, allowed_lifetime=allowed, denied_lifetime=denied)


def resource(verb: str, **fields: str) -> Attributes:
    return Attributes(verb=verb, path="/x", **GROUP, **fields)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        pytest.param(
            resource("list", resource="nodes"),
            {"resourceAttributes": {"verb": "list", **GROUP, "resource": "nodes"}},
            id="list nodes",
        ),
        pytest.param(
            resource("get", resource="pods", namespace="web", name="a"),
            {"resourceAttributes": {"namespace": "web", "verb": "get", **GROUP, "resource": "pods", "name": "a"}},
            id="get a pod",
        ),
        pytest.param(
            resource("list", resource="pods", namespace="web"),
            {"resourceAttributes": {"namespace": "web", "verb": "list", **GROUP, "resource": "pods"}},
            id="list pods of a namespace",
        ),
        pytest.param(
            Attributes(verb="get", path="/metrics"),
            {"nonResourceAttributes": {"path": "/metrics", "verb": "get"}},
            id="another path",
        ),
    ],
)
async def test_exactly_what_is_asked_is_reviewed(attributes: Attributes, expected: dict[str, Any]) -> None:
    bench = Bench()
    await bench.authorizer.authorize(ALICE, attributes)

    path, review = bench.kube.posted[0]
    assert path == "/apis/authorization.k8s.io/v1/subjectaccessreviews?timeout=10s"
    assert review == {
        "kind": "SubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {},
        "spec": {
            "user": "alice",
            "uid": "u1",
            "groups": ["dev", "system:authenticated"],
            "extra": {"scopes": ["a"]},
            **expected,
        },
    }


FIELDS, LABELS = "metadata.name!=b,metadata.namespace=web", "app in (b,a),tier!=db,!x,y,n>1"
READ = {
    "fieldSelector": {
        "requirements": [
            {"key": "metadata.name", "operator": "NotIn", "values": ["b"]},
            {"key": "metadata.namespace", "operator": "In", "values": ["web"]},
        ]
    },
    "labelSelector": {
        "requirements": [
            {"key": "app", "operator": "In", "values": ["a", "b"]},
            {"key": "tier", "operator": "NotIn", "values": ["db"]},
            {"key": "x", "operator": "DoesNotExist"},
            {"key": "y", "operator": "Exists"},
        ]
    },
}


async def test_who_may_not_list_all_may_be_allowed_to_list_what_is_selected() -> None:
    bench = Bench()
    asked = resource("list", resource="pods", field_selector=FIELDS, label_selector=LABELS)
    bench.kube.allows = lambda spec: "labelSelector" in spec["resourceAttributes"]

    decisions = [await bench.authorizer.authorize(ALICE, asked) for _ in "12"]

    all_pods = {"verb": "list", **GROUP, "resource": "pods"}
    assert [decision.allowed for decision in decisions] == [True, True]
    assert [spec["resourceAttributes"] for spec in bench.kube.specs] == [all_pods, {**all_pods, **READ}]
    remembered = bench.authorizer.remembered(ALICE, asked)
    assert remembered is not None
    assert remembered.allowed
    assert bench.authorizer.remembered(ALICE, resource("list", resource="pods", label_selector="app=c")) is None


async def test_who_may_list_all_is_asked_for_once_whatever_is_selected() -> None:
    bench = Bench()
    bench.kube.allowed.add(("alice", "list"))

    for number in range(5):
        asked = resource("list", resource="pods", label_selector=f"app=a{number}")
        assert (await bench.authorizer.authorize(ALICE, asked)).allowed

    assert len(bench.kube.posted) == 1
    assert bench.authorizer.remembered(ALICE, resource("list", resource="pods", label_selector="app=b"))


@pytest.mark.parametrize("selectors", [{"label_selector": "a=("}, {"field_selector": "a"}, {"field_selector": "=x"}])
async def test_a_selector_that_a_review_would_not_take_is_left_out(selectors: dict[str, str]) -> None:
    bench = Bench()

    assert not (await bench.authorizer.authorize(ALICE, resource("list", resource="pods", **selectors))).allowed
    assert [spec["resourceAttributes"] for spec in bench.kube.specs] == [{"verb": "list", **GROUP, "resource": "pods"}]


async def test_masters_are_allowed_without_asking() -> None:
    bench = Bench()
    root = User("root", groups=("system:masters",))

    assert (await bench.authorizer.authorize(root, resource("list", resource="nodes"))).allowed
    assert bench.kube.posted == []


@pytest.mark.parametrize(("verb", "seconds"), [("get", 7), ("list", 3)])
async def test_yes_and_no_are_remembered_for_their_own_times(verb: str, seconds: float) -> None:
    bench = Bench(allowed=7, denied=3)
    bench.kube.allowed.add(("alice", "get"))
    asked = resource(verb, resource="nodes")
    for _ in range(3):
        assert (await bench.authorizer.authorize(ALICE, asked)).allowed is (verb == "get")
    assert len(bench.kube.posted) == 1

    await bench.clock.advance(seconds)
    await bench.authorizer.authorize(ALICE, asked)

    assert len(bench.kube.posted) == 2


async def test_another_group_membership_is_another_question() -> None:
    bench = Bench()
    await bench.authorizer.authorize(User("alice"), resource("get", resource="nodes"))
    await bench.authorizer.authorize(User("alice", groups=("dev",)), resource("get", resource="nodes"))

    assert len(bench.kube.posted) == 2


async def test_the_reason_of_a_refusal_is_kept() -> None:
    bench = Bench()
    bench.kube.reason = "no RBAC policy matched"

    decision = await bench.authorizer.authorize(ALICE, resource("get", resource="nodes"))

    assert not decision.allowed
    assert decision.reason == "no RBAC policy matched"


async def test_what_is_denied_is_not_allowed_even_if_both_are_said() -> None:
    bench = Bench()
    bench.kube.answer = b'{"status":{"allowed":true,"denied":true}}'

    assert not (await bench.authorizer.authorize(ALICE, resource("get", resource="nodes"))).allowed


async def test_an_api_server_that_is_away_allows_nothing() -> None:
    bench = Bench()
    bench.kube.errors = [KubeStatusError(503, "", "away")] * 5
    decision = asyncio.create_task(bench.authorizer.authorize(ALICE, resource("get", resource="nodes")))
    await bench.clock.advance(10)

    with pytest.raises(KubeStatusError):
        await decision


@pytest.mark.parametrize("field", ["path", "namespace", "name", "subresource", "resource", "group", "version"])
async def test_attributes_of_absurd_size_are_reviewed_but_not_remembered(field: str) -> None:
    bench = Bench()
    huge = msgspec.structs.replace(resource("get", resource="pods"), **{field: "x" * 20_000})

    await bench.authorizer.authorize(ALICE, huge)
    await bench.authorizer.authorize(ALICE, huge)

    assert len(bench.kube.posted) == 2
    assert len(bench.authorizer.cache) == 0
