"""A metrics server asked at its own address, without kube-apiserver in between."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from metrics_api.clock import SystemClock

if TYPE_CHECKING:
    from metrics_api.kube.access import KubeAccess, Places, Server


async def direct_access(server: Server, places: Places) -> KubeAccess:
    """Return the way to a server, and what it is verified by and shown: nothing else is ever sent there.

    Raises:
        KubeConfigError: a file cannot be read, or does not hold what it should.
    """
    from metrics_api.kube.access import KubeAccess

    access = KubeAccess(server, places, clock=SystemClock())
    await access.start()
    return access


def named_files(token_file: str, ca_file: str) -> Places:
    """Return credentials in files that the user names; empty for none, and for the machine's own authorities."""
    from metrics_api.kube.access import Places
    from metrics_api.kube.credential_files import Place

    def place(flag: str, file: str) -> Place | None:
        return Place(flag, Path(file), None) if file else None

    return Places(ca_bundle=place("--ca-file", ca_file), token=place("--token-file", token_file))


async def same_credentials(access: KubeAccess, authority: bytes) -> Places:
    """Return what is shown to kube-apiserver, for a server whose certificate this authority (PEM) has signed."""
    from metrics_api.kube.access import Places
    from metrics_api.kube.credential_files import Place

    def place(what: str, data: bytes | None) -> Place | None:
        return None if data is None else Place(what, None, data)

    token = await access.token()
    return Places(
        Place("--server-ca", None, authority),
        place("client certificate", access.tls.certificate),
        place("client key", access.tls.key),
        place("token", None if token is None else token.encode()),
    )
