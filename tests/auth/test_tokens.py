from __future__ import annotations

import asyncio
import gc
import random

import pytest

from metrics_api.auth.identity import User
from metrics_api.auth.reviews import Reviewer
from metrics_api.auth.tokens import TokenAuthenticator
from metrics_api.errors import KubeError, KubeStatusError, KubeUnreachableError
from tests.auth.fakes import FakeReviews
from tests.fakes import FakeClock, settle

ALICE = {"username": "alice", "uid": "u1", "groups": ["dev"], "extra": {"scopes": ["b", "a"], "acme": ["x"]}}


class Bench:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.kube = FakeReviews()
        self.kube.users["good"] = ALICE
        self.tokens = TokenAuthenticator(Reviewer(self.kube, self.clock), self.clock, lifetime=10)


async def test_the_user_behind_a_good_token_is_found_whole() -> None:
    verdict = await Bench().tokens.authenticate("good")

    assert verdict.user == User(
        "alice", "u1", ("dev", "system:authenticated"), (("acme", ("x",)), ("scopes", ("b", "a")))
    )


async def test_no_audience_is_asked_for() -> None:
    bench = Bench()
    await bench.tokens.authenticate("good")

    assert bench.kube.posted == [
        (
            "/apis/authentication.k8s.io/v1/tokenreviews",
            {
                "kind": "TokenReview",
                "apiVersion": "authentication.k8s.io/v1",
                "metadata": {},
                "spec": {"token": "good"},
            },
        )
    ]


@pytest.mark.parametrize("token", ["good", "bad"])
async def test_a_verdict_is_remembered_for_ten_seconds_good_or_bad(token: str) -> None:
    bench = Bench()
    for _ in range(5):
        await bench.tokens.authenticate(token)
    assert len(bench.kube.posted) == 1

    await bench.clock.advance(10)
    await bench.tokens.authenticate(token)

    assert len(bench.kube.posted) == 2


async def test_equal_tokens_at_the_same_time_are_reviewed_once() -> None:
    bench = Bench()
    bench.kube.gate = asyncio.Event()
    waiting = [asyncio.create_task(bench.tokens.authenticate("good")) for _ in range(50)]
    await settle()
    bench.kube.gate.set()

    verdicts = await asyncio.gather(*waiting)

    assert {verdict.user.name for verdict in verdicts if verdict.user} == {"alice"}
    assert len(bench.kube.posted) == 1


@pytest.mark.parametrize(
    "error",
    [KubeUnreachableError("reset"), *(KubeStatusError(code, "", "") for code in (429, 500, 503, 504))],
    ids=str,
)
async def test_a_passing_failure_is_tried_again_with_growing_waits(error: KubeError) -> None:
    bench = Bench()
    bench.kube.errors = [error] * 4
    verdict = asyncio.create_task(bench.tokens.authenticate("good"))
    await bench.clock.advance(10)

    assert (await verdict).user is not None
    assert [round(wait, 1) for wait in bench.clock.sleeps] == pytest.approx([0.55, 0.8, 1.2, 1.8], rel=0.15)


async def test_a_lasting_failure_is_an_error_and_is_not_remembered() -> None:
    bench = Bench()
    bench.kube.errors = [KubeUnreachableError("away")] * 5
    verdict = asyncio.create_task(bench.tokens.authenticate("good"))
    await bench.clock.advance(10)

    with pytest.raises(KubeUnreachableError):
        await verdict
    assert (await bench.tokens.authenticate("good")).user is not None


class Slow:
    """Answers 503 after a while, where its client waits for so long."""

    def __init__(self, clock: FakeClock, seconds: float) -> None:
        self.clock, self.seconds = clock, seconds
        self.patience: list[float] = []

    async def post(self, path: str, body: bytes, *, timeout: float) -> bytes:  # noqa: ASYNC109 - the protocol's
        self.patience.append(timeout)
        await self.clock.sleep(min(self.seconds, timeout))
        if timeout < self.seconds:
            raise KubeUnreachableError("no answer in time")
        raise KubeStatusError(503, "", "")


@pytest.mark.parametrize(("seconds", "tries"), [(60, 1), (9.9, 1), (6, 2), (3, 3)])
async def test_all_tries_together_take_ten_seconds_at_most(seconds: float, tries: int) -> None:
    clock = FakeClock()
    slow = Slow(clock, seconds)
    tokens = TokenAuthenticator(Reviewer(slow, clock, random.Random(1)), clock, lifetime=10)
    verdict = asyncio.create_task(tokens.authenticate("good"))
    await clock.advance(10)

    assert verdict.done()
    assert verdict.exception() is not None
    assert len(slow.patience) == tries
    assert all(timeout <= 10 for timeout in slow.patience)
    assert slow.patience[-1] + sum(clock.sleeps[:-1]) == pytest.approx(10)


async def test_a_refusal_is_not_tried_again() -> None:
    bench = Bench()
    bench.kube.errors = [KubeStatusError(403, "Forbidden", "no")]

    with pytest.raises(KubeStatusError):
        await bench.tokens.authenticate("good")
    assert bench.clock.sleeps == []


@pytest.mark.parametrize(
    "answer",
    [b"", b"[]", b'{"status":{"authenticated":"yes"}}', b'{"status":{"authenticated":true,"user":{"groups":{}}}}'],
)
async def test_an_answer_that_is_no_review_accepts_nobody(answer: bytes) -> None:
    bench = Bench()
    bench.kube.answer = answer

    with pytest.raises(KubeError, match="no review"):
        await bench.tokens.authenticate("good")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"{}", id="no status"),
        pytest.param(b'{"status":{"authenticated":true}}', id="no user"),
        pytest.param(b'{"status":{"authenticated":true,"user":{"username":""}}}', id="no name"),
        pytest.param(b'{"status":{"user":{"username":"eve"}}}', id="not authenticated"),
    ],
)
async def test_a_review_without_a_clear_yes_and_a_name_accepts_nobody(answer: bytes) -> None:
    bench = Bench()
    bench.kube.answer = answer

    assert (await bench.tokens.authenticate("good")).user is None


async def test_no_token_stays_in_memory() -> None:
    bench = Bench()
    secret = "a-very-secret-" + "token"
    await bench.tokens.authenticate(secret)
    bench.kube.posted.clear()
    gc.collect()

    kept = bench.tokens.cache._answers
    assert len(kept) == 1
    assert all(secret.encode() not in key and secret not in str(value) for key, value in kept.items())
