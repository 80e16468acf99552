"""How much patience and room there is for clients of whom nothing is known."""

from __future__ import annotations

import contextlib
import resource
from dataclasses import dataclass

_GUESTS = _IN_HANDSHAKE = 512


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
    guests: int = _GUESTS
    """Connections of clients that have shown no certificate; each takes 90 kB, and 270 with half a large head."""
    in_handshake: int = _IN_HANDSHAKE
    """Connections that have not yet finished their handshake."""

    @classmethod
    def within(cls, descriptors: int, *, answer: float) -> Limits:
        """Return limits that leave half of the process's file descriptors to those of whom something is known.

        Args:
            descriptors: That the process may have open.
            answer: See there.
        """
        most = max(descriptors // 4, 1)
        return cls(answer=answer, guests=min(_GUESTS, most), in_handshake=min(_IN_HANDSHAKE, most))


def raise_descriptor_limit(most: int = 1 << 16) -> int:
    """Let the process have as many file descriptors as it may, up to ``most``; return how many that are.

    Many systems start programs with 1,024, which is for those that use ``select``.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    wanted = most if hard == unlimited else min(most, hard)
    if soft != unlimited and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # a sandbox may forbid it: what there is must do
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return most if soft == unlimited else soft
