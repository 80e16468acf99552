"""Bringing in the Kubernetes client: half a second of CPU and 20 MB, so only who talks to a cluster pays for it."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType


def import_client() -> ModuleType:
    """Return ``kubernetes.aio.client``.

    The library asks for the home directory while it is imported, and fails where there is none: with an arbitrary uid
    and no ``HOME``. Then ``HOME`` is set to ``/``, as container runtimes do; nothing is looked for there.
    """
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = "/"
    import kubernetes.aio.client

    client: ModuleType = kubernetes.aio.client
    return client
