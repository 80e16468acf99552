"""Verified TLS, joined: kube-apiserver's objects, the loop that looks after them, and the listener that serves."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from metrics_api.app.connections import Connections
from metrics_api.clock import Clock
from metrics_api.objects import ObjectName
from metrics_api.serving.certificates import ServingPair, keep_pair, kept_pair
from metrics_api.settings.values import Settings

if TYPE_CHECKING:
    from metrics_api.pki import KeyPair
    from metrics_api.verifiedtls.loop import Timing, VerifiedTls

_NOT_BEGUN = "the certificate that replicas share is not looked at yet"


def serving_objects(service: ObjectName) -> ObjectName:
    """Return the name that the Secret and the Lease of a Service have in the manifests."""
    return ObjectName(service.namespace, f"{service.name}-serving")


def parse_service(text: str) -> ObjectName:
    """Return what ``--verified-tls`` names; the rules of the settings have looked at it."""
    return ObjectName(*text.split("/"))


class Verified:
    """One replica with a certificate that kube-apiserver can verify.

    Args:
        settings: The Service, and how to kube-apiserver.
        clock: Time.
        serve: Has the listener show a pair; raises ``StartupError``.
        timing: Of the loop; its own when ``None``.
    """

    def __init__(
        self, settings: Settings, clock: Clock, serve: Callable[[ServingPair], None], timing: Timing | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._serve = serve
        self._timing = timing
        self._service = parse_service(settings.verified_tls)
        self._file = Path(settings.cert_dir, "verified-tls.pem")
        self._loop: VerifiedTls | None = None
        self._kept = kept_pair(self._file)
        if self._kept is not None:
            serve(self._kept)  # of this container's last life: kube-apiserver may be away, or the Secret

    def readiness(self) -> str | None:
        """Return why kube-apiserver would not believe this replica yet; ``None`` when it would."""
        return _NOT_BEGUN if self._loop is None else self._loop.readiness()

    async def run(self, connections: Connections) -> None:
        """Look after the certificate until cancelled.

        Raises:
            KubeConfigError: there is no usable way to kube-apiserver.
        """
        _, client = await connections.open(self._settings.kubeconfig)
        from metrics_api.kube.written import ServingObjects  # brings the Kubernetes client
        from metrics_api.verifiedtls.decide import API_SERVICES  # brings cryptography
        from metrics_api.verifiedtls.loop import Timing, VerifiedTls
        from metrics_api.verifiedtls.material import shown

        self._loop = VerifiedTls(
            ServingObjects(client, self._service, serving_objects(self._service), API_SERVICES),
            self._service,
            self._clock,
            self._keep_and_serve,
            identity=f"{socket.gethostname()}_{secrets.token_hex(4)}",
            shown=None if self._kept is None else shown(self._kept.certificate_file.read_bytes()),
            timing=self._timing or Timing(),
        )
        await self._loop.run()

    def _keep_and_serve(self, pair: KeyPair) -> None:
        self._serve(keep_pair(self._file, *pair))
