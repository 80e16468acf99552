"""Asking: bounded, read only, and never a crash for what is refused or strange."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from metrics_api.clock import SystemClock
from metrics_api.doctor.facts import Right, Unknown
from metrics_api.doctor.findings import Severity
from metrics_api.doctor.gathering import Target, gather
from metrics_api.doctor.inside import DIRECT, Inside
from metrics_api.doctor.judging import judge
from metrics_api.doctor.looking import Looking
from metrics_api.doctor.objects import Node, ServiceReference
from metrics_api.doctor.single import HpaFacts, gather_hpa
from metrics_api.errors import KubeStatusError, KubeUnreachableError

V1BETA1 = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io"


class FakeKube:
    """Answers paths with what it was given, and 404 otherwise; notes what it was asked."""

    def __init__(self, answers: dict[str, object], *, otherwise: int = 404) -> None:
        self._answers = answers
        self._otherwise = otherwise
        self.asked: list[tuple[str, tuple[tuple[str, str], ...]]] = []
        self.posted: list[tuple[str, dict[str, object]]] = []

    async def get(
        self,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        timeout: float = 30.0,  # noqa: ASYNC109 - as the Protocol
    ) -> bytes:
        self.asked.append((path, tuple(query)))
        continued = dict(query).get("continue")
        answer = self._answers.get(f"{path}?{continued}" if continued else path)
        if answer is None:
            raise KubeStatusError(self._otherwise, "", f"GET {path}: no")
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, bytes) else msgspec.json.encode(answer)

    async def post(self, path: str, body: bytes, *, timeout: float = 10.0) -> bytes:  # noqa: ASYNC109 - as above
        self.posted.append((path, msgspec.json.decode(body)))
        return b'{"status": {"allowed": true}}'


def looking(answers: dict[str, object], *, otherwise: int = 404) -> tuple[Looking, FakeKube]:
    kube = FakeKube(answers, otherwise=otherwise)
    return Looking(kube, 10.0), kube


def node(name: str) -> dict[str, object]:
    return {"metadata": {"name": name}}


async def test_lists_are_read_page_by_page_and_no_further_than_allowed() -> None:
    pages: dict[str, object] = {
        "/api/v1/nodes": {"items": [node("a"), node("b")], "metadata": {"continue": "x"}},
        "/api/v1/nodes?x": {"items": [node("c"), node("d")], "metadata": {"continue": "y"}},
    }
    asking, kube = looking(pages)
    found = await asking.many("/api/v1/nodes", Node, most=3)
    assert not isinstance(found, Unknown)
    assert ([each.metadata.name for each in found[0]], found[1]) == (["a", "b", "c"], True)
    assert kube.asked[0] == ("/api/v1/nodes", (("limit", "3"),))
    assert len(kube.asked) == 2


async def test_a_list_without_end_is_given_up() -> None:
    endless = {"items": [], "metadata": {"continue": "x"}}
    asking, kube = looking({"/api/v1/nodes": endless, "/api/v1/nodes?x": endless})
    found = await asking.many("/api/v1/nodes", Node)
    assert isinstance(found, Unknown)
    assert "no end after 20 pages" in found.why
    assert len(kube.asked) == 20


async def test_reports_without_end_are_given_up() -> None:
    endless = {"total": 0, "items": [], "continued": "x"}
    asking, kube = looking({"/debug/nodes": endless, "/debug/nodes?x": endless})
    assert isinstance(await Inside(asking, DIRECT).unwell_nodes(), Unknown)
    assert len(kube.asked) == 20


async def test_all_further_pages_of_a_list_have_the_time_of_one_request() -> None:
    class Slow(FakeKube):
        async def get(self, path: str, *, query: Sequence[tuple[str, str]] = (), timeout: float = 30.0) -> bytes:  # noqa: ASYNC109
            if dict(query).get("continue"):
                await asyncio.Event().wait()
            return await super().get(path, query=query, timeout=timeout)

    kube = Slow({"/api/v1/nodes": {"items": [node("a")], "metadata": {"continue": "x"}}})
    found = await Looking(kube, 0.01).many("/api/v1/nodes", Node)
    assert isinstance(found, Unknown)
    assert "took more than 0.01 s" in found.why


async def test_an_object_that_cannot_be_understood_costs_itself_only() -> None:
    asking, _ = looking({"/api/v1/nodes": {"items": [node("a"), {"metadata": 7}, None], "metadata": {}}})
    found = await asking.many("/api/v1/nodes", Node)
    assert not isinstance(found, Unknown)
    assert [each.metadata.name for each in found[0]] == ["a"]


@pytest.mark.parametrize("answer", [b"<html>", b"[" * 100_000, b"null", KubeUnreachableError("no answer in time")])
async def test_what_is_no_answer_is_not_known(answer: object) -> None:
    asking, _ = looking({"/api/v1/nodes/a": answer})
    assert isinstance(await asking.one("/api/v1/nodes/a", Node), Unknown)


async def test_rights_are_asked_for_the_service_account_with_its_groups() -> None:
    asking, kube = looking({})
    assert await asking.may(Right("get", "nodes/stats"), ("kube-system", "m")) is True
    path, review = kube.posted[0]
    assert path == "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    assert review["spec"] == {
        "resourceAttributes": {"verb": "get", "resource": "nodes", "subresource": "stats"},
        "user": "system:serviceaccount:kube-system:m",
        "groups": ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"],
    }


async def test_with_no_rights_at_all_nothing_crashes_and_nothing_is_claimed() -> None:
    asking, _ = looking({}, otherwise=403)
    facts = await gather(asking, Target(), Inside(asking), SystemClock())
    assert {finding.severity for finding in judge(facts)} == {Severity.INFO}


async def test_the_service_is_the_one_that_the_apiservice_names_unless_another_is_asked_for() -> None:
    reference = {"namespace": "monitoring", "name": "adapter", "port": 443}
    asking, kube = looking({V1BETA1: {"spec": {"service": reference}}})
    found = await gather(asking, Target(), Inside(asking), SystemClock())
    assert found.target == ServiceReference("monitoring", "adapter", 443)
    assert ("/api/v1/namespaces/monitoring/services/adapter", ()) in kube.asked
    named = await gather(asking, Target(service="metrics-server"), Inside(asking), SystemClock())
    assert named.target == ServiceReference("kube-system", "metrics-server", 443)
    assert named.named_target


async def test_what_nodes_use_is_read_with_which_of_them_have_metrics() -> None:
    used = {"usage": {"cpu": "1", "memory": "3Gi"}}
    asking, _ = looking(
        {
            V1BETA1: {"spec": {}},
            "/apis/metrics.k8s.io/v1beta1": {},
            "/apis/metrics.k8s.io/v1beta1/nodes": {"items": [{**node("a"), **used}, node("b")]},
        }
    )
    found = await gather(asking, Target(), Inside(asking), SystemClock())
    assert (found.nodes_with_metrics, found.node_memory) == (frozenset(("a", "b")), {"a": 3 << 30})


async def test_only_reviews_are_ever_sent() -> None:
    asking, kube = looking({V1BETA1: {"spec": {}}})
    await gather(asking, Target(), Inside(asking), SystemClock(), installing=True)
    assert {path for path, _ in kube.posted} == {
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    }


async def test_the_pods_of_an_autoscaler_are_those_of_its_target() -> None:
    root = "/apis/metrics.k8s.io/v1/namespaces/shop/pods"
    running = {"status": {"phase": "Running"}}
    asking, kube = looking(
        {
            "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/web": {
                "metadata": {"name": "web", "namespace": "shop"},
                "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}},
            },
            "/apis/apps/v1/namespaces/shop/deployments/web": {
                "spec": {
                    "selector": {
                        "matchLabels": {"app": "web"},
                        "matchExpressions": [{"key": "tier", "operator": "In", "values": ["a", "b"]}],
                    }
                }
            },
            "/api/v1/namespaces/shop/pods": {"items": [{**node("web-1"), **running}, {**node("web-2"), **running}]},
            "/apis/metrics.k8s.io": {"preferredVersion": {"version": "v1"}},
            root: {"items": [node("web-1")]},
            f"{root}/web-2": KubeStatusError(404, "NotFound", 'GET: podmetrics "shop/web-2" not found: it is new'),
        }
    )
    found = await gather_hpa(asking, "shop", "web")
    assert isinstance(found, HpaFacts)
    assert (found.served, found.reasons) == (frozenset(("web-1",)), {"web-2": "it is new"})
    assert (root, (("labelSelector", "app=web,tier in (a,b)"), ("limit", "500"))) in kube.asked
