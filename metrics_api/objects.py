"""The few objects of a cluster that this program writes, and the endpoints of its own Service, as values.

They stand between ``kube``, which reads and writes them, and those who decide what is to be written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

WRITTEN = "metrics-api/ca-bundle"
"""Annotation of an APIService: the digest of the caBundle that we wrote, so that another hand is noticed."""


class ObjectName(NamedTuple):
    """What names an object of a known kind."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Endpoint(NamedTuple):
    """Where one replica answers."""

    address: str
    """An IP address."""
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class SecretState:
    """A Secret."""

    version: str
    """``resourceVersion``: a write that names it fails when somebody else was quicker."""
    data: Mapping[str, bytes]
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LeaseState:
    """A Lease of ``coordination.k8s.io``."""

    version: str
    holder: str = ""
    """Who leads; empty for nobody."""
    duration: int = 0
    """Seconds after ``renewed`` until others may take it."""
    acquired: str = ""
    """RFC 3339 with microseconds, as is ``renewed``; by the holder's clock."""
    renewed: str = ""
    transitions: int = 0


@dataclass(frozen=True, slots=True)
class APIServiceState:
    """An APIService, as far as trust goes."""

    name: str
    version: str
    """``resourceVersion``."""
    service: ObjectName | None
    """``None``: kube-apiserver serves it itself."""
    is_insecure: bool
    """``insecureSkipTLSVerify``."""
    ca_bundle: bytes
    """PEM; empty for none."""
    annotations: Mapping[str, str] = field(default_factory=dict)
