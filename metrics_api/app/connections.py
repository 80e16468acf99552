"""The ways to kube-apiserver: one client for each kubeconfig, opened when the program has begun to listen."""

from __future__ import annotations

import asyncio
import importlib
import sys
from typing import TYPE_CHECKING

from metrics_api.clock import Clock
from metrics_api.errors import KubeUnreachableError

if TYPE_CHECKING:
    from metrics_api.kube.access import KubeAccess
    from metrics_api.kube.client import KubeClient


_IMPORTING_SWITCH_INTERVAL = 0.0005


class Connections:
    """Opens clients and closes them all.

    Args:
        clock: Time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._opened: dict[str, tuple[KubeAccess, KubeClient]] = {}

    async def open(self, kubeconfig: str) -> tuple[KubeAccess, KubeClient]:
        """Return credentials and client of a kubeconfig, the same for the same file; empty is in-cluster.

        Raises:
            KubeConfigError: there is no usable way.
        """
        if kubeconfig not in self._opened:
            await asyncio.to_thread(_import_client)
            from metrics_api.kube.client import KubeClient
            from metrics_api.kube.config import load_access

            access = await load_access(kubeconfig, clock=self._clock)
            self._opened[kubeconfig] = access, KubeClient(access)
        return self._opened[kubeconfig]

    async def close(self) -> None:
        """Close all of them."""
        for _, client in self._opened.values():
            await client.close()
        self._opened.clear()


def _import_client() -> None:
    """Import the Kubernetes client: a second of CPU, so in a thread, and one that often gives way to the event loop.

    At a tenth of a core the loop would otherwise get its turn too seldom to answer a probe within a second.
    """
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_IMPORTING_SWITCH_INTERVAL)
    try:
        importlib.import_module("metrics_api.kube.client")
        from metrics_api.kube.library import import_client

        import_client()
    finally:
        sys.setswitchinterval(usual)


class LatePoster:
    """Posts through a client that is not there from the beginning; until then there is no answer."""

    def __init__(self) -> None:
        self.client: KubeClient | None = None

    async def post(self, path: str, body: bytes, *, timeout: float) -> bytes:  # noqa: ASYNC109 - the client's own bound
        """Return the answer, or raise ``KubeError``."""
        if self.client is None:
            raise KubeUnreachableError("the connection to kube-apiserver is not open yet")
        return await self.client.post(path, body, timeout=timeout)
