"""Gathers the status report."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from metrics_api import __version__
from metrics_api.api.probes import Check
from metrics_api.app.admission import Admission
from metrics_api.app.certificates import described, described_file
from metrics_api.app.collection import Collection
from metrics_api.app.measured import Measured
from metrics_api.app.reasons import Reasons
from metrics_api.clock import Clock
from metrics_api.reports import MOST_REFUSED, LagReport, RowsReport, StatusReport, TrustReport, WatchReport
from metrics_api.settings.values import Settings
from metrics_api.store.store import Store
from metrics_api.telemetry.lag import LoopLag
from metrics_api.telemetry.reads import Reads

_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_NODES_AT_ONCE = 20  # then reads have their turn; about a millisecond
_OLDEST = 1.0
_MEMORY = Path("/proc/self/statm")


class StatusReporter:
    """Says how the server stands.

    Args:
        settings: The flags.
        clock: Time.
        store: What is served.
        collection: Watches and scrapes.
        admission: Whom we trust.
        measured: Counts.
        reasons: Why rows are lacking.
        readyz: The checks of ``/readyz``.
        certificate: Where the serving certificate lies.
        reads: What has been answered.
        lag: Of the event loop.
        refused: Client certificates that were refused, in words.
        environment: Where proxy variables are looked for.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        clock: Clock,
        store: Store,
        collection: Collection,
        admission: Admission,
        measured: Measured,
        reasons: Reasons,
        readyz: Sequence[Check],
        certificate: Path,
        reads: Reads,
        lag: LoopLag,
        refused: Callable[[], Iterable[str]] = tuple,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._store = store
        self._collection = collection
        self._admission = admission
        self._measured = measured
        self._reasons = reasons
        self._readyz = readyz
        self._certificate = certificate
        self._reads = reads
        self._lag = lag
        self._refused = refused
        self._proxies = tuple(
            name for name in _PROXY_VARIABLES if environment.get(name) or environment.get(name.lower())
        )
        self._began = clock.monotonic()

    async def report(self) -> StatusReport:
        """Return the report; gives way to other work while it counts."""
        await self._measured.count_rows()
        lacking_nodes, lacking_pods = await self._count_lacking()
        rows = self._measured.rows()
        trust, lags = self._admission.trust, self._lag.lags
        return StatusReport(
            version=__version__,
            instance=socket.gethostname(),
            time=self._clock.now(),
            uptime=self._clock.monotonic() - self._began,
            flags=_flags(self._settings),
            proxies=self._proxies,
            unready={name: why for name, check in self._readyz if (why := check()) is not None},
            watches=self._watches(),
            rows={
                name: RowsReport(each.expected, each.served, each.stale, each.ages.get(_OLDEST, 0.0), dict(lacking))
                for (name, each), lacking in zip(rows.items(), (lacking_nodes, lacking_pods), strict=True)
            },
            standings={name: each.nodes for name, each in self._measured.nodes_standing().items()},
            scrapes=dict(self._measured.scrape_results()),
            dropped={reason: count for reason, count in self._measured.dropped_points().items() if count},
            answered={route: each.count for route, each in self._reads.latencies.items()},
            trust=TrustReport(
                self._admission.found_config_map,
                await asyncio.to_thread(described, trust.proxy_ca),
                await asyncio.to_thread(described, trust.client_ca),
                trust.rules.allowed_names,
                self._admission.trust_fault,
                (*self._refused(), *self._admission.peer_faults)[:MOST_REFUSED],
            ),
            serving_certificate=await asyncio.to_thread(described_file, self._certificate),
            lag=LagReport(lags.quantile(0.5), lags.quantile(0.99)),
            memory=_resident(),
        )

    async def _count_lacking(self) -> tuple[Counter[str], Counter[str]]:
        nodes: Counter[str] = Counter()
        pods: Counter[str] = Counter()
        for index, name in enumerate(self._store.selected_nodes(), 1):
            if index % _NODES_AT_ONCE == 0:
                await asyncio.sleep(0)
            found = self._store.node_pods(name)
            if found is None:
                continue
            if not found.served:
                nodes[self._reasons.kind_of_node(name)] += 1
            pods.update(self._reasons.kinds_of_pods(name, found.unserved))
        return nodes, pods

    def _watches(self) -> dict[str, WatchReport]:
        return {
            name: WatchReport(
                watch.has_synced,
                len(watch.known),
                watch.restarts,
                watch.relists,
                watch.skipped,
                watch.last_contact,
                watch.fault,
            )
            for name, watch in self._collection.watches.items()
        }


def _resident() -> int | None:
    """Return the bytes of this process that are in memory, ``None`` where the system does not say."""
    try:
        return int(_MEMORY.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def _flags(settings: Settings) -> dict[str, str | int | float | bool | None]:
    """Return the flags that decide whether metrics come, none of them a secret."""
    return {
        "metric-resolution": settings.metric_resolution,
        "max-metric-age": settings.max_metric_age,
        "node-selector": settings.node_selector,
        "kubelet-endpoint": settings.kubelet_endpoint,
        "kubelet-request-timeout": settings.kubelet_request_timeout,
        "kubelet-preferred-address-types": ",".join(settings.kubelet_preferred_address_types),
        "kubelet-port": settings.kubelet_port,
        "kubelet-use-node-status-port": settings.kubelet_use_node_status_port,
        "kubelet-denied-cidrs": ",".join(map(str, settings.kubelet_denied_cidrs)),
        "kubelet-certificate-authority": settings.kubelet_certificate_authority,
        "kubelet-tls-verify": settings.kubelet_tls_verify,
        "deprecated-kubelet-completely-insecure": settings.deprecated_kubelet_completely_insecure,
        "verified-tls": settings.verified_tls,
        "bind-address": str(settings.bind_address),
        "secure-port": settings.secure_port,
        "authentication-skip-lookup": settings.authentication_skip_lookup,
        "requestheader-client-ca-file": settings.requestheader_client_ca_file,
    }
