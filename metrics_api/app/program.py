"""The whole server, from its first socket to its orderly end.

Listening comes first. Probes and discovery answer while the Kubernetes client is still being imported (a second of
CPU, in a thread) and while kube-apiserver is away; only then do watching and scraping begin.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING

from metrics_api import __version__
from metrics_api.api.app import Gate, build_api
from metrics_api.api.overload import answer_shutting_down, answer_timeout
from metrics_api.api.probes import PING, Check, Probes
from metrics_api.api.readiness import Readiness
from metrics_api.api.requestinfo import parse_request
from metrics_api.api.watch.watches import Watches
from metrics_api.app.admission import Admission, asks_for_certificates
from metrics_api.app.collection import Collection
from metrics_api.app.connections import Connections
from metrics_api.app.debug.nodes import NodesReporter
from metrics_api.app.debug.paths import DebugPaths
from metrics_api.app.debug.status import StatusReporter
from metrics_api.app.exporter import Exporter
from metrics_api.app.heap import set_heap_aside
from metrics_api.app.long_requests import LongRequests
from metrics_api.app.measured import Measured
from metrics_api.app.reasons import Reasons
from metrics_api.app.tls import build_tls
from metrics_api.app.verified import Verified
from metrics_api.app.warm_start import WarmStart
from metrics_api.clock import Clock, SystemClock
from metrics_api.errors import first_of_ours
from metrics_api.peers.giving import Giver, PeerGate
from metrics_api.peers.proof import PeerKey
from metrics_api.serving.access_log import AccessLog
from metrics_api.serving.asgi import Application, Scope
from metrics_api.serving.chain import peer_chain
from metrics_api.serving.deadlines import Deadlines
from metrics_api.serving.front import Answers, Front
from metrics_api.serving.inflight import InFlight
from metrics_api.serving.limits import Limits, raise_descriptor_limit
from metrics_api.serving.listen import open_listener
from metrics_api.serving.refused import RefusedCertificates
from metrics_api.serving.server import HttpsServer
from metrics_api.settings.values import Settings
from metrics_api.store.changes import Changes
from metrics_api.store.store import Store
from metrics_api.telemetry.kubelet_requests import KubeletRequests
from metrics_api.telemetry.lag import LoopLag
from metrics_api.telemetry.reads import Reads

if TYPE_CHECKING:
    from metrics_api.verifiedtls.loop import Timing

_log = logging.getLogger(__name__)
_EXPIRY_PERIOD = 1.0
_FILES_PERIOD = 60.0
_ACCESS_LOG_VERBOSITY = 3
_UNLIMITED = float("inf")
_NOT_SYNCED = "the lists of nodes and pods, or the authentication configuration, are not complete yet"


class Program:
    """Every part, joined.

    Args:
        settings: What the operator wants.
        clock: Time.
        verified_timing: How often the shared certificate is looked at; the usual when ``None``.

    Raises:
        StartupError: the port is taken, or a certificate is not usable.
    """

    def __init__(
        self, settings: Settings, clock: Clock | None = None, *, verified_timing: Timing | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self.stopping = asyncio.Event()
        """Set it to begin an orderly stop."""
        changes = Changes() if settings.enable_watch else None
        self._store = Store(
            self._clock, resolution=settings.metric_resolution, max_age=settings.max_metric_age, changes=changes
        )
        self._requests = KubeletRequests(
            self._clock, period=settings.metric_resolution, per_node=settings.per_node_metrics
        )
        self._reads, self._lag = Reads(self._clock), LoopLag(self._clock)
        self._collection = Collection(settings, self._clock, self._store, self._requests)
        self._tls = build_tls(settings)
        self.verified = (
            Verified(settings, self._clock, self._tls.serve, verified_timing) if settings.verified_tls else None
        )
        """The certificate that replicas share; ``None`` when ``--verified-tls`` is not given."""
        self._in_flight = InFlight(settings.max_requests_inflight)
        self._deadlines = Deadlines(self._clock, settings.request_timeout)
        self._watches: Watches | None = None
        if changes is not None:
            requests = LongRequests(self._deadlines, self._in_flight)
            self._watches = Watches(
                changes, self._store.rows, self._clock, most=settings.max_watchers, requests=requests
            )
        self._admission = Admission(settings, self._clock, self._tls.trust, peer_chain, self._in_flight)
        self._warm_start = WarmStart(settings, self._clock, self._store, self._collection.listed.wait)
        self._server = self._build_server()

    @property
    def port(self) -> int:
        """Return the port listened on."""
        return self._server.port

    async def run(self) -> None:
        """Serve until ``stopping`` is set and what was under way has ended.

        Raises:
            KubeConfigError: there is no usable way to kube-apiserver; one that is merely away is waited for.
        """
        try:
            async with asyncio.TaskGroup() as group:
                serving = group.create_task(self._server.run())
                working = [group.create_task(each) for each in self._duties()]
                await self.stopping.wait()
                await self._stop(serving)
                for task in working:
                    task.cancel()
        except BaseExceptionGroup as errors:
            raise first_of_ours(errors) from errors

    def _duties(self) -> Sequence[Coroutine[None, None, None]]:
        aside = set_heap_aside(self._clock, self._has_synced, settling=2 * self._settings.metric_resolution)
        warming = self._warm_start.run()
        return self._work(), self._expire(), self._follow_files(), self._lag.run(), aside, warming

    def reload(self) -> None:
        """Read certificates, keys and authorities again that have changed."""
        self._tls.reload_if_changed()
        self._admission.refresh()

    async def _stop(self, serving: asyncio.Task[None]) -> None:
        """Be not ready first, so that readers go elsewhere; then drain."""
        settings = self._settings
        delay = settings.shutdown_delay_duration
        _log.info("Stopping", extra={"fields": {"delay": delay, "port": self.port}})
        self._front.leave()
        if self._watches is not None:
            self._watches.end_all()
        await self._clock.sleep(delay)
        if settings.shutdown_send_retry_after:
            # Meanwhile new requests are told to go elsewhere, where else they would meet a closed port.
            self._front.refuse()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(settings.request_timeout):
                    await self._deadlines.wait_all_ended()
        self._server.stop()
        await serving

    def _build_server(self) -> HttpsServer:
        settings = self._settings
        address = str(settings.bind_address)
        listener = open_listener(address, settings.secure_port, share_port=settings.permit_port_sharing)
        port = listener.getsockname()[1]
        _log.info("Listening", extra={"fields": {"address": address, "port": port}})
        probes = self._probes()
        reasons = Reasons(self._store, self._collection.situation, self._clock)
        application = build_api(
            self._store,
            probes,
            version=__version__,
            gate=self._gate(),
            secure_port=port,
            clock=self._clock,
            reads=self._reads,
            reasons=reasons,
            watches=self._watches,
        )
        measured = Measured(
            self._store,
            self._collection,
            self._admission,
            self._watches,
            lambda: self._tls.certificate_file,
            self._warm_start,
        )
        Exporter(self._requests, self._reads, self._lag, measured).add_to(application)
        if settings.peer_key_file:
            Giver(self._store, lambda: self._warm_start.is_over).add_to(application)
        refused = RefusedCertificates(self._tls, self._clock) if asks_for_certificates(settings) else None
        self._debug_paths(measured, reasons, probes, refused).add_to(application)
        self._front = self._build_front(application)
        return HttpsServer(
            self._front,
            listener,
            self._tls.context,
            drain=settings.request_timeout,
            refused=refused,
            limits=Limits.within(raise_descriptor_limit(), answer=settings.request_timeout or _UNLIMITED),
        )

    def _debug_paths(
        self, measured: Measured, reasons: Reasons, probes: Probes, refused: RefusedCertificates | None
    ) -> DebugPaths:
        collection, settings = self._collection, self._settings
        status = StatusReporter(
            settings=settings,
            clock=self._clock,
            store=self._store,
            collection=collection,
            admission=self._admission,
            measured=measured,
            reasons=reasons,
            readyz=probes.readyz,
            certificate=self._tls.certificate_file,
            reads=self._reads,
            lag=self._lag,
            refused=lambda: () if refused is None else refused.latest,
        )
        timeout = settings.kubelet_request_timeout
        return DebugPaths(status, NodesReporter(self._store, collection.situation, collection.way, reasons, timeout))

    def _gate(self) -> Gate:
        """Return who decides: for all that users may ask the cluster, for what peers ask the key."""
        gate, file = self._admission.gate, self._settings.peer_key_file
        return PeerGate(gate, lambda: PeerKey.read(file), self._tls.fingerprints) if file else gate

    def _build_front(self, application: Application) -> Front:
        return Front(
            application,
            Answers(answer_timeout, answer_shutting_down),
            deadlines=self._deadlines,
            in_flight=self._in_flight,
            access_log=AccessLog(self._clock, _verb) if self._settings.verbosity >= _ACCESS_LOG_VERBOSITY else None,
        )

    def _probes(self) -> Probes:
        readiness = Readiness(
            self._clock,
            resolution=self._settings.metric_resolution,
            served=lambda: (self._store.served_nodes, self._store.served_pods),
            synced=self._has_synced,
        )
        synced: Check = ("metric-informer-sync", lambda: None if self._has_synced() else _NOT_SYNCED)
        shutdown: Check = ("shutdown", lambda: "the process is stopping" if self.stopping.is_set() else None)
        ready: list[Check] = [PING, ("metric-storage-ready", readiness.check), synced]
        if self.verified is not None:
            ready.append(("serving-certificate", self.verified.readiness))
        if self._settings.peer_service:
            ready.append(("warm-start", self._warm_start.check))
        return Probes(healthz=(PING,), livez=(PING,), readyz=(*ready, shutdown))

    def _has_synced(self) -> bool:
        return self._collection.has_synced and self._admission.is_complete

    async def _work(self) -> None:
        connections = Connections(self._clock)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._admission.run(connections))
                group.create_task(self._collection.run(connections))
                if self.verified is not None:
                    group.create_task(self.verified.run(connections))
        finally:
            await connections.close()

    async def _expire(self) -> None:
        """Let go of usage that has become too old, and of requests and watches that have taken long enough."""
        while True:
            await self._clock.sleep(_EXPIRY_PERIOD)
            self._store.expire()
            self._deadlines.sweep()
            if self._watches is not None:
                self._watches.sweep()

    async def _follow_files(self) -> None:
        while True:
            await self._clock.sleep(_FILES_PERIOD)
            self.reload()


def _verb(scope: Scope) -> str:
    return parse_request(scope["method"], scope["path"], scope["query_string"]).verb
