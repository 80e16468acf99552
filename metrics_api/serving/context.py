"""The TLS context that clients meet."""

from __future__ import annotations

import ssl

from metrics_api.errors import StartupError
from metrics_api.serving.certificates import ServingPair


def server_context(
    pair: ServingPair,
    *,
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
    ciphers: str = "",
) -> ssl.SSLContext:
    """Return a context that serves with ``pair``.

    Args:
        pair: Certificate and key.
        minimum: The oldest TLS version spoken.
        ciphers: OpenSSL's names of the TLS 1.2 suites, separated by colons; empty for OpenSSL's choice.

    Only HTTP/1.1 is offered. There are no tickets: a resumed session carries no certificate chain, and an identity must
    be proven on each connection. ``chain`` tells those that are resumed all the same.

    Raises:
        StartupError: the pair or the suites are not usable.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = minimum
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = 0
    context.set_alpn_protocols(["http/1.1"])
    if ciphers:
        try:
            context.set_ciphers(ciphers)
        except ssl.SSLError as error:
            raise StartupError(f"--tls-cipher-suites: this OpenSSL knows none of {ciphers!r}") from error
    pair.load_into(context)
    return context
