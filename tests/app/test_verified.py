"""The certificate that replicas share, where the program begins with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from metrics_api.app.verified import Verified, parse_service, serving_objects
from metrics_api.pki import Authority
from metrics_api.serving.certificates import ServingPair, keep_pair
from metrics_api.settings.values import Settings
from tests.fakes import FakeClock


@pytest.mark.parametrize(("minutes", "served"), [(5, True), (-5, False)], ids=["still good", "ended"])
def test_the_pair_of_the_containers_last_life_is_served_while_it_is_good(
    tmp_path: Path, minutes: int, served: bool
) -> None:
    end = datetime.now(UTC) + timedelta(minutes=minutes)
    keep_pair(tmp_path / "verified-tls.pem", *Authority.create("ca").issue("x", server=True, not_after=end))
    shown: list[ServingPair] = []
    settings = Settings(verified_tls="kube-system/metrics-server", cert_dir=str(tmp_path))
    verified = Verified(settings, FakeClock(), shown.append)

    assert bool(shown) is served
    assert verified.readiness() == "the certificate that replicas share is not looked at yet"


def test_secret_and_lease_are_named_after_the_service() -> None:
    assert str(serving_objects(parse_service("monitoring/ms"))) == "monitoring/ms-serving"
