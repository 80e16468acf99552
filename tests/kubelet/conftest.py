"""Tests of the wire run on both event loops: the program's is uvloop, and asyncio's is the one it is specified by."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from metrics_api.kubelet.transport import KubeletTransport
from metrics_api.pki import Authority
from tests.kubelet.scripted_server import server_context
from tests.kubelet.transports import transport_for

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, LoopFactory]:
    """Return the event loops that a test is run on."""
    del config
    loops: dict[str, LoopFactory] = {"asyncio": asyncio.new_event_loop}
    if item.path.stem.startswith(("test_transport", "test_tls")):
        loops["uvloop"] = uvloop.new_event_loop
    return loops


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("kubelet-ca")


@pytest.fixture(scope="module")
def context(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    pair = authority.issue("system:node:node-a", ip_addresses=["127.0.0.1"], server=True)
    return server_context(pair, tmp_path_factory.mktemp("server"))


@pytest.fixture
async def transport(authority: Authority) -> AsyncIterator[KubeletTransport]:
    made = transport_for(authority)
    yield made
    await made.aclose()
