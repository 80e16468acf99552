"""What a TLS failure means to an operator, and what to do about it."""

from __future__ import annotations

import ssl

from metrics_api.errors import ScrapeError

_NOT_YET_VALID, _EXPIRED = 9, 10  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
_NAME_MISMATCHES = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH

_NO_TLS = "What answers on this port does not speak TLS: see --kubelet-port"
_NO_COMMON_VERSION = "The kubelet and we have no TLS version in common; 1.2 is the least"
_ADVICE = (
    # A part of OpenSSL's reason, and what it means here; the first that fits.
    ("WRONG_VERSION_NUMBER", _NO_TLS),
    ("HTTP_REQUEST", _NO_TLS),
    ("RECORD_LAYER_FAILURE", _NO_TLS),
    ("PROTOCOL_VERSION", _NO_COMMON_VERSION),
    ("UNSUPPORTED_PROTOCOL", _NO_COMMON_VERSION),
    (
        "CERTIFICATE_REQUIRED",
        "The kubelet wants a client certificate: --kubelet-client-certificate, --kubelet-client-key",
    ),
    ("ALERT", "The kubelet refused us; a client certificate must be signed by an authority in its clientCAFile"),
)


class UntrustedError(ScrapeError):
    """OpenSSL does not accept the kubelet's certificate; nothing was sent.

    Args:
        error: OpenSSL's.
        host: The address dialled.
    """

    def __init__(self, error: ssl.SSLCertVerificationError, host: str) -> None:
        advice = _verification_advice(error.verify_code, host)
        super().__init__("tls", f"the kubelet's certificate is not accepted: {error.verify_message}. {advice}")
        self.code: int = error.verify_code
        """X509_V_ERR."""
        self.problem: str = error.verify_message
        """The same in words."""


def tls_error(error: ssl.SSLError, host: str) -> ScrapeError:
    """Return our error for one of the TLS library.

    Args:
        error: As the handshake, or a later read, raised it.
        host: The address dialled, which the certificate must name.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return UntrustedError(error, host)
    reason = (getattr(error, "reason", None) or str(error))[:200]
    if "ALERT_INTERNAL_ERROR" in reason:
        return ScrapeError(
            "no_serving_cert",
            "the kubelet has no serving certificate yet (TLS alert internal_error). With serverTLSBootstrap its request"
            " must be approved: kubectl get csr, kubectl certificate approve",
        )
    for part, advice in _ADVICE:
        if part in reason:
            return ScrapeError("tls", f"TLS failed: {reason}. {advice}")
    return ScrapeError("tls", f"TLS failed: {reason}")


def _verification_advice(code: int, host: str) -> str:
    if code in _NAME_MISMATCHES:
        return (
            f"It does not name {host!r}: prefer an address type that it names (--kubelet-preferred-address-types), or"
            " let kubelets have certificates with their addresses (serverTLSBootstrap: true)"
        )
    if code in (_NOT_YET_VALID, _EXPIRED):
        return "Renew it (kubelets do so themselves with serverTLSBootstrap: true), and compare the clocks"
    return (
        "Kubelets sign their own certificate unless serverTLSBootstrap is true. Let the cluster sign them, or name"
        " their authority with --kubelet-certificate-authority; --kubelet-insecure-tls turns verification off, for"
        " tests only"
    )
