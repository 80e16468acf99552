from __future__ import annotations

import asyncio
from typing import Any

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


async def test_attributes_of_absurd_size_are_reviewed_but_not_remembered() -> None:
    bench = Bench()
    huge = resource("get", resource="pods", namespace="web", name="x" * 20_000)

    await bench.authorizer.authorize(ALICE, huge)
    await bench.authorizer.authorize(ALICE, huge)

    assert len(bench.kube.posted) == 2
