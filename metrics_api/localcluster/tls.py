"""TLS with a client's certificate, and how the application learns of it."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from pathlib import Path
from typing import Any

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from metrics_api.localcluster.authentication import PeerCertificate
from metrics_api.localcluster.faults import Faults
from metrics_api.pki import KeyPair


def server_context(pair: KeyPair, client_authority: bytes) -> ssl.SSLContext:
    """Return a context that shows ``pair`` and takes client certificates, optional, of one authority (PEM)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=client_authority.decode())
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    with tempfile.TemporaryDirectory(prefix="localcluster-") as directory:  # ssl reads keys from files only
        path = Path(directory) / "server.pem"
        path.touch(mode=0o600)
        path.write_bytes(pair.certificate + pair.key)
        context.load_cert_chain(path)
    return context


class PeerProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol that puts ``peer_certificate`` into the state of every request."""

    def __init__(self, config: Config, server_state: ServerState, faults: Faults) -> None:
        super().__init__(config, server_state, {})
        self._faults = faults

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note who is at the other end."""
        super().connection_made(transport)
        self.app_state = {"peer_certificate": _peer_certificate(transport)}

    def data_received(self, data: bytes) -> None:
        """Take bytes; drop the connection while the server is away."""
        if self._faults.away:
            self.transport.abort()
            return
        super().data_received(data)


def _peer_certificate(transport: asyncio.Transport) -> PeerCertificate | None:
    ssl_object: Any = transport.get_extra_info("ssl_object")
    if ssl_object is None:
        return None
    der = ssl_object.getpeercert(binary_form=True)
    if not der:
        return None
    return PeerCertificate.of(ssl_object.getpeercert()["subject"], der)
