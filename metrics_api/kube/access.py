"""What is needed to talk to kube-apiserver, kept fresh: files are read again, exec plugins run again.

It stands apart from the client because the scraper shows the same credentials to kubelets.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from metrics_api.clock import Clock
from metrics_api.errors import KubeConfigError
from metrics_api.kube.credential_files import Place, read_ca, read_key_pair, read_token
from metrics_api.kube.exec_plugin import PluginCredentials

logger = logging.getLogger(__name__)

_FILES_PERIOD = 60.0  # as client-go; a projected service account token is replaced long before it expires
_REFRESH_FLOOR = 5.0  # a server that refuses everything must not make us run the plugin for every request
_EARLY = 10.0  # a plugin's credentials are replaced this long before they expire


class Plugin(Protocol):
    """Where credentials come from that no file holds."""

    async def run(self) -> PluginCredentials:
        """Return new ones, or raise ``KubeConfigError``."""
        ...


class TlsFiles(NamedTuple):
    """What a TLS connection is built from, all PEM."""

    ca_bundle: bytes | None
    """``None`` for the machine's own CAs."""
    certificate: bytes | None
    key: bytes | None


@dataclass(frozen=True, slots=True)
class Places:
    """Where each thing is; ``None`` for what there is not."""

    ca_bundle: Place | None = None
    certificate: Place | None = None
    key: Place | None = None
    token: Place | None = None

    def any_file(self) -> bool:
        """Return whether one of them is a file, which may change."""
        places = (self.ca_bundle, self.certificate, self.key, self.token)
        return any(place is not None and place.file is not None for place in places)

    def read(self) -> tuple[TlsFiles, str | None]:
        """Return all of it, the token last, or raise ``KubeConfigError``."""
        ca_bundle = read_ca(self.ca_bundle) if self.ca_bundle else None
        pair = read_key_pair(self.certificate, self.key) if self.certificate and self.key else (None, None)
        return TlsFiles(ca_bundle, *pair), read_token(self.token) if self.token else None


@dataclass(frozen=True, slots=True)
class Server:
    """The API server and how it is reached."""

    url: str
    """``https://host:port/prefix`` without a slash at the end."""
    insecure: bool = False
    """Its certificate is not checked: the operator said so."""
    tls_server_name: str | None = None
    """The name its certificate is checked against, when that is not the host."""
    proxy_url: str | None = None


class KubeAccess:
    """An API server with credentials for it. Made by ``config.load_access``; ``start`` reads them first.

    Args:
        server: The API server.
        places: Where certificates and the token are.
        plugin: An exec plugin; what it gives goes before what the places hold.
        basic: User name and password, sent when there is no token.
        clock: Tells when to read again.
    """

    def __init__(
        self,
        server: Server,
        places: Places,
        *,
        clock: Clock,
        plugin: Plugin | None = None,
        basic: tuple[str, str] | None = None,
    ) -> None:
        self.server = server
        self._places = places
        self._plugin = plugin
        self._clock = clock
        self._basic = None if basic is None else base64.b64encode(":".join(basic).encode()).decode()
        self._files = TlsFiles(None, None, None)
        self._file_token: str | None = None
        self._given: PluginCredentials | None = None
        self._due = 0.0  # monotonic
        self._ran = 0.0  # monotonic: the plugin's last run
        self._failing = False
        self._lock = asyncio.Lock()

    @property
    def tls(self) -> TlsFiles:
        """CA bundle, client certificate and key as they are now; an unequal value means a new connection is due."""
        if self._given is not None and self._given.certificate is not None:
            return TlsFiles(self._files.ca_bundle, self._given.certificate, self._given.key)
        return self._files

    async def start(self) -> None:
        """Read everything once.

        Raises:
            KubeConfigError: Something is missing or wrong.
        """
        await self._read()

    async def token(self, *, refresh: bool = False) -> str | None:
        """Return the bearer token, ``None`` when there is none.

        Files are read at most once a minute and plugins run when what they gave expires. What then fails is logged
        once, and the old credentials stay: the server says whether they are still good.

        Args:
            refresh: The server refused the token: read files now, and run a plugin that has not run just before.
        """
        await self.update(refresh=refresh)
        return self._current_token()

    async def authorization(self, *, refresh: bool = False) -> str | None:
        """Return the ``Authorization`` header for the API server, ``None`` for none. Not for kubelets."""
        token = await self.token(refresh=refresh)
        if token is not None:
            return f"Bearer {token}"
        return f"Basic {self._basic}" if self._basic is not None else None

    async def update(self, *, refresh: bool = False) -> None:
        """Read again what is due; costs a comparison when nothing is."""
        if self._clock.monotonic() < self._due and not refresh:
            return
        async with self._lock:
            if refresh or self._clock.monotonic() >= self._due:  # else another task did it while this one waited
                await self._try_again(refresh=refresh)

    async def _try_again(self, *, refresh: bool) -> None:
        try:
            await self._read(refresh=refresh)
        except KubeConfigError as error:
            self._due = self._clock.monotonic() + _FILES_PERIOD
            if not self._failing:
                logger.warning("credentials for kube-apiserver cannot be renewed, the old ones stay: %s", error)
            self._failing = True
        else:
            if self._failing:
                logger.info("credentials for kube-apiserver are renewed again")
            self._failing = False

    async def _read(self, *, refresh: bool = False) -> None:
        self._files, self._file_token = self._places.read()
        if self._plugin is not None and self._plugin_is_due(refresh=refresh):
            self._ran = self._clock.monotonic()
            self._given = await self._plugin.run()
        self._due = self._next_due()

    def _plugin_is_due(self, *, refresh: bool) -> bool:
        if self._given is None:
            return True
        if refresh:
            return self._clock.monotonic() >= self._ran + _REFRESH_FLOOR
        return self._given.expires is not None and self._clock.now() >= self._given.expires - _EARLY

    def _next_due(self) -> float:
        now = self._clock.monotonic()
        due = now + _FILES_PERIOD if self._places.any_file() else float("inf")
        if self._given is not None and self._given.expires is not None:
            due = min(due, now + max(self._given.expires - _EARLY - self._clock.now(), _REFRESH_FLOOR))
        return due

    def _current_token(self) -> str | None:
        return (self._given.token if self._given is not None else None) or self._file_token
