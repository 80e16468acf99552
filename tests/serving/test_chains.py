"""Client certificates that do not come from a trusted authority itself, over real TLS, and what they prove."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from metrics_api.auth.peers import Peer, PeerJudge
from metrics_api.auth.trust import FrontProxyRules, Trust
from metrics_api.pki import Authority, KeyPair
from metrics_api.serving.keeper import TlsKeeper
from tests.auth.certificates import under
from tests.serving.test_keeper import Chains, connected, issue, serving, write

NAME = "front-proxy-client"
USERS, PROXIES = Authority.create("cluster-ca"), Authority.create("front-proxy-ca")
MIDDLE = under(USERS.pair, "users of one office")
NAMESAKE = under(USERS.pair, "front-proxy-ca")
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
RULES = FrontProxyRules(allowed_names=(NAME,))
BOTH = Trust(USERS.certificate, PROXIES.certificate, RULES)


def shown(authority: Authority, name: str, *above: bytes) -> KeyPair:
    pair = authority.issue(name, client=True)
    return KeyPair(pair.certificate + b"".join(above), pair.key)


async def proven(directory: Path, trust: Trust, pair: KeyPair, version: ssl.TLSVersion) -> Peer | None:
    """Return what the server makes of a client's certificate, ``None`` when the handshake does not succeed."""
    keeper = TlsKeeper(write(directory, "serving", issue("s")), ask_for_certificates=True)
    keeper.trust(trust.bundle)
    application = Chains()
    async with serving(keeper, application) as port:
        try:
            async with connected(port, pair=write(directory, "client", pair), version=version) as client:
                await client.get()
        except (ssl.SSLError, ConnectionError, asyncio.IncompleteReadError):
            return None
    return PeerJudge(trust).judge(application.seen[0])


@pytest.mark.parametrize("version", VERSIONS, ids=["1.2", "1.3"])
@pytest.mark.parametrize(
    ("trust", "pair", "who"),
    [
        pytest.param(BOTH, shown(MIDDLE, "bob", MIDDLE.certificate), "bob", id="with what stands between"),
        pytest.param(BOTH, shown(MIDDLE, "bob"), None, id="without it"),
        pytest.param(Trust(MIDDLE.certificate), shown(MIDDLE, "bob"), "bob", id="what stands between is trusted"),
        pytest.param(Trust(MIDDLE.certificate), shown(USERS, "bob"), None, id="but not what is above it"),
        pytest.param(BOTH, shown(NAMESAKE, NAME, NAMESAKE.certificate), NAME, id="of an office named like the proxy's"),
        pytest.param(
            BOTH, shown(PROXIES, NAME, USERS.certificate), "the front proxy", id="with a root that is not its"
        ),
    ],
)
async def test_a_chain_proves_what_its_end_does(
    tmp_path: Path, trust: Trust, pair: KeyPair, who: str | None, version: ssl.TLSVersion
) -> None:
    peer = await proven(tmp_path, trust, pair, version)

    if who is None:
        assert peer is None
    else:
        assert peer is not None
        assert ("the front proxy" if peer.front_proxy else peer.user and peer.user.name) == who


@pytest.mark.parametrize("version", VERSIONS, ids=["1.2", "1.3"])
@pytest.mark.parametrize(
    "signer",
    [
        pytest.param(Authority.load(USERS.issue("alice", client=True)), id="a user"),
        pytest.param(Authority.load(PROXIES.issue(NAME, client=True)), id="the front proxy"),
        pytest.param(under(PROXIES.pair, "no authority", is_authority=False), id="one that the proxy's authority made"),
    ],
)
async def test_who_may_not_sign_signs_nothing(tmp_path: Path, signer: Authority, version: ssl.TLSVersion) -> None:
    assert await proven(tmp_path, BOTH, shown(signer, NAME, signer.certificate), version) is None
