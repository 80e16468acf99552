"""Whom the stand-in cluster trusts: its own certificate authority and the front proxy's."""

from __future__ import annotations

from dataclasses import dataclass

from metrics_api.pki import Authority

FRONT_PROXY_NAME = "front-proxy-client"
"""The common name that the aggregation layer's client certificate has."""


@dataclass(frozen=True, slots=True)
class Authorities:
    """The two authorities; they are never the same, or anybody with a client certificate could play the front proxy."""

    cluster: Authority
    """Signs the API server's certificate and those of clients."""
    front_proxy: Authority
    """Signs the aggregation layer's client certificate only."""

    @classmethod
    def create(cls) -> Authorities:
        """Return two new ones."""
        return cls(Authority.create("cluster-ca"), Authority.create("front-proxy-ca"))
