"""A kube-apiserver that is away, slow, or there every other moment: nobody gets more than was allowed."""

from __future__ import annotations

import asyncio
import random

import pytest

from metrics_api.auth.access import Authorizer
from metrics_api.auth.authentication import Authenticator
from metrics_api.auth.gate import Gate
from metrics_api.auth.peers import PeerJudge
from metrics_api.auth.reviews import TRIES, Reviewer
from metrics_api.auth.tokens import TokenAuthenticator
from metrics_api.auth.trust import Trust
from metrics_api.errors import KubeError, KubeStatusError, KubeUnreachableError, StatusError
from tests.auth.fakes import FakeReviews
from tests.auth.test_gate import Requested
from tests.fakes import FakeClock, settle

GOOD, BAD, POOR = "good", "bad", "poor"
AWAY = KubeUnreachableError("away")


class Cluster:
    """carol (token ``good``) may list, dave (token ``poor``) may not, nobody knows the token ``bad``."""

    def __init__(self) -> None:
        self.kube, self.clock = FakeReviews(), FakeClock()
        self.kube.users = {GOOD: {"username": "carol"}, POOR: {"username": "dave"}}
        self.kube.allowed.add(("carol", "list"))
        judge, reviewer = PeerJudge(Trust()), Reviewer(self.kube, self.clock, random.Random(1))
        self.gate = Gate(
            judge,
            Authenticator(judge, TokenAuthenticator(reviewer, self.clock, lifetime=10), self.clock),
            Authorizer(reviewer, self.clock, allowed_lifetime=10, denied_lifetime=10),
            peer_chain=lambda scope: scope["state"]["chain"],
            always_allowed=("/livez",),
        )

    async def _ask(self, token: str) -> int:
        headers = [(b"authorization", b"Bearer " + token.encode())]
        try:
            await self.gate({"headers": headers, "state": {"chain": ()}}, Requested())
        except StatusError as error:
            return error.code
        except KubeError:
            return 500
        return 200

    def ask(self, token: str) -> asyncio.Task[int]:
        return asyncio.create_task(self._ask(token))

    async def answer(self, token: str) -> int:
        """Let time pass until there is an answer."""
        task = self.ask(token)
        while not task.done():
            await self.clock.advance(0.5)
        return task.result()


async def test_what_is_known_holds_for_its_time_and_then_nothing_passes() -> None:
    cluster = Cluster()
    assert [await cluster.answer(token) for token in (GOOD, BAD, POOR)] == [200, 401, 403]
    cluster.kube.errors = [AWAY] * 1000
    assert [await cluster.answer(token) for token in (GOOD, BAD, POOR)] == [200, 401, 403]
    await cluster.clock.advance(11)
    assert [await cluster.answer(token) for token in (GOOD, BAD, POOR)] == [401, 401, 401]
    cluster.kube.errors.clear()
    assert [await cluster.answer(token) for token in (GOOD, BAD, POOR)] == [200, 401, 403]


async def test_a_known_user_whose_access_cannot_be_reviewed_gets_an_error() -> None:
    cluster = Cluster()
    assert await cluster.answer(GOOD) == 200
    cluster.kube.errors = [AWAY] * TRIES
    task = asyncio.create_task(cluster.gate(_scope(GOOD), Requested("get", name="x")))
    while not task.done():
        await cluster.clock.advance(0.5)
    assert isinstance(task.exception(), KubeError)


def _scope(token: str) -> dict[str, object]:
    return {"headers": [(b"authorization", b"Bearer " + token.encode())], "state": {"chain": ()}}


async def test_a_slow_review_holds_up_only_those_who_need_it() -> None:
    cluster = Cluster()
    assert await cluster.answer(GOOD) == 200
    cluster.kube.gate = asyncio.Event()
    waiting = [cluster.ask(POOR) for _ in range(100)]
    await settle()
    assert await cluster.answer(GOOD) == 200
    assert not any(task.done() for task in waiting)
    cluster.kube.gate.set()
    assert set(await asyncio.gather(*waiting)) == {403}
    assert [spec for spec in cluster.kube.specs if "token" in spec].count({"token": POOR}) == 1


@pytest.mark.parametrize("seed", range(10))
async def test_whatever_fails_and_when_nobody_gets_more_than_was_allowed(seed: int) -> None:
    cluster, random_ = Cluster(), random.Random(seed)
    faults: list[KubeError] = [AWAY, KubeStatusError(500, "", "x"), KubeStatusError(429, "", "x"), KubeError("x")]
    seen: dict[str, set[int]] = {GOOD: set(), BAD: set(), POOR: set()}
    for _ in range(150):
        if random_.random() < 0.5:
            cluster.kube.errors = random_.choices(faults, k=random_.randrange(2 * TRIES))
        token = random_.choice((GOOD, BAD, POOR))
        seen[token].add(await cluster.answer(token))
        await cluster.clock.advance(random_.choice((0.0, 1.0, 11.0)))
    assert 200 in seen[GOOD]
    assert seen[GOOD] <= {200, 401, 500}
    assert seen[BAD] == {401}
    assert seen[POOR] <= {401, 403, 500}
