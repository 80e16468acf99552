"""A whole server whose kube-apiserver is away, fails, hangs, or does one after the other, asked over TLS meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx
import pytest

from metrics_api.localcluster.authorities import FRONT_PROXY_NAME
from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.faults import Faults, Hold
from metrics_api.localcluster.users import User
from tests.e2e.guarded import Guarded, client_context
from tests.e2e.serving import GROUP, serving

pytestmark = [pytest.mark.xdist_group("reviews"), pytest.mark.timeout(180)]

CALLERS: Mapping[str, tuple[dict[str, str], int, int]] = {
    # headers, the answer when all is well, and the one without reviews
    "good token": ({"authorization": "Bearer good"}, 200, 401),
    "token without rights": ({"authorization": "Bearer poor"}, 403, 401),
    "bad token": ({"authorization": "Bearer bad"}, 401, 401),
    "proxied, may": ({"x-remote-user": "carol"}, 200, 500),
    "proxied, may not": ({"x-remote-user": "dave"}, 403, 500),
    "proxied administrator": ({"x-remote-user": "a", "x-remote-group": "system:masters"}, 200, 200),
}
WELL = {name: well for name, (_, well, _) in CALLERS.items()}
WITHOUT_REVIEWS = {name: without for name, (_, _, without) in CALLERS.items()}
KEPT = 1
"""Seconds that an answer is remembered."""
ROUNDS = 10


class Asking:
    """One connection for those that come through the front proxy, one for the others."""

    def __init__(self, cluster: LocalCluster, proxy: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
        self.faults: Faults = cluster.api.faults
        self._proxy, self._stranger = proxy, stranger

    async def ask(self, name: str) -> httpx.Response:
        client = self._proxy if name.startswith("proxied") else self._stranger
        return await client.get(f"{GROUP}/nodes", headers=CALLERS[name][0])

    async def ask_all(self) -> dict[str, httpx.Response]:
        return dict(zip(CALLERS, await asyncio.gather(*map(self.ask, CALLERS)), strict=True))

    async def statuses(self) -> dict[str, int]:
        return {name: answer.status_code for name, answer in (await self.ask_all()).items()}


@contextlib.asynccontextmanager
async def asking(directory: Path) -> AsyncIterator[Asking]:
    """Run a server that remembers answers for a second; carol may read nodes, dave may not."""
    ttl = [
        f"--{name}-ttl={KEPT}s"
        for name in (
            "authentication-token-webhook-cache",
            "authorization-webhook-cache-authorized",
            "authorization-webhook-cache-unauthorized",
        )
    ]
    async with LocalCluster(nodes=1, pods_per_node=1) as cluster, serving(cluster, directory, *ttl) as server:
        cluster.api.tokens.put("good", User("carol"))
        cluster.api.tokens.put("poor", User("dave"))
        Guarded(cluster, server, directory).allow("carol")
        await server.until_synced()
        pair = cluster.authorities.front_proxy.issue(FRONT_PROXY_NAME, client=True)
        url, limits = f"https://127.0.0.1:{server.port}", httpx.Timeout(30)
        async with (
            httpx.AsyncClient(
                base_url=url, verify=client_context(directory, pair), trust_env=False, timeout=limits
            ) as proxy,
            httpx.AsyncClient(base_url=url, verify=client_context(directory), trust_env=False, timeout=limits) as other,
        ):
            yield Asking(cluster, proxy, other)
    assert "Traceback" not in (directory / "log").read_text()


@pytest.mark.parametrize("fault", ["away", "fails", "hangs"])
async def test_without_reviews_nobody_passes_who_would_need_one(tmp_path: Path, fault: str) -> None:
    async with asking(tmp_path) as it:
        assert await it.statuses() == WELL
        hold = Hold()
        it.faults.away, it.faults.reviews_fail = fault == "away", fault == "fails"
        it.faults.review_hold = hold if fault == "hangs" else None
        await asyncio.sleep(KEPT)

        answers = await it.ask_all()
        assert {name: answer.status_code for name, answer in answers.items()} == WITHOUT_REVIEWS
        assert answers["proxied, may"].text.startswith(f'Internal Server Error: "{GROUP}/nodes": ')

        it.faults.away = it.faults.reviews_fail = False
        it.faults.review_hold = None
        hold.released.set()
        assert await it.statuses() == WELL


async def test_a_flapping_api_server_gives_nobody_more_than_was_allowed(tmp_path: Path) -> None:
    random_, seen = random.Random(1), {name: set[int]() for name in CALLERS}
    async with asking(tmp_path) as it:
        is_over = asyncio.Event()

        async def go_on_asking(name: str) -> None:
            while not is_over.is_set():
                seen[name].add((await it.ask(name)).status_code)

        tasks = [asyncio.create_task(go_on_asking(name)) for name in CALLERS]
        for _ in range(ROUNDS):
            it.faults.away, it.faults.reviews_fail = random_.choice([(True, False), (False, True), (False, False)])
            it.faults.review_delay = random_.choice([0.0, 0.0, 0.3])
            await asyncio.sleep(random_.uniform(0.2, 1.5))
        it.faults.away, it.faults.reviews_fail, it.faults.review_delay = False, False, 0.0
        is_over.set()
        await asyncio.gather(*tasks)
        await asyncio.sleep(KEPT)
        assert await it.statuses() == WELL

    possible = {name: {WELL[name], WITHOUT_REVIEWS[name]} for name in CALLERS}
    for known in ("good token", "token without rights"):
        possible[known].add(500)  # who that is, is known, and what he may is not
    assert {name: found - possible[name] for name, found in seen.items()} == {name: set() for name in CALLERS}
    assert all(WELL[name] in found for name, found in seen.items())
    assert 500 in seen["proxied, may"] | seen["proxied, may not"]
