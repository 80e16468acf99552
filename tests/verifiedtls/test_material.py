"""The content of the Secret: what is made, what is read back, what is of no use."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography import x509
from hypothesis import example, given
from hypothesis import strategies as st

from metrics_api.errors import ServingSecretError
from metrics_api.objects import ObjectName
from metrics_api.pki import Authority
from metrics_api.verifiedtls import material
from metrics_api.verifiedtls.material import Change, Lifetimes, Material

NOW = 1_767_225_600.0
DAY = 86400.0
SERVICE = ObjectName("kube-system", "metrics-server")
NAME = "metrics-server.kube-system.svc"
LIFETIMES = Lifetimes()


def made(now: float = NOW) -> Material:
    return material.change(Change.MAKE, None, SERVICE, LIFETIMES, now)


MADE = made()


def stored(held: Material) -> dict[str, bytes]:
    return {key: value for key, value in material.write(held).items() if value is not None}


def test_what_is_made_is_believed_for_the_services_name_and_for_no_other() -> None:
    shown = material.shown(MADE.leaf.certificate)

    assert material.believes(MADE.bundle, shown, NAME, NOW)
    assert not material.believes(MADE.bundle, shown, "metrics-server.other.svc", NOW)
    assert not material.believes(made().bundle, shown, NAME, NOW)
    assert not material.believes(b"", shown, NAME, NOW)
    assert not material.believes(b"nonsense", shown, NAME, NOW)
    assert not material.believes(MADE.bundle, None, NAME, NOW)
    assert not material.believes(MADE.bundle, b"nonsense", NAME, NOW)


def test_what_has_ended_is_not_believed() -> None:
    end = material.expiry(MADE.leaf.certificate)

    assert end == NOW + LIFETIMES.leaf
    assert material.believes(MADE.bundle, material.shown(MADE.leaf.certificate), NAME, end - 1)
    assert not material.believes(MADE.bundle, material.shown(MADE.leaf.certificate), NAME, end + 1)


def test_a_leaf_ends_with_its_authority_at_the_latest() -> None:
    late = material.change(Change.RENEW_LEAF, MADE, SERVICE, LIFETIMES, NOW + 340 * DAY)

    assert material.expiry(late.leaf.certificate) == material.expiry(MADE.signing.certificate)


def test_the_leafs_names_fit_however_long_the_services_are() -> None:
    service = ObjectName("n" * 63, "s" * 63)
    held = material.change(Change.MAKE, None, service, LIFETIMES, NOW)

    assert material.believes(held.bundle, material.shown(held.leaf.certificate), material.server_name(service), NOW)


def test_a_rotation_keeps_everybody_believed_at_every_step() -> None:
    later = NOW + 250 * DAY
    renewed = material.change(Change.RENEW_LEAF, MADE, SERVICE, LIFETIMES, later)
    announced = material.change(Change.ADD_NEXT, renewed, SERVICE, LIFETIMES, later)
    promoted = material.change(Change.PROMOTE, announced, SERVICE, LIFETIMES, later)
    retired = material.change(Change.RETIRE, promoted, SERVICE, LIFETIMES, later)

    def believed(bundle: bytes, leaf_of: Material) -> bool:
        return material.believes(bundle, material.shown(leaf_of.leaf.certificate), NAME, later)

    assert announced.leaf == renewed.leaf
    assert promoted.signing == announced.next
    assert believed(announced.bundle, renewed)
    assert believed(announced.bundle, promoted)
    assert believed(promoted.bundle, renewed)
    assert material.certificates_of(announced.bundle) == material.certificates_of(promoted.bundle)
    assert not believed(retired.bundle, renewed)
    assert believed(retired.bundle, retired)


@pytest.mark.parametrize("change", [Change.ADD_NEXT, Change.RENEW_LEAF])
def test_what_is_written_is_read_back(change: Change) -> None:
    held = material.change(change, MADE, SERVICE, LIFETIMES, NOW)

    assert material.read(stored(held)) == held
    assert material.read(stored(MADE)) == MADE


def test_the_secret_carries_the_bundle_for_others_who_verify() -> None:
    announced = material.change(Change.ADD_NEXT, MADE, SERVICE, LIFETIMES, NOW)

    assert len(x509.load_pem_x509_certificates(stored(announced)["ca.crt"])) == 2


def test_an_empty_secret_holds_nothing_and_entries_of_others_do_not_matter() -> None:
    assert material.read({}) is None
    assert material.read({"tls.crt": b"", "note": b"x"}) is None
    assert material.read({**stored(MADE), "note": b"x"}) == MADE


STRANGER = Authority.create("stranger")
STRANGERS_LEAF = STRANGER.issue("x", dns_names=[NAME], server=True)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        pytest.param(lambda data: data.pop("tls.key"), "it lacks tls.key", id="half a pair"),
        pytest.param(lambda data: data.update({"tls.crt": b"no PEM"}), "PEM", id="certificate is no PEM"),
        pytest.param(lambda data: data.update({"tls.key": b"no PEM"}), "PEM", id="key is no PEM"),
        pytest.param(
            lambda data: data.update({"tls.key": STRANGERS_LEAF.key}), "tls.key does not belong", id="another key"
        ),
        pytest.param(
            lambda data: data.update({"signing-ca.key": STRANGER.pair.key}), "does not belong", id="another CA's key"
        ),
        pytest.param(
            lambda data: data.update({"tls.crt": STRANGERS_LEAF.certificate, "tls.key": STRANGERS_LEAF.key}),
            "signed by none",
            id="another authority's leaf",
        ),
        pytest.param(lambda data: data.update({"next-ca.crt": STRANGER.certificate}), "next-ca.key", id="half a CA"),
        pytest.param(lambda data: data.update({"previous-ca.crt": b"x"}), "PEM", id="previous is no PEM"),
        pytest.param(lambda data: data.update({"tls.crt": b"x" * 70_000}), "more than 65536", id="huge"),
    ],
)
def test_what_is_broken_is_said(broken: Callable[[dict[str, bytes]], object], said: str) -> None:
    data = stored(MADE)
    broken(data)

    with pytest.raises(ServingSecretError, match=said):
        material.read(data)


DER = material.shown(MADE.leaf.certificate)


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # of a serial number below 1
@example([(12, 1)])  # a version that there is not: what the library raises is no ValueError
@given(st.lists(st.tuples(st.integers(0, len(DER) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_certificate_made_to_confuse_is_not_believed_and_does_no_harm(edits: list[tuple[int, int]]) -> None:
    hostile = bytearray(DER)
    for place, value in edits:
        hostile[place] = value
    pem = f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(hostile).decode()}\n-----END CERTIFICATE-----\n".encode()

    unchanged = bytes(hostile) == DER
    assert material.believes(MADE.bundle, bytes(hostile), NAME, NOW) is unchanged
    assert material.believes(pem, DER, NAME, NOW) is unchanged
    material.certificates_of(pem)
    material.ends_of(pem)
    with contextlib.suppress(ServingSecretError):
        material.read({**stored(MADE), "tls.crt": pem, "previous-ca.crt": pem})


def test_nothing_is_promoted_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="no next"):
        material.change(Change.PROMOTE, MADE, SERVICE, LIFETIMES, NOW)
    with pytest.raises(ValueError, match="needs something"):
        material.change(Change.RETIRE, None, SERVICE, LIFETIMES, NOW)
    assert material.change(Change.RESTORE, replace(MADE), SERVICE, LIFETIMES, NOW) == MADE
