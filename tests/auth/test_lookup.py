from __future__ import annotations

import logging
from pathlib import Path

import pytest

from metrics_api.auth.lookup import TrustFlags, TrustLookup
from metrics_api.auth.trust import FrontProxyRules, Trust, authorities
from metrics_api.errors import StartupError
from metrics_api.model import ConfigMapInfo
from metrics_api.pki import Authority

USERS = Authority.create("cluster-ca").certificate
PROXIES = Authority.create("front-proxy-ca").certificate
DATA = {
    "client-ca-file": USERS.decode(),
    "requestheader-client-ca-file": PROXIES.decode(),
    "requestheader-allowed-names": '["front-proxy-client"]',
    "requestheader-username-headers": '["X-Remote-User"]',
    "requestheader-group-headers": '["X-Remote-Group"]',
    "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
}


class Applied:
    """Remembers what was applied; refuses bundles as the TLS layer would."""

    def __init__(self) -> None:
        self.trusts: list[Trust] = []

    def __call__(self, trust: Trust) -> None:
        for bundle in (trust.client_ca, trust.proxy_ca):
            if bundle:
                authorities(bundle)
        self.trusts.append(trust)


def config_map(**changes: str | None) -> ConfigMapInfo:
    named = {key.replace("_", "-"): value for key, value in changes.items()}
    data = {key: value for key, value in {**DATA, **named}.items() if value is not None}
    return ConfigMapInfo("kube-system", "extension-apiserver-authentication", "u", data)


def lookup(applied: Applied, flags: TrustFlags | None = None) -> TrustLookup:
    found = TrustLookup(flags or TrustFlags(), applied)
    found.start()
    return found


def test_the_config_map_says_whom_to_believe() -> None:
    applied = Applied()
    lookup(applied).upsert(config_map())

    assert applied.trusts == [
        Trust(
            USERS,
            PROXIES,
            FrontProxyRules(
                allowed_names=("front-proxy-client",),
                username_headers=("x-remote-user",),
                group_headers=("x-remote-group",),
                uid_headers=(),
                extra_prefixes=("x-remote-extra-",),
            ),
        )
    ]


def test_nothing_is_believed_before_it_is_read() -> None:
    applied = Applied()
    lookup(applied)

    assert applied.trusts == []


def test_a_rotated_authority_is_applied_and_the_same_content_is_not_applied_again() -> None:
    applied = Applied()
    looking = lookup(applied)
    following = Authority.create("next").certificate
    looking.upsert(config_map())
    looking.upsert(config_map())
    looking.upsert(config_map(requestheader_client_ca_file=following.decode()))

    assert [trust.proxy_ca for trust in applied.trusts] == [PROXIES, following]


@pytest.mark.parametrize(
    ("key", "kept"), [("client_ca_file", "proxy_ca"), ("requestheader_client_ca_file", "client_ca")]
)
def test_a_missing_key_switches_that_proof_off_and_not_the_other(key: str, kept: str) -> None:
    applied = Applied()
    lookup(applied).upsert(config_map(**{key: None}))

    trust = applied.trusts[0]
    assert getattr(trust, kept)
    assert trust.bundle == getattr(trust, kept)


@pytest.mark.parametrize(
    "broken",
    [
        {"requestheader_client_ca_file": "no pem"},
        {"client_ca_file": "-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n"},
        {"requestheader_allowed_names": "front-proxy-client"},
        {"requestheader_allowed_names": '{"a": 1}'},
        {"requestheader_allowed_names": "[1]"},
        {"requestheader_username_headers": "[]"},
        {"requestheader_group_headers": "[" * 5000},
    ],
    ids=lambda broken: next(iter(broken)),
)
def test_an_update_that_makes_no_sense_is_said_and_changes_nothing(
    broken: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    applied = Applied()
    looking = lookup(applied)
    looking.upsert(config_map())

    with caplog.at_level(logging.ERROR):
        looking.upsert(config_map(**broken))
        looking.refresh()

    assert len(applied.trusts) == 1
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == [
        "The authentication configuration makes no sense; the old one stays in force"
    ]


def test_a_config_map_that_is_deleted_locks_nobody_out() -> None:
    applied = Applied()
    looking = lookup(applied)
    looking.upsert(config_map())
    looking.remove("extension-apiserver-authentication")
    looking.refresh()

    assert len(applied.trusts) == 1


def test_flags_win_over_the_config_map(tmp_path: Path) -> None:
    own = Authority.create("own").certificate
    (tmp_path / "ca").write_bytes(own)
    rules = FrontProxyRules(allowed_names=("me",))
    applied = Applied()
    looking = lookup(applied, TrustFlags(str(tmp_path / "ca"), str(tmp_path / "ca"), rules))
    looking.upsert(config_map())

    assert applied.trusts == [Trust(own, own, rules)]


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "ca"
    file.write_bytes(USERS)
    applied = Applied()
    looking = lookup(applied, TrustFlags(client_ca_file=str(file)))
    file.write_bytes(PROXIES)

    looking.refresh()

    assert [trust.client_ca for trust in applied.trusts] == [USERS, PROXIES]


def test_what_came_while_a_file_was_broken_is_applied_once_it_is_mended(tmp_path: Path) -> None:
    file = tmp_path / "ca"
    file.write_bytes(USERS)
    applied = Applied()
    looking = lookup(applied, TrustFlags(client_ca_file=str(file)))
    file.write_bytes(b"broken")
    looking.upsert(config_map())

    file.write_bytes(USERS)
    looking.refresh()

    assert [trust.proxy_ca for trust in applied.trusts] == [b"", PROXIES]


@pytest.mark.parametrize("content", [None, b"no pem"])
def test_a_file_that_is_not_usable_at_start_ends_the_start(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ca"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(StartupError, match="--client-ca-file"):
        lookup(Applied(), TrustFlags(client_ca_file=str(file)))
