"""Who is at the other end of a connection, as far as TLS has proved it."""

from __future__ import annotations

import ssl
from typing import Any

from metrics_api.serving.asgi import CHAIN, Scope


def peer_chain(scope: Scope) -> tuple[bytes, ...]:
    """Return the verified chain of a request's connection: DER, leaf first, trust anchor last; empty without one."""
    chain: tuple[bytes, ...] = scope["state"][CHAIN]
    return chain


def verified_chain(tls: ssl.SSLObject | None) -> tuple[bytes, ...]:
    """Return the chain that the TLS layer has verified; see ``peer_chain``.

    The method is public from Python 3.13 on and an inner one before; its items are DER there and objects here.
    """
    if tls is None:
        return ()
    inner: Any = tls
    get_chain = getattr(inner, "get_verified_chain", None) or inner._sslobj.get_verified_chain
    chain = get_chain()
    if not chain:
        return ()
    return tuple(each if isinstance(each, bytes) else _der(each) for each in chain)


def is_resumed(tls: ssl.SSLObject | None, chain: tuple[bytes, ...]) -> bool:
    """Tell whether the client proved who it is on an earlier connection only.

    A resumed session knows the certificate, and not the chain that was verified. There are no tickets, but OpenSSL
    keeps the sessions of TLS 1.2 that ended in order, and Python cannot tell it not to.
    """
    return not chain and tls is not None and tls.getpeercert(binary_form=True) is not None


def _der(certificate: Any) -> bytes:
    der: bytes = ssl.PEM_cert_to_DER_cert(certificate.public_bytes())
    return der
