"""The stand-in for kube-apiserver: its parts joined, and a socket on loopback to reach them.

It answers as the real one does, so that what works against it works in a cluster. What it leaves out: fields unknown
to a kind's schema are stored, not refused; field owners (``managedFields``) are not tracked, a server-side apply is a
strategic merge; answers are JSON or YAML, never protobuf; a pod is deleted at once; nothing schedules, scales or runs.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

import uvicorn
from uvicorn.server import ServerState

from metrics_api.clock import Clock
from metrics_api.errors import StartupError
from metrics_api.localcluster.application import Application
from metrics_api.localcluster.authentication import Tokens
from metrics_api.localcluster.authorities import Authorities
from metrics_api.localcluster.bootstrap import bootstrap
from metrics_api.localcluster.discovery import Discovery
from metrics_api.localcluster.faults import Faults
from metrics_api.localcluster.namespaces import NamespaceController
from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.rbac import Authorizer
from metrics_api.localcluster.reading import Reader
from metrics_api.localcluster.reviews import Reviews
from metrics_api.localcluster.seams import Aggregator
from metrics_api.localcluster.tls import PeerProtocol, server_context
from metrics_api.localcluster.token_requests import TokenRequests
from metrics_api.localcluster.watching import Watches
from metrics_api.localcluster.witness import Witness
from metrics_api.localcluster.writing import Writer

_HOST = "127.0.0.1"
_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
_KEEP_ALIVE = 120
_DRAIN = 5.0


class ApiServer:
    """An API server over an object store. An asynchronous context manager: it serves inside.

    Args:
        objects: The cluster's state; what a new cluster holds is added to it.
        authorities: The cluster's and the front proxy's.
        clock: For ages, timestamps, bookmarks and watches' ends.
        faults: What goes wrong; everything well when ``None``.
        aggregator: Serves the groups of extension servers; may be set later.
        port: On 127.0.0.1; 0 takes a free one, and keeps it over a stop and a start.
    """

    def __init__(
        self,
        objects: ObjectStore,
        authorities: Authorities,
        clock: Clock,
        *,
        faults: Faults | None = None,
        aggregator: Aggregator | None = None,
        port: int = 0,
    ) -> None:
        self.objects = objects
        self.authorities = authorities
        self.faults = faults or Faults()
        self.tokens = Tokens(clock, objects)
        self.authorizer = Authorizer(objects)
        self.witness = Witness()
        self.watches = Watches(objects, clock, self.faults)
        self._clock = clock
        self._port = port
        self._discovery = Discovery(aggregator, self.faults)
        self._state = ServerState()
        self._server: asyncio.Server | None = None
        self._namespaces: asyncio.Task[None] | None = None
        self._config = self._configure()
        bootstrap(objects, authorities, clock)

    async def __aenter__(self) -> Self:
        """Start to listen."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; the objects stay."""
        await self.stop()

    @property
    def port(self) -> int:
        """Return the port it listens on.

        Raises:
            RuntimeError: It has not been started.
        """
        if not self._port:
            raise RuntimeError("the API server has no port before it is started")
        return self._port

    @property
    def url(self) -> str:
        """Return ``https://127.0.0.1:<port>``."""
        return f"https://{_HOST}:{self.port}"

    @property
    def aggregator(self) -> Aggregator | None:
        """The aggregation layer, ``None`` when there is none."""
        return self._discovery.aggregator

    @aggregator.setter
    def aggregator(self, aggregator: Aggregator | None) -> None:
        self._discovery.aggregator = aggregator

    async def start(self) -> None:
        """Listen.

        Raises:
            StartupError: The port is taken.
        """
        pair = self.authorities.cluster.issue("kube-apiserver", dns_names=_NAMES, ip_addresses=[_HOST], server=True)
        context = server_context(pair, self.authorities.cluster.certificate)
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._protocol, _HOST, self._port, ssl=context, backlog=2048)
        except OSError as error:
            raise StartupError(f"the API server cannot listen on {_HOST}:{self._port}: {error}") from error
        self._port = self._server.sockets[0].getsockname()[1]
        self._discovery.server_address = f"{_HOST}:{self._port}"
        controller = NamespaceController(self.objects, self._clock, self._discovery.undiscovered)
        self._namespaces = asyncio.create_task(controller.run())

    async def stop(self) -> None:
        """Stop listening, end watches, let other requests finish for a few seconds, close every connection."""
        if self._server is None or self._namespaces is None:
            return
        self._server.close()
        self._namespaces.cancel()
        self.watches.end_all()
        for connection in list(self._state.connections):
            connection.shutdown()
        if self._state.tasks:
            await asyncio.wait(self._state.tasks, timeout=_DRAIN)
        await self.drop_connections()
        await asyncio.gather(self._namespaces, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def drop_connections(self) -> None:
        """Cut every connection, as a crash or a load balancer does; requests under way are cancelled."""
        tasks = list(self._state.tasks)
        for task in tasks:
            task.cancel()
        for connection in list(self._state.connections):
            connection.transport.abort()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # the transports report their end in the loop's next turn

    def _protocol(self) -> PeerProtocol:
        return PeerProtocol(self._config, self._state, self.faults)

    def _configure(self) -> uvicorn.Config:
        reader = Reader(self.objects, self._clock, self.faults)
        application = Application(
            clock=self._clock,
            tokens=self.tokens,
            authorizer=self.authorizer,
            discovery=self._discovery,
            reader=reader,
            watches=self.watches,
            writer=Writer(self.objects, self._clock, reader),
            reviews=Reviews(self.tokens, self.authorizer, self._clock, self.faults),
            token_requests=TokenRequests(self.objects, self.tokens, self._clock),
            witness=self.witness,
            faults=self.faults,
        )
        config = uvicorn.Config(
            application,
            http="httptools",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=_KEEP_ALIVE,
        )
        config.load()
        return config
