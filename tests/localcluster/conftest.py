"""A running API server on loopback and clients that talk TLS to it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import httpx
import pytest

from metrics_api.localcluster.apiserver import ApiServer
from metrics_api.localcluster.authorities import Authorities
from metrics_api.localcluster.objects import ObjectStore
from metrics_api.pki import KeyPair
from tests.fakes import FakeClock

Connect = Callable[..., httpx.AsyncClient]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def objects(clock: FakeClock) -> ObjectStore:
    return ObjectStore(clock)


@pytest.fixture(scope="session")
def authorities() -> Authorities:
    return Authorities.create()


@pytest.fixture
async def server(objects: ObjectStore, authorities: Authorities, clock: FakeClock) -> AsyncIterator[ApiServer]:
    async with ApiServer(objects, authorities, clock) as running:
        yield running


@pytest.fixture
async def connect(server: ApiServer, tmp_path: Path) -> AsyncIterator[Connect]:
    """Make clients: ``connect(user, groups)`` with a certificate, ``connect(token=…)``, ``connect()`` anonymous."""
    clients: list[httpx.AsyncClient] = []

    def make(user: str = "", groups: Sequence[str] = (), *, token: str = "") -> httpx.AsyncClient:
        pair = server.authorities.cluster.issue(user, organizations=groups, client=True) if user else None
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        context = client_context(server.authorities, pair, tmp_path)
        client = httpx.AsyncClient(base_url=server.url, verify=context, headers=headers, trust_env=False)
        clients.append(client)
        return client

    yield make
    await asyncio.gather(*(client.aclose() for client in clients))


def client_context(authorities: Authorities, pair: KeyPair | None, directory: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authorities.cluster.certificate.decode())
    if pair is not None:
        path = directory / "client.pem"
        path.write_bytes(pair.certificate + pair.key)
        context.load_cert_chain(path)
    return context


@pytest.fixture
def admin(connect: Connect) -> httpx.AsyncClient:
    return connect("kubernetes-admin", ["system:masters"])
