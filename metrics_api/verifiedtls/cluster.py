"""What verified TLS needs of Kubernetes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from metrics_api.objects import APIServiceState, Endpoint, LeaseState, SecretState


class Cluster(Protocol):
    """Reads and writes the objects; every call may raise ``KubeError``, a write of an old version one with 409."""

    async def secret(self) -> SecretState | None:
        """Return the Secret, ``None`` when there is none."""
        ...

    async def write_secret(
        self, version: str, data: Mapping[str, bytes | None], annotations: Mapping[str, str | None]
    ) -> None:
        """Set entries and annotations of the Secret; ``None`` removes one."""
        ...

    async def lease(self) -> LeaseState | None:
        """Return the Lease, ``None`` when there is none."""
        ...

    async def write_lease(self, lease: LeaseState) -> None:
        """Replace the Lease's content."""
        ...

    async def api_services(self) -> Sequence[APIServiceState]:
        """Return the APIServices of our group that exist."""
        ...

    async def set_trust(
        self, api_service: APIServiceState, ca_bundle: bytes | None, annotations: Mapping[str, str | None]
    ) -> None:
        """Have our certificate verified by this bundle, or with ``None`` not at all; one patch either way."""
        ...

    async def endpoints(self) -> Sequence[Endpoint]:
        """Return the ready endpoints of our Service."""
        ...
