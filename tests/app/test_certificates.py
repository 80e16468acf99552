from __future__ import annotations

from pathlib import Path

from cryptography import x509

from metrics_api.app.admission import Admission
from metrics_api.app.certificates import described, described_file, first_expiry
from metrics_api.app.collection import Collection
from metrics_api.app.measured import Measured
from metrics_api.pki import Authority
from metrics_api.settings.values import Settings
from tests.store.builders import HandClock, new_store


def end_of(pem: bytes) -> float:
    return x509.load_pem_x509_certificate(pem).not_valid_after_utc.timestamp()


def test_of_a_bundle_the_first_to_expire_counts() -> None:
    authority = Authority.create("a")
    leaf = authority.issue("leaf", server=True).certificate

    assert first_expiry(described(authority.certificate + leaf)) == min(end_of(leaf), end_of(authority.certificate))
    assert first_expiry(described(b"no certificate")) is None


def test_a_renewed_file_is_read_again_and_one_that_is_gone_is_absent(tmp_path: Path) -> None:
    clock, settings, file = HandClock(), Settings(authentication_skip_lookup=True), tmp_path / "tls.crt"
    store = new_store(clock)
    admission = Admission(settings, clock, lambda _: None, lambda _: ())
    measured = Measured(store, Collection(settings, clock, store), admission, certificate=lambda: file)
    assert measured.certificate_expiries() == {}

    for name in ("old", "new"):
        certificate = Authority.create("a").issue(name, server=True).certificate
        file.write_bytes(certificate)
        assert measured.certificate_expiries() == {"serving": end_of(certificate)}
    assert described_file(tmp_path / "nowhere") is None
