"""How much patience and room there is for clients of whom nothing is known."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds."""

    handshake: float = 10.0
    """For the TLS handshake; kube-apiserver gives up after as many."""
    request: float = 32.0
    """From a connection's, or a request's, first byte to the last one of its headers and body; Go's for headers."""
    stall: float = 30.0
    """Without taking a single byte of an answer; then the client is cut off."""
    answer: float = 60.0
    """In which a client must have taken what is in the way of more."""
    guests: int = 512
    """Connections of clients that have shown no certificate; each takes up to about 90 kB."""
    in_handshake: int = 512
    """Connections that have not yet finished their handshake."""
