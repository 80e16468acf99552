"""The TLS context with which kubelets are met.

Authorities and client certificates are files that others rotate. They are compared with what is in use at most once a
minute, when a connection is used or made; connections of an older context are then dialled anew.
"""

from __future__ import annotations

import logging
import ssl
import tempfile
from pathlib import Path
from typing import NamedTuple, Protocol

from metrics_api.clock import Clock
from metrics_api.errors import StartupError
from metrics_api.kubelet.certificate import name_authorities
from metrics_api.kubelet.options import TlsOptions
from metrics_api.kubelet.verifier import Verifier

_log = logging.getLogger(__name__)

_CHECK_INTERVAL = 60.0
_BY_AUTHORITY = ("full", "node-name")


class ContextSource(Protocol):
    """Gives the TLS context to use now, and who decides whether a kubelet is believed."""

    @property
    def verifier(self) -> Verifier:
        """Return it; the same at all times."""
        ...

    def current(self) -> ssl.SSLContext:
        """Return it; the same object as before as long as nothing has changed. Does not raise."""
        ...


class _Material(NamedTuple):
    """PEM bytes that a context is built from."""

    authorities: bytes | None
    certificate: bytes | None
    key: bytes | None


class TlsContexts:
    """Keeps one context for all kubelets, and follows its files.

    Args:
        options: What to verify, and who we are.
        clock: For how often files are looked at.

    Raises:
        StartupError: a file is missing or no certificate, key or bundle.
    """

    def __init__(self, options: TlsOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._checked = clock.monotonic()
        try:
            self._material = _read(options)
            self._context = _build(options, self._material)
        except (OSError, ValueError) as error:
            raise StartupError(f"TLS to kubelets: {_file_fault(options, error)}") from error
        self._fault: str | None = None
        self.verifier = Verifier(options.verify, self._name_authorities, clock)
        """Decides whether a kubelet is believed."""

    def current(self) -> ssl.SSLContext:
        """Return the context; a new one when a file has changed and is usable, else the one in use."""
        now = self._clock.monotonic()
        if now - self._checked >= _CHECK_INTERVAL:
            self._checked = now
            self._refresh()
        return self._context

    def _name_authorities(self) -> str:
        authorities = self._material.authorities
        if authorities is None:
            return "the system's"
        return f"{name_authorities(authorities)}, from {self._options.ca_file or 'the kubeconfig or service account'}"

    def _refresh(self) -> None:
        try:
            material = _read(self._options)
            if material == self._material:
                self._fault = None
                return
            self._context = _build(self._options, material)
        except (OSError, ValueError) as error:
            # A rotation may be caught half-way: what is in use stays until the files are whole again.
            fault = _file_fault(self._options, error)
            if fault != self._fault:
                _log.warning(
                    "Files of TLS to kubelets are not usable; the ones read before stay in use",
                    extra={"fields": {"error": fault}},
                )
            self._fault = fault
        else:
            self._material, self._fault = material, None
            _log.info("TLS to kubelets: files changed and were read again")


def _read(options: TlsOptions) -> _Material:
    def content(file: str | None, data: bytes | None) -> bytes | None:
        return Path(file).read_bytes() if file else data

    return _Material(
        content(options.ca_file, options.ca_data) if options.verify in _BY_AUTHORITY else None,
        content(options.client_certificate_file, options.client_certificate_data),
        content(options.client_key_file, options.client_key_data),
    )


def _build(options: TlsOptions, material: _Material) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    context.check_hostname = options.verify == "full"
    if options.verify not in _BY_AUTHORITY:
        context.verify_mode = ssl.CERT_NONE
    else:
        # As in Go: names come from the subjectAltName only, and any certificate in the bundle is an anchor, so that a
        # kubelet's self-signed certificate can be trusted by itself.
        context.hostname_checks_common_name = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if material.authorities is None:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        else:
            context.load_verify_locations(cadata=material.authorities.decode("ascii"))
    if material.certificate is not None and material.key is not None:
        _load_client_pair(context, material.certificate, material.key)
    return context


def _load_client_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    # ssl reads pairs from files only. The file is ours alone (mode 0600) and gone at once.
    with tempfile.NamedTemporaryFile(prefix="kubelet-client-", suffix=".pem") as file:
        file.write(certificate.rstrip() + b"\n" + key)
        file.flush()
        context.load_cert_chain(file.name)


def _file_fault(options: TlsOptions, error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
        return (
            f"cannot read {error.filename}: {error.strerror}; check --kubelet-certificate-authority, "
            "--kubelet-client-certificate and --kubelet-client-key"
        )
    files = (options.ca_file, options.client_certificate_file, options.client_key_file)
    named = ", ".join(file for file in files if file is not None) or "the data given"
    return f"{named}: not usable PEM, or certificate and key do not belong together ({error})"
