"""Clients of the cluster, or of one server, for as long as a command needs them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metrics_api.kube.access import KubeAccess
    from metrics_api.kube.client import KubeClient

_DEFAULT_KUBECONFIG = "~/.kube/config"
_LARGEST_BODY = 256 << 20


def find_kubeconfig(given: str) -> str:
    """Return the kubeconfig to use, as kubectl finds it; empty means in-cluster."""
    path = given or os.environ.get("KUBECONFIG", "")
    if not path:
        with contextlib.suppress(RuntimeError):  # a container's user need not have a home
            home = Path(_DEFAULT_KUBECONFIG).expanduser()
            path = str(home) if home.exists() else ""
    return path


@contextlib.asynccontextmanager
async def open_cluster(kubeconfig: str) -> AsyncIterator[KubeClient]:
    """Connect to the cluster that a kubeconfig names; empty means in-cluster.

    Raises:
        KubeConfigError: there is no usable way to it.
    """
    from metrics_api.kube.config import load_access

    async with open_client(await load_access(kubeconfig)) as client:
        yield client


@contextlib.asynccontextmanager
async def open_client(access: KubeAccess, *, largest_body: int = _LARGEST_BODY) -> AsyncIterator[KubeClient]:
    """Connect by known credentials; answers may have ``largest_body`` bytes."""
    from metrics_api.kube.client import KubeClient  # brings the kubernetes package: a second that --help need not wait

    client = KubeClient(access, largest_body=largest_body)
    try:
        yield client
    finally:
        await client.close()
