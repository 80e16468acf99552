"""How a backend is trusted, and how the API server proves to be the front proxy.

Source: kube-aggregator ``remote.BuildTransportConfig``, client-go ``transport``.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from metrics_api.errors import MetricsApiError
from metrics_api.localcluster.aggregation.apiservice import APIService, ServiceReference
from metrics_api.pki import KeyPair


class TransportBuildError(MetricsApiError):
    """No connection can even be tried: the message is what the client is told, with code 500."""


@dataclass(frozen=True, slots=True)
class Trust:
    """All that a TLS connection to a backend depends on, but the address of an endpoint: one connection pool each."""

    service: ServiceReference
    """The Service behind the APIService."""
    ca_bundle: bytes
    """PEM; empty means the system's roots."""
    insecure: bool
    """Whether nothing is verified."""
    front_proxy: KeyPair | None
    """The client certificate; ``None`` presents none."""

    @property
    def server_name(self) -> str:
        """Return ``<service>.<namespace>.svc``: sent as SNI and verified, whatever address was dialled."""
        return f"{self.service.name}.{self.service.namespace}.svc"


def trust_of(service: APIService, front_proxy: KeyPair | None) -> Trust:
    """Return how a remote APIService's backend is trusted.

    Raises:
        ValueError: the APIService is local.
    """
    if service.service is None:
        raise ValueError(f"APIService {service.name!r} is local: it has no backend")
    return Trust(service.service, service.ca_bundle, service.insecure_skip_tls_verify, front_proxy)


HTTP1_AND_2 = ("h2", "http/1.1")
HTTP1 = ("http/1.1",)


def build_context(trust: Trust, protocols: Sequence[str] = HTTP1_AND_2) -> ssl.SSLContext:
    """Return the TLS context for a backend.

    Args:
        trust: What the connection depends on.
        protocols: Offered by ALPN, the preferred first.

    Raises:
        TransportBuildError: the CA bundle holds no certificate, or the front-proxy pair cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(protocols)
    if trust.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.hostname_checks_common_name = False  # Go looks at the subjectAltName only
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # Go trusts whatever the bundle holds, leaves included
        _load_roots(context, trust.ca_bundle)
    if trust.front_proxy is not None:
        _load_pair(context, trust.front_proxy)
    return context


def _load_roots(context: ssl.SSLContext, bundle: bytes) -> None:
    if not bundle:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return
    try:
        context.load_verify_locations(cadata=bundle.decode("ascii"))
    except (ssl.SSLError, UnicodeDecodeError, ValueError) as error:
        message = "unable to load root certificates: unable to parse bytes as PEM block"
        raise TransportBuildError(message) from error


def _load_pair(context: ssl.SSLContext, pair: KeyPair) -> None:
    # OpenSSL reads a chain from a file only. The file is the owner's alone and lives no longer than the call.
    descriptor, path = tempfile.mkstemp(suffix=".pem")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pair.key + b"\n" + pair.certificate)
        context.load_cert_chain(path)
    except ssl.SSLError as error:
        raise TransportBuildError(f"tls: failed to find any PEM data in key input: {error.reason}") from error
    finally:
        os.unlink(path)
