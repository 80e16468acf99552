from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from metrics_api.auth.peers import NOBODY, PeerJudge
from metrics_api.auth.trust import FrontProxyRules, Trust
from metrics_api.pki import Authority
from tests.auth.certificates import chain, der

USERS = Authority.create("cluster-ca")
PROXIES = Authority.create("front-proxy-ca")
TRUST = Trust(
    client_ca=USERS.certificate,
    proxy_ca=PROXIES.certificate,
    rules=FrontProxyRules(allowed_names=("front-proxy-client",)),
)


def test_the_front_proxys_certificate_is_the_front_proxy_and_no_user() -> None:
    peer = PeerJudge(TRUST).judge(chain(PROXIES, "front-proxy-client"))

    assert peer.front_proxy
    assert peer.user is None
    assert peer.fault == ""


def test_the_front_proxys_name_from_the_users_authority_is_only_a_user() -> None:
    peer = PeerJudge(TRUST).judge(chain(USERS, "front-proxy-client"))

    assert not peer.front_proxy
    assert peer.user is not None
    assert peer.user.name == "front-proxy-client"


def test_another_name_from_the_front_proxys_authority_is_refused_by_name() -> None:
    peer = PeerJudge(TRUST).judge(chain(PROXIES, "kubernetes"))

    assert not peer.front_proxy
    assert peer.fault == "x509: subject with cn=kubernetes is not in the allowed list"


def test_any_name_is_the_front_proxy_when_no_names_are_listed() -> None:
    judge = PeerJudge(Trust(proxy_ca=PROXIES.certificate))

    assert judge.judge(chain(PROXIES, "whoever")).front_proxy


def test_a_users_certificate_names_user_groups_and_itself() -> None:
    peer = PeerJudge(TRUST).judge(chain(USERS, "alice", organizations=["dev", "ops"]))

    assert peer.user is not None
    assert (peer.user.name, peer.user.groups) == ("alice", ("dev", "ops", "system:authenticated"))
    assert peer.user.extra[0][0] == "authentication.kubernetes.io/credential-id"
    assert peer.user.extra[0][1][0].startswith("X509SHA256=")


def test_an_unknown_authority_of_the_same_name_proves_nothing() -> None:
    peer = PeerJudge(TRUST).judge(chain(Authority.create("front-proxy-ca"), "front-proxy-client"))

    assert (peer.front_proxy, peer.user) == (False, None)
    assert "unknown authority" in peer.fault


def test_one_authority_for_both_gives_both_opinions() -> None:
    trust = Trust(client_ca=USERS.certificate, proxy_ca=USERS.certificate, rules=TRUST.rules)

    proxy = PeerJudge(trust).judge(chain(USERS, "front-proxy-client"))
    alice = PeerJudge(trust).judge(chain(USERS, "alice"))

    assert proxy.front_proxy
    assert not alice.front_proxy
    assert alice.user is not None


def test_no_certificate_proves_nothing() -> None:
    assert PeerJudge(TRUST).judge(()) is NOBODY


def test_a_name_that_is_empty_is_no_user() -> None:
    assert PeerJudge(TRUST).judge((b"not a certificate", der(USERS.certificate))).user is None


def test_the_validity_of_the_leaf_is_told() -> None:
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    peer = PeerJudge(TRUST).judge(chain(USERS, "alice", not_after=end))

    assert peer.not_after == end.timestamp()


def test_faults_are_told_once_each_and_forgotten_with_the_trust() -> None:
    judge = PeerJudge(TRUST)
    for _ in range(2):
        judge.judge(chain(PROXIES, "kubernetes"))
    assert judge.faults == ("x509: subject with cn=kubernetes is not in the allowed list",)

    judge.set_trust(TRUST)
    assert not judge.faults


def test_a_new_trust_judges_connections_that_are_open_already() -> None:
    judge, old = PeerJudge(TRUST), chain(PROXIES, "front-proxy-client")
    assert judge.judge(old).front_proxy

    judge.set_trust(Trust(client_ca=USERS.certificate, proxy_ca=Authority.create("next").certificate))

    assert not judge.judge(old).front_proxy


@pytest.mark.parametrize("bundle", [b"garbage", b"-----BEGIN CERTIFICATE-----\nxx\n"])
def test_a_broken_bundle_is_refused_and_the_old_trust_stays(bundle: bytes) -> None:
    judge = PeerJudge(TRUST)

    with pytest.raises(ValueError, match=r".+"):
        judge.set_trust(Trust(proxy_ca=bundle))
    assert judge.judge(chain(PROXIES, "front-proxy-client")).front_proxy


def test_a_bundle_of_several_certificates_trusts_each() -> None:
    following = Authority.create("next")
    judge = PeerJudge(Trust(proxy_ca=PROXIES.certificate + b"# comment\n" + following.certificate))

    assert judge.judge(chain(PROXIES, "p")).front_proxy
    assert judge.judge(chain(following, "p")).front_proxy
