from __future__ import annotations

import ssl
import tempfile
from typing import Any

import httpx
import pytest

from metrics_api.localcluster.fleet.authorization import AcceptedTokens, Decision, Forbidden, Subject
from metrics_api.localcluster.fleet.server import Fleet
from metrics_api.pki import Authority, KeyPair
from tests.localcluster.fleet.wire import RESOURCE, SUMMARY, TOKEN, ask, client_of, make_fleet, trusting, url_of


def with_certificate(fleet: Fleet, pair: KeyPair) -> ssl.SSLContext:
    context = trusting(fleet)
    with tempfile.NamedTemporaryFile() as file:
        file.write(pair.certificate + pair.key)
        file.flush()
        context.load_cert_chain(file.name)
    return context


@pytest.mark.parametrize("token", [None, "another"], ids=["none", "unknown"])
@pytest.mark.parametrize("path", [SUMMARY, RESOURCE, "/nothing"])
async def test_without_an_accepted_token_everything_is_401(token: str | None, path: str) -> None:
    async with make_fleet() as fleet:
        answer = await ask(fleet, path, token=token)

    assert (answer.status_code, answer.text) == (401, "Unauthorized")


async def test_with_metrics_server_s_own_role_stats_are_403_and_metrics_are_not() -> None:
    authorizer = AcceptedTokens({TOKEN}, subresources={"metrics"})
    async with make_fleet(authorizer=authorizer) as fleet:
        stats, metrics = await ask(fleet, SUMMARY), await ask(fleet, RESOURCE)

    assert stats.status_code == 403
    assert stats.text == (
        "Forbidden (user=system:serviceaccount:kube-system:metrics-server, "
        "verb=get, resource=nodes, subresource(s)=[stats])\n"
    )
    assert metrics.status_code == 200


async def test_other_paths_are_authorized_as_proxy() -> None:
    async with make_fleet() as fleet:
        answer = await ask(fleet, "/pods", method="POST")

    assert answer.status_code == 403
    assert "verb=create, resource=nodes, subresource(s)=[proxy])" in answer.text


async def test_a_client_certificate_stands_for_its_common_name() -> None:
    clients = Authority.create("clients")
    pair = clients.issue("metrics-reader", client=True)
    options: dict[str, Any] = {
        "client_authorities": clients.certificate,
        "authorizer": AcceptedTokens((), subjects={"metrics-reader"}),
    }
    async with make_fleet(**options) as fleet:
        async with client_of(fleet, token=None, context=with_certificate(fleet, pair)) as client:
            known = await client.get(url_of(fleet, SUMMARY))
        unknown = await ask(fleet, token=None)

    assert (known.status_code, unknown.status_code) == (200, 401)


async def test_a_certificate_of_an_unknown_authority_gets_no_answer() -> None:
    clients, strangers = Authority.create("clients"), Authority.create("clients")
    pair = strangers.issue("metrics-reader", client=True)
    options: dict[str, Any] = {
        "client_authorities": clients.certificate,
        "authorizer": AcceptedTokens((), subjects={"metrics-reader"}),
    }
    async with (
        make_fleet(**options) as fleet,
        client_of(fleet, token=None, context=with_certificate(fleet, pair)) as client,
    ):
        with pytest.raises(httpx.TransportError):
            await client.get(url_of(fleet, SUMMARY))
        assert not fleet.counts["node-00000"].received


class Recorder:
    """Allows all and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str | None, Subject | None, str, str]] = []

    async def allows(self, token: str | None, certificate: Subject | None, node: str, subresource: str) -> Decision:
        self.asked.append((token, certificate, node, subresource))
        return "ok" if subresource == "stats" else Forbidden("somebody")


async def test_the_authorizer_is_told_who_asks_for_what_of_which_node() -> None:
    recorder = Recorder()
    async with make_fleet(2, 1, authorizer=recorder) as fleet:
        allowed = await ask(fleet, SUMMARY, node="node-00001")
        refused = await ask(fleet, RESOURCE, token=None)

    assert recorder.asked == [(TOKEN, None, "node-00001", "stats"), (None, None, "node-00000", "metrics")]
    assert (allowed.status_code, refused.status_code) == (200, 403)
    assert "user=somebody" in refused.text
