"""The listening sockets of a fleet and every connection made to them."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from typing import cast

from metrics_api.clock import Clock
from metrics_api.localcluster.fleet.certificates import Certificates, ServingContexts
from metrics_api.localcluster.fleet.connection import KubeletConnection
from metrics_api.localcluster.fleet.kubelet import Kubelet
from metrics_api.localcluster.fleet.network import LoopbackNetwork
from metrics_api.pki import KeyPair

_SWEEP_SECONDS = 5.0
_INTERNAL_ERROR = bytes((21, 3, 3, 0, 2, 2, 80))
"""A TLS record: a fatal alert, internal_error (RFC 8446)."""


class _NoCertificate(asyncio.Protocol):
    """Answers a handshake as Go's TLS does without a certificate. OpenSSL under asyncio would send no alert."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(_INTERNAL_ERROR)
        self._transport.close()


class Listeners:
    """Listens for kubelets and closes what has been idle for too long.

    Args:
        network: Gives out the sockets.
        contexts: Makes their TLS contexts.
        clock: Measures how long a connection has been idle.
        idle_timeout: Seconds after which an idle connection is closed.
    """

    def __init__(self, network: LoopbackNetwork, contexts: ServingContexts, clock: Clock, idle_timeout: float) -> None:
        self._network = network
        self._contexts = contexts
        self._clock = clock
        self._idle_timeout = idle_timeout
        self._servers: dict[str, asyncio.Server] = {}
        self._connections: dict[str, set[KubeletConnection]] = {}
        self._tls: dict[str, ssl.SSLContext] = {}
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self, kubelets: Sequence[Kubelet], certificates: Certificates) -> None:
        """Listen for all kubelets and note each one's address and port on its node.

        Raises:
            StartupError: There is no port free on all addresses.
        """
        sockets = self._network.listen([kubelet.node.index for kubelet in kubelets])
        try:
            for kubelet, listener in zip(kubelets, sockets, strict=True):
                kubelet.node.address, kubelet.node.port = listener.getsockname()
            contexts = self._contexts.contexts([kubelet.node for kubelet in kubelets], certificates)
            for kubelet, listener, context in zip(kubelets, sockets, contexts, strict=True):
                await self._serve(kubelet, listener, context)
        except BaseException:
            for listener in sockets:
                listener.close()
            await self.close()
            raise
        self._sweeper = asyncio.create_task(self._close_idle())

    async def add(self, kubelet: Kubelet) -> None:
        """Listen for one more kubelet.

        Raises:
            StartupError: Its address is taken.
        """
        listener = self._network.listen_to(kubelet.node.index)
        kubelet.node.address, kubelet.node.port = listener.getsockname()
        await self._serve(kubelet, listener, self._contexts.context(kubelet.node))

    def context(self, name: str) -> ssl.SSLContext:
        """Return the TLS context that a kubelet listens with; neighbours have the same where certificates are shared.

        Raises:
            LookupError: It does not listen.
        """
        return self._tls[name]

    async def start_anew(self, kubelet: Kubelet, pair: KeyPair) -> None:
        """Listen for a kubelet with this certificate; its connections are dropped, and sessions cannot be resumed.

        Raises:
            StartupError: Its address is taken meanwhile.
        """
        await self.remove(kubelet.node.name)
        listener = self._network.listen_to(kubelet.node.index)
        kubelet.node.address, kubelet.node.port = listener.getsockname()
        await self._serve(kubelet, listener, self._contexts.showing(pair))

    async def withhold_certificate(self, kubelet: Kubelet) -> None:
        """Listen for a kubelet without a certificate from now on; its connections are dropped.

        Raises:
            StartupError: Its address is taken meanwhile.
        """
        name = kubelet.node.name
        await self.remove(name)
        listener = self._network.listen_to(kubelet.node.index)
        kubelet.node.address, kubelet.node.port = listener.getsockname()
        self._connections[name] = set()
        self._servers[name] = await asyncio.get_running_loop().create_server(_NoCertificate, sock=listener)

    async def remove(self, name: str) -> None:
        """Stop listening for a kubelet and drop its connections."""
        server = self._servers.pop(name)
        self._tls.pop(name, None)
        server.close()
        connections = self._connections.pop(name)
        workers = [connection.worker for connection in connections if connection.worker is not None]
        for connection in tuple(connections):
            connection.abort()
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        await server.wait_closed()

    async def close(self) -> None:
        """Stop listening and drop all connections."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for name in tuple(self._servers):
            await self.remove(name)
        await asyncio.sleep(0)  # aborted transports tell their protocols on the loop's next turn
        if self._sweeper is not None:
            sweeper, self._sweeper = self._sweeper, None
            await asyncio.wait([sweeper])
            if not sweeper.cancelled():
                sweeper.result()  # it never returns, so this raises what ended it

    async def _serve(self, kubelet: Kubelet, listener: socket.socket, context: ssl.SSLContext) -> None:
        connections: set[KubeletConnection] = set()
        self._connections[kubelet.node.name] = connections
        self._tls[kubelet.node.name] = context
        self._servers[kubelet.node.name] = await asyncio.get_running_loop().create_server(
            lambda: KubeletConnection(kubelet, connections), sock=listener, ssl=context
        )

    async def _close_idle(self) -> None:
        while True:
            await self._clock.sleep(_SWEEP_SECONDS)
            oldest = self._clock.monotonic() - self._idle_timeout
            for connections in self._connections.values():
                for connection in tuple(connections):
                    if connection.idle and connection.last_active <= oldest:
                        connection.close()
