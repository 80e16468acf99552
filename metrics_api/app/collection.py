"""Watching and scraping, joined: what kube-apiserver knows decides whom we ask, and what they say is stored."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sized
from typing import TYPE_CHECKING, Protocol

from metrics_api.app.connections import Connections
from metrics_api.clock import Clock
from metrics_api.model import NodeInfo, PodInfo, PodKey
from metrics_api.settings.values import Settings
from metrics_api.store.store import Store

if TYPE_CHECKING:
    from metrics_api.kube.access import KubeAccess
    from metrics_api.kube.reflector import Reflector
    from metrics_api.kubelet.client import KubeletClient, Way
    from metrics_api.scraper.node_state import Situation
    from metrics_api.scraper.scraper import Observer, Scraper

_log = logging.getLogger(__name__)


class Watch(Protocol):
    """A watched resource."""

    restarts: int
    relists: int

    @property
    def last_contact(self) -> float | None:
        """Unix time at which kube-apiserver was last heard of; ``None`` before the first."""
        ...

    @property
    def fault(self) -> str:
        """What went wrong since, in words; empty when nothing did."""
        ...

    @property
    def has_synced(self) -> bool:
        """Whether a list has been completed."""
        ...

    @property
    def known(self) -> Sized:
        """All objects as last heard of."""
        ...

    @property
    def skipped(self) -> int:
        """Objects left out so far."""
        ...


class Collection:
    """Fills the store.

    Args:
        settings: Which nodes, how, how often.
        clock: Time.
        store: Takes all that is learned.
        observer: Is told how long scrapes took.
    """

    def __init__(self, settings: Settings, clock: Clock, store: Store, observer: Observer | None = None) -> None:
        self._settings = settings
        self._clock = clock
        self._store = store
        self._observer = observer
        self.watches: dict[str, Watch] = {}
        """By resource; empty before ``run`` has begun, as the next two are ``None``."""
        self.listed = asyncio.Event()
        """Set once the first lists of nodes and pods are complete."""
        self.scraper: Scraper | None = None
        self.kubelets: KubeletClient | None = None

    @property
    def has_synced(self) -> bool:
        """Whether the first lists of nodes and pods are complete."""
        return bool(self.watches) and all(watch.has_synced for watch in self.watches.values())

    async def run(self, connections: Connections) -> None:
        """Watch and scrape until cancelled.

        Raises:
            KubeConfigError: there is no usable way to kube-apiserver.
        """
        access, kube = await connections.open(self._settings.kubeconfig)
        from metrics_api.kube.reflector import Reflector  # brings the Kubernetes client
        from metrics_api.kube.watched import all_nodes, running_pods

        rng = random.Random()  # noqa: S311 - jitter, not a secret
        kubelets = self.kubelets = self._build_kubelets(access)
        scraper = self.scraper = self._build_scraper(kubelets)
        node_handler = _NodeHandler(self._settings, self._store, scraper)
        nodes = Reflector(kube, all_nodes(), node_handler, clock=self._clock, rng=rng)
        pods = Reflector(kube, running_pods(), _PodHandler(self._store), clock=self._clock, rng=rng)
        self.watches = {"nodes": nodes, "pods": pods}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(nodes.run())
                group.create_task(pods.run())
                group.create_task(scraper.run())
                group.create_task(self._say_when_listed(nodes, pods, scraper))
        finally:
            await kubelets.close()

    async def _say_when_listed(
        self, nodes: Reflector[NodeInfo, str], pods: Reflector[PodInfo, PodKey], scraper: Scraper
    ) -> None:
        await nodes.wait_synced()
        scraper.first_list_done()
        await pods.wait_synced()
        self.listed.set()
        _log.info("Nodes and pods are listed", extra={"fields": {"nodes": len(nodes.known), "pods": len(pods.known)}})
        if not nodes.known:
            _log.warning("The cluster has no nodes yet: there is nothing to scrape until one joins")

    def situation(self, node_name: str) -> Situation | None:
        """Return how the scraping of a node stands; ``None`` when it is not scraped, or nothing is yet."""
        return None if self.scraper is None else self.scraper.situation(node_name)

    def way(self, node_uid: str) -> Way | None:
        """Return how a node was asked the last time; ``None`` when it was not."""
        return None if self.kubelets is None else self.kubelets.way(node_uid)

    def _build_kubelets(self, access: KubeAccess) -> KubeletClient:
        from metrics_api.kubelet.client import KubeletClient
        from metrics_api.kubelet.options import KubeletOptions, TlsOptions
        from metrics_api.kubelet.tls import TlsContexts
        from metrics_api.kubelet.transport import KubeletTransport

        settings, tls = self._settings, access.tls
        options = KubeletOptions(
            address_types=settings.kubelet_preferred_address_types,
            port=settings.kubelet_port,
            use_node_status_port=settings.kubelet_use_node_status_port,
            endpoint=settings.kubelet_endpoint,
            denied_networks=settings.kubelet_denied_cidrs,
            plain_http=settings.deprecated_kubelet_completely_insecure,
            tls=TlsOptions(
                ca_file=settings.kubelet_certificate_authority or None,
                ca_data=tls.ca_bundle,
                verify=settings.kubelet_tls_verify,
                client_certificate_file=settings.kubelet_client_certificate or None,
                client_key_file=settings.kubelet_client_key or None,
                client_certificate_data=tls.certificate,
                client_key_data=tls.key,
            ),
        )
        contexts = None if options.plain_http else TlsContexts(options.tls, self._clock)
        return KubeletClient(options, access, KubeletTransport(contexts), self._clock)

    def _build_scraper(self, kubelets: KubeletClient) -> Scraper:
        from metrics_api.scraper.scraper import Scraper

        return Scraper(
            kubelets,
            self._store,
            self._clock,
            period=self._settings.metric_resolution,
            timeout=self._settings.kubelet_request_timeout,
            observer=self._observer,
        )


class _NodeHandler:
    """Tells store and scraper of nodes; only those that ``--node-selector`` selects are scraped and served."""

    def __init__(self, settings: Settings, store: Store, scraper: Scraper) -> None:
        self._selector = settings.node_label_selector
        self._store = store
        self._scraper = scraper

    def upsert(self, item: NodeInfo) -> None:
        selected = self._selector is None or self._selector.matches(item.labels)
        self._store.set_node(item, selected=selected)
        if selected:
            self._scraper.set_node(item)
        else:
            self._scraper.remove_node(item.name)

    def remove(self, key: str) -> None:
        self._scraper.remove_node(key)
        self._store.remove_node(key)


class _PodHandler:
    """Tells the store of pods."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def upsert(self, item: PodInfo) -> None:
        self._store.set_pod(item)

    def remove(self, key: PodKey) -> None:
        self._store.remove_pod(key)
