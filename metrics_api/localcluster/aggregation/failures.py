"""Why a backend could not be reached, in Go's words: clients of a real cluster know these texts.

One of them is poorer here: Python does not show the certificate it refused, so a wrong name is not followed by the
names that the certificate has.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator

import httpcore

from metrics_api.errors import MetricsApiError

_REFUSED_CERTIFICATES = {
    9: "certificate has expired or is not yet valid: current time is before its validity",
    10: "certificate has expired or is not yet valid: current time is after its validity",
    18: "certificate signed by unknown authority",
    19: "certificate signed by unknown authority",
    20: "certificate signed by unknown authority",
    21: "certificate signed by unknown authority",
    26: "certificate specifies an incompatible key usage",
}
"""OpenSSL's verification code -> Go's ``x509`` error."""
_WRONG_NAME = 62

_ALERTS = {
    "CERTIFICATE_REQUIRED": "certificate required",
    "UNKNOWN_CA": "unknown certificate authority",
    "CERTIFICATE_EXPIRED": "expired certificate",
    "BAD_CERTIFICATE": "bad certificate",
    "CERTIFICATE_UNKNOWN": "unknown certificate",
    "HANDSHAKE_FAILURE": "handshake failure",
    "PROTOCOL_VERSION": "protocol version not supported",
    "UNRECOGNIZED_NAME": "unrecognized name",
    "INTERNAL_ERROR": "internal error",
}
"""The end of OpenSSL's reason for an alert -> Go's text after ``remote error: tls: ``."""

_ERRNOS = {
    errno.ECONNREFUSED: "connection refused",
    errno.EHOSTUNREACH: "no route to host",
    errno.ENETUNREACH: "network is unreachable",
    errno.ECONNRESET: "connection reset by peer",
    errno.ETIMEDOUT: "connection timed out",
}

_LONGEST_QUOTE = 200  # characters of a library's text, which may quote the backend


class UnreachableError(MetricsApiError):
    """A backend gave no response; the message is Go's error text.

    Args:
        message: The text.
        unanswered: Whether the connection died before any byte of a response, which allows another try of a read.
        unprocessed: Whether the backend said that it has not looked at the request, which allows another of any.
    """

    def __init__(self, message: str, *, unanswered: bool = False, unprocessed: bool = False) -> None:
        super().__init__(message)
        self.unanswered = unanswered
        self.unprocessed = unprocessed


def explain(error: BaseException, address: str, server_name: str) -> UnreachableError:
    """Return the failure of one try, from what httpcore or OpenSSL raised.

    Args:
        error: The exception.
        address: ``host:port`` that was dialled.
        server_name: The name the certificate must have.
    """
    causes = list(_chain(error))
    for cause in causes:
        text = _tls_text(cause, server_name) if isinstance(cause, ssl.SSLError) else _dial_text(cause, address)
        if text is not None:
            return UnreachableError(text, unanswered=isinstance(error, httpcore.ReadError | httpcore.WriteError))
    if isinstance(error, httpcore.ConnectTimeout):
        return UnreachableError(f"dial tcp {address}: i/o timeout")
    said = str(error)[:_LONGEST_QUOTE]
    if isinstance(error, httpcore.ConnectError):
        return UnreachableError(f"dial tcp {address}: {said}" if said else "EOF")
    if isinstance(error, httpcore.ReadError | httpcore.WriteError):
        return UnreachableError("EOF", unanswered=True)
    if isinstance(error, httpcore.RemoteProtocolError) and "without sending" in str(error):
        return UnreachableError("EOF", unanswered=True)
    if isinstance(error, httpcore.RemoteProtocolError):
        return UnreachableError(f"net/http: HTTP/1.x transport connection broken: malformed HTTP response: {said}")
    return UnreachableError(f"net/http: {said}")


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _tls_text(error: ssl.SSLError, server_name: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        prefix = "tls: failed to verify certificate: x509: "
        if error.verify_code == _WRONG_NAME:
            return f"{prefix}certificate is not valid for {server_name}"
        return prefix + _REFUSED_CERTIFICATES.get(error.verify_code, error.verify_message)
    reason = error.reason or ""
    if isinstance(error, ssl.SSLEOFError) or "EOF" in reason:
        return "EOF"
    if "ALERT" in reason:
        alert = next((text for end, text in _ALERTS.items() if reason.endswith(end)), reason)
        return f"remote error: tls: {alert}"
    if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return "http: server gave HTTP response to HTTPS client"
    return f"tls: {reason or error}"


def _dial_text(error: BaseException, address: str) -> str | None:
    if isinstance(error, socket.gaierror):
        return f"dial tcp: lookup {address.rpartition(':')[0]}: no such host"
    if isinstance(error, OSError) and error.errno in _ERRNOS:
        text = _ERRNOS[error.errno]
        if error.errno == errno.ECONNRESET:
            return f"read tcp {address}: read: {text}"
        return f"dial tcp {address}: connect: {text}"
    return None
