"""How long the aggregation layer waits, and how often it looks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds; the defaults are kube-apiserver's."""

    request_timeout: float = 60.0
    """For the whole of a request that is not long-running: ``--request-timeout``."""
    discovery_request_timeout: float = 5.0
    """For what is proxied to exactly ``/apis/<group>/<version>``."""
    dial_timeout: float = 30.0
    """For a TCP connection to a backend."""
    handshake_timeout: float = 10.0
    """For TLS on top of it."""
    keep_idle: float = 90.0
    """That a connection to a backend is kept without a request."""
    http2_quiet: float = 30.0
    """Without a byte on an HTTP/2 connection until the backend is asked whether it lives."""
    http2_ping_timeout: float = 15.0
    """For its answer to that."""
    probe_timeout: float = 5.0
    """For one availability probe, dialling included."""
    resync: float = 30.0
    """Between availability checks without a cause."""
    discovery_poll: float = 60.0
    """Between polls of a backend's discovery document; also the longest back-off."""
    discovery_timeout: float = 5.0
    openapi_poll: float = 60.0
    """Between polls of a backend's OpenAPI documents; also the first back-off."""
    openapi_delay: float = 1.0
    """From a new APIService to the poll of OpenAPI v2, from any change of one to that of v3."""
    openapi_timeout: float = 60.0
