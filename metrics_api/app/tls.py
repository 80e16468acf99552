"""TLS as the settings want it."""

from __future__ import annotations

from metrics_api.app.admission import asks_for_certificates
from metrics_api.serving.certificates import ServingPair, find_pair
from metrics_api.serving.keeper import NamedPair, TlsKeeper
from metrics_api.settings.cipher_suites import openssl_names
from metrics_api.settings.values import Settings


def build_tls(settings: Settings) -> TlsKeeper:
    """Return the keeper of certificates.

    Raises:
        StartupError: a pair or the suites are not usable.
    """
    pair = find_pair(
        settings.tls_cert_file, settings.tls_private_key_file, settings.cert_dir, str(settings.bind_address)
    )
    return TlsKeeper(
        pair,
        [
            NamedPair.of(ServingPair.at(each.certificate_file, each.key_file), each.names)
            for each in settings.tls_sni_cert_key
        ],
        minimum=settings.tls_min_version,
        ciphers=openssl_names(settings.tls_cipher_suites),
        ask_for_certificates=asks_for_certificates(settings),
    )
