"""The front proxy's authority is rotated as people do it, under load: old, old and new, new."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from metrics_api.localcluster.authorities import FRONT_PROXY_NAME
from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.resources import CONFIG_MAPS
from metrics_api.pki import Authority
from tests.e2e.guarded import client_context
from tests.e2e.serving import GROUP, Serving, serving

pytestmark = [pytest.mark.xdist_group("rotation"), pytest.mark.timeout(120)]

REFUSED = 0
"""In place of a status: the handshake failed."""
MASTERS = {"x-remote-user": "admin", "x-remote-group": "system:masters"}
ROUNDS = 4


@dataclass
class Caller:
    """Somebody with a certificate, and what the server must say to him in the present phase."""

    name: str
    context: ssl.SSLContext
    expected: frozenset[int] = frozenset()
    asked: int = 0


def caller(name: str, authority: Authority, directory: Path) -> Caller:
    return Caller(name, client_context(directory, authority.issue(FRONT_PROXY_NAME, client=True)))


async def ask(client: httpx.AsyncClient) -> int:
    try:
        return (await client.get(f"{GROUP}/nodes", headers=MASTERS)).status_code
    except httpx.TransportError:
        return REFUSED


def connecting(server: Serving, context: ssl.SSLContext) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"https://127.0.0.1:{server.port}", verify=context, trust_env=False)


class Load:
    """Callers that never rest, with new connections and one that is kept; it notes every wrong answer."""

    def __init__(self, server: Serving, callers: list[Caller]) -> None:
        self._server = server
        self._callers = callers
        self.is_over = False
        self.wrong: list[tuple[str, int, frozenset[int]]] = []

    async def run(self, one: Caller) -> None:
        async with connecting(self._server, one.context) as kept:
            while not self.is_over:
                await self._check(one, kept)
                async with connecting(self._server, one.context) as new:
                    await self._check(one, new)

    async def _check(self, one: Caller, client: httpx.AsyncClient) -> None:
        before = one.expected
        status = await ask(client)
        one.asked += 1
        if status not in before | one.expected:  # it may have been answered on either side of the change
            self.wrong.append((one.name, status, one.expected))

    async def settle(self) -> None:
        """Return when each caller has asked some times more."""
        goals = {one.name: one.asked + ROUNDS for one in self._callers}

        async def asked_enough() -> bool:
            return all(one.asked >= goals[one.name] for one in self._callers)

        await self._server.until(asked_enough, bool)


@contextlib.contextmanager
def changing(one: Caller, to: int) -> Iterator[None]:
    """Allow the answers of both sides while the server learns of a change."""
    refusals = frozenset({REFUSED, 401})
    after = refusals if to == REFUSED else frozenset({to})
    one.expected |= after
    yield
    one.expected = after


def publish(cluster: LocalCluster, *authorities: Authority) -> None:
    found = cluster.objects.get(CONFIG_MAPS, "kube-system", "extension-apiserver-authentication")
    changed = copy.deepcopy(found)
    assert changed is not None
    changed["data"]["requestheader-client-ca-file"] = b"".join(each.certificate for each in authorities).decode()
    cluster.objects.replace(CONFIG_MAPS, changed)


async def test_a_rotation_under_load_gives_no_wrong_answer(tmp_path: Path) -> None:
    async with LocalCluster(nodes=1, pods_per_node=1) as cluster, serving(cluster, tmp_path) as server:
        await server.until_synced()
        old_ca, new_ca = cluster.authorities.front_proxy, Authority.create("front-proxy-ca-2")
        old, new = caller("old", old_ca, tmp_path), caller("new", new_ca, tmp_path)
        forged = caller("forged", Authority.create("front-proxy-ca"), tmp_path)
        impostor = caller("impostor", cluster.authorities.cluster, tmp_path)
        callers = [old, new, forged, impostor]
        old.expected, new.expected = frozenset({200}), frozenset({REFUSED})
        forged.expected, impostor.expected = frozenset({REFUSED}), frozenset({403})
        load = Load(server, callers)

        async def until(one: Caller, *wanted: int) -> None:
            async def look() -> int:
                async with connecting(server, one.context) as client:
                    return await ask(client)

            await server.until(look, lambda status: status in wanted, 20)

        tasks = [asyncio.create_task(load.run(one)) for one in callers]
        await load.settle()
        with changing(new, 200):
            publish(cluster, old_ca, new_ca)
            await until(new, 200)
        await load.settle()
        with changing(old, REFUSED):
            publish(cluster, new_ca)
            await until(old, REFUSED, 401)
        await load.settle()
        load.is_over = True
        await asyncio.gather(*tasks)

    assert load.wrong == []
    assert "Traceback" not in (tmp_path / "log").read_text()
