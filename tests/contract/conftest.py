"""Every test of this folder runs against each backend that can be had, with the same assertions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from metrics_api.localcluster.aggregation.timing import Timing
from tests.contract.backend import Backend
from tests.contract.cluster import PATH, Cluster
from tests.contract.kube_apiserver import KubeApiserverBackend, kube_apiserver, missing
from tests.contract.stand_in import stand_in
from tests.localcluster.aggregation.extension_server import ExtensionServer, answer

BACKENDS = [
    "stand-in",
    # One at a time in one worker: they share a server, and time passes for real.
    pytest.param(
        "kube-apiserver",
        marks=[pytest.mark.xdist_group("kube-apiserver"), pytest.mark.timeout(600)],
    ),
]


@pytest.fixture(scope="session")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApiserverBackend]:
    if reason := missing():
        pytest.skip(reason)
    with kube_apiserver(tmp_path_factory.mktemp("kube-apiserver")) as running:
        yield running


@pytest.fixture(params=BACKENDS)
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    if request.param == "kube-apiserver":
        yield request.getfixturevalue("real_server")
        return
    async with stand_in() as running:
        yield running


@pytest.fixture
async def cluster(backend: Backend, tmp_path: Path) -> AsyncIterator[Cluster]:
    running = Cluster(backend, tmp_path)
    yield running
    await running.aclose()


@pytest.fixture
async def extension(backend: Backend) -> AsyncIterator[ExtensionServer]:
    """An extension server that is healthy and serves nothing else yet."""
    async with ExtensionServer(host=backend.place.host, routes={PATH: answer(200, {})}) as running:
        yield running


@pytest.fixture(params=BACKENDS)
async def hasty(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Cluster]:
    """A cluster for tests of deadlines: the stand-in's for requests and probes are short, kube-apiserver's its own."""
    if request.param == "kube-apiserver":
        running = Cluster(request.getfixturevalue("real_server"), tmp_path)
        yield running
        await running.aclose()
        return
    async with stand_in(Timing(request_timeout=0.5, probe_timeout=0.5, discovery_timeout=0.5)) as backend:
        running = Cluster(backend, tmp_path)
        yield running
        await running.aclose()


@pytest.fixture
async def hasty_extension(hasty: Cluster) -> AsyncIterator[ExtensionServer]:
    async with ExtensionServer(host=hasty.backend.place.host, routes={PATH: answer(200, {})}) as running:
        yield running
