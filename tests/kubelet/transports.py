"""The transport as tests make it, and what they ask with it."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from metrics_api.errors import ScrapeError
from metrics_api.kubelet.options import TlsOptions
from metrics_api.kubelet.routes import Route
from metrics_api.kubelet.tls import TlsContexts
from metrics_api.kubelet.transport import KubeletTransport, Patience, Target
from metrics_api.pki import Authority
from tests.fakes import FakeClock
from tests.kubelet.scripted_server import ScriptedServer

SHORT = 0.05
"""Seconds; for deadlines that are the thing under test."""


def transport_for(authority: Authority, patience: Patience | None = None) -> KubeletTransport:
    contexts = TlsContexts(TlsOptions(ca_data=authority.certificate), FakeClock())
    return KubeletTransport(contexts) if patience is None else KubeletTransport(contexts, patience=patience)


def target_of(server: ScriptedServer, *, uid: str = "uid-a", max_body: int = 1 << 20, tls: bool = True) -> Target:
    head = b"GET /stats/summary HTTP/1.1\r\nHost: node-a\r\n"
    return Target(uid, Route("127.0.0.1", ip_address("127.0.0.1"), server.port), head, max_body, tls)


async def failure(transport: KubeletTransport, target: Target, deadline: float = 5) -> ScrapeError:
    with pytest.raises(ScrapeError) as caught:
        await transport.get(target, deadline=deadline)
    return caught.value
