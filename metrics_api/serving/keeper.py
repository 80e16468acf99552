"""The TLS context of the moment. Certificates, keys and trusted authorities change while connections live on.

New connections meet the newest context: a callback swaps it in at the start of each handshake. A new pair that is
broken is reported, and the old one stays.
"""

from __future__ import annotations

import contextlib
import logging
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from metrics_api.errors import StartupError
from metrics_api.serving.certificates import ServingPair
from metrics_api.serving.context import server_context
from metrics_api.serving.refused import MessageCallback

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NamedPair:
    """A certificate for certain names that clients ask for (``--tls-sni-cert-key``)."""

    pair: ServingPair
    names: tuple[str, ...]
    """Host names in lower case, ``*.`` allowed in front."""

    @classmethod
    def of(cls, pair: ServingPair, names: Sequence[str]) -> NamedPair:
        """Return a pair for the given names; for those of its own certificate when none are given.

        Raises:
            StartupError: the certificate is not usable.
        """
        return cls(pair, tuple(name.lower() for name in names) or pair.names())

    def matches(self, server_name: str) -> bool:
        """Return whether this pair is meant for the name."""
        _, _, parent = server_name.partition(".")
        return server_name in self.names or f"*.{parent}" in self.names


class TlsKeeper:
    """Makes TLS contexts and swaps them.

    Args:
        pair: Certificate and key for all who ask for no other.
        named: Further ones, chosen by name; the first that matches.
        minimum: The oldest TLS version spoken.
        ciphers: OpenSSL's names; empty for its choice.
        ask_for_certificates: Whether clients are asked for a certificate. Those who show one must show a good one.

    Raises:
        StartupError: a pair or the suites are not usable.
    """

    def __init__(
        self,
        pair: ServingPair,
        named: Sequence[NamedPair] = (),
        *,
        minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
        ciphers: str = "",
        ask_for_certificates: bool = False,
    ) -> None:
        self._pair = pair
        self._named = tuple(named)
        self._minimum = minimum
        self._ciphers = ciphers
        self._ask = ask_for_certificates
        self._authorities = b""
        self._seen = self._fingerprint()
        self._shown = self._read_fingerprints()
        self._shown_before: tuple[bytes, ...] = ()
        self._current, self._by_name = self._build_all()
        self.context = self._build(pair)
        """Give this to the listener."""
        self.context.sni_callback = self._choose

    @property
    def certificate_file(self) -> Path:
        """Return where the certificate lies that all are shown who ask for no other."""
        return self._pair.certificate_file

    @property
    def authorities(self) -> bytes:
        """Return the PEM bundle against which client certificates are verified."""
        return self._authorities

    def fingerprints(self) -> list[bytes]:
        """Return the SHA-256 of each certificate that is shown, then of those shown before the latest change.

        The latter are for who shook hands just before it.
        """
        return [*self._shown, *self._shown_before]

    def watched(self, callback: MessageCallback) -> ssl.SSLContext:
        """Return a context for one connection, as strict as the current one, that hands over each TLS message.

        A client that asks for a name with a certificate of its own gets that one, unwatched.
        """
        context = self._build(self._pair)
        context._msg_callback = callback  # type: ignore[attr-defined] # there is no public way
        context.sni_callback = self._choose_named
        return context

    def trust(self, authorities: bytes) -> None:
        """Verify client certificates against this PEM bundle from the next connection on.

        Raises:
            ValueError: the bundle is not usable; the old one stays.
        """
        try:
            if authorities:
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=authorities.decode())
        except (ssl.SSLError, ValueError) as error:
            raise ValueError(f"the certificate authorities cannot be used: {error}") from error
        self._authorities = authorities
        try:
            self._current, self._by_name = self._build_all()
            self._remember_shown()
        except StartupError as error:
            # The pair's files are broken just now. New authorities cannot wait for them, so they are added to what is
            # in use; one that was taken away still verifies until the files are mended, and is believed by nobody.
            _log.warning("New authorities with the old serving certificate", extra={"fields": {"error": str(error)}})
            for context in (self._current, *(context for _, context in self._by_name)):
                if self._ask and authorities:
                    context.load_verify_locations(cadata=authorities.decode())

    def reload_if_changed(self) -> bool:
        """Read certificates and keys again when a file has changed; return whether new ones are in use."""
        seen = self._fingerprint()
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            self._current, self._by_name = self._build_all()
        except StartupError as error:
            _log.error(
                "A new serving certificate is not usable; the old one stays", extra={"fields": {"error": str(error)}}
            )
            return False
        self._remember_shown()
        _log.info("Serving certificates reloaded")
        return True

    def serve(self, pair: ServingPair) -> None:
        """Show this pair, where no other is asked for by name, from the next connection on.

        Raises:
            StartupError: it is not usable; the old one stays.
        """
        current = self._build(pair)
        self._pair, self._current = pair, current
        self._seen = self._fingerprint()
        self._remember_shown()

    def _remember_shown(self) -> None:
        """Note what is shown from now on; to be called when new contexts are in use."""
        shown = self._read_fingerprints()
        if shown != self._shown:
            self._shown, self._shown_before = shown, self._shown

    def _read_fingerprints(self) -> tuple[bytes, ...]:
        found = []
        for pair in (self._pair, *(named.pair for named in self._named)):
            with contextlib.suppress(OSError, ValueError):
                found.append(pair.fingerprint())
        return tuple(found)

    def _choose(self, tls: ssl.SSLObject, server_name: str | None, context: ssl.SSLContext) -> None:
        tls.context = self._current
        self._choose_named(tls, server_name, context)

    def _choose_named(self, tls: ssl.SSLObject, server_name: str | None, _context: ssl.SSLContext) -> None:
        name = (server_name or "").lower()
        for named, context in self._by_name:
            if named.matches(name):
                tls.context = context
                return

    def _build_all(self) -> tuple[ssl.SSLContext, list[tuple[NamedPair, ssl.SSLContext]]]:
        by_name = [(named, self._build(named.pair)) for named in self._named]
        return self._build(self._pair), by_name

    def _build(self, pair: ServingPair) -> ssl.SSLContext:
        context = server_context(pair, minimum=self._minimum, ciphers=self._ciphers)
        if self._ask:
            context.verify_mode = ssl.CERT_OPTIONAL
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            if self._authorities:
                context.load_verify_locations(cadata=self._authorities.decode())
        return context

    def _fingerprint(self) -> tuple[object, ...]:
        files = [
            path
            for pair in (self._pair, *(named.pair for named in self._named))
            for path in (pair.certificate_file, pair.key_file)
        ]
        return tuple(_state_of(path) for path in files)


def _state_of(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
