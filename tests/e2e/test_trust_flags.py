"""Whom flags tell the server to believe, and what it does without the cluster's ConfigMap, over real TLS."""

from __future__ import annotations

import signal
from pathlib import Path

import httpx
import pytest

from metrics_api.localcluster.authorities import FRONT_PROXY_NAME
from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.resources import ROLE_BINDINGS
from metrics_api.pki import Authority, KeyPair
from tests.e2e.guarded import client_context, forbidden
from tests.e2e.serving import GROUP, Serving, serving

pytestmark = [pytest.mark.xdist_group("rotation"), pytest.mark.timeout(120)]

SERVER = "system:serviceaccount:kube-system:metrics-server"
SYNCED = "/readyz/metric-informer-sync"
REFUSED = "refused at the handshake"
USUAL = {"x-remote-user": "root", "x-remote-group": "system:masters"}


async def ask(server: Serving, directory: Path, pair: KeyPair, headers: dict[str, str]) -> str:
    """Return ``allowed``, the message of a refusal, or that the connection did not stand."""
    url, context = f"https://127.0.0.1:{server.port}", client_context(directory, pair)
    async with httpx.AsyncClient(base_url=url, verify=context, trust_env=False) as client:
        try:
            answer = await client.get(f"{GROUP}/nodes", headers=headers)
        except httpx.TransportError:
            return REFUSED
    return "allowed" if answer.is_success else str(answer.json()["message"])


def flags(directory: Path) -> list[str]:
    return [
        "--authentication-skip-lookup",
        f"--client-ca-file={directory / 'users.pem'}",
        f"--requestheader-client-ca-file={directory / 'proxies.pem'}",
        "--requestheader-allowed-names=aggregator,other",
        "--requestheader-username-headers=X-Who",
        "--requestheader-group-headers=X-Remote-Group,X-Of",
    ]


async def test_flags_say_whom_to_believe_and_their_files_are_followed(tmp_path: Path) -> None:
    users, proxies, later = (Authority.create(name) for name in ("own-users", "own-proxies", "later-users"))
    (tmp_path / "users.pem").write_bytes(users.certificate)
    (tmp_path / "proxies.pem").write_bytes(proxies.certificate)
    proxy, alice, bob = (
        authority.issue(name, client=True)
        for authority, name in ((proxies, "aggregator"), (users, "alice"), (later, "bob"))
    )
    own = {"x-who": "root", "x-of": "system:masters"}
    async with (
        LocalCluster(nodes=1, pods_per_node=1) as cluster,
        serving(cluster, tmp_path, *flags(tmp_path)) as server,
    ):
        await server.until_synced()
        theirs = cluster.authorities
        outcomes = {
            "named by our headers": await ask(server, tmp_path, proxy, own),
            "named by the usual ones": await ask(server, tmp_path, proxy, USUAL),
            "a proxy of another name": await ask(server, tmp_path, proxies.issue("x", client=True), own),
            "a user, who writes headers": await ask(server, tmp_path, alice, own),
            "a user of a later authority": await ask(server, tmp_path, bob, {}),
            "the cluster's proxy": await ask(
                server, tmp_path, theirs.front_proxy.issue(FRONT_PROXY_NAME, client=True), USUAL
            ),
            "the cluster's user": await ask(server, tmp_path, theirs.cluster.issue("carol", client=True), {}),
        }
        (tmp_path / "users.pem").write_bytes(later.certificate)
        server.process.send_signal(signal.SIGHUP)
        await server.until(lambda: ask(server, tmp_path, bob, {}), lambda outcome: outcome == forbidden("bob"))
        afterwards = [await ask(server, tmp_path, pair, own) for pair in (alice, proxy)]
        asked = cluster.api.witness.used(SERVER)

    assert outcomes == {
        "named by our headers": "allowed",
        "named by the usual ones": "Unauthorized",
        "a proxy of another name": "Unauthorized",
        "a user, who writes headers": forbidden("alice"),
        "a user of a later authority": REFUSED,
        "the cluster's proxy": REFUSED,
        "the cluster's user": REFUSED,
    }
    assert afterwards == [REFUSED, "allowed"]
    assert "configmaps" not in {resource for _, resource in asked}
    assert "without specifying the standard X-Remote-User header" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("tolerant", [True, False])
async def test_a_config_map_that_may_not_be_read_is_waited_for_unless_that_is_tolerated(
    tmp_path: Path, tolerant: bool
) -> None:
    more = ["--authentication-tolerate-lookup-failure"] if tolerant else []
    async with LocalCluster(nodes=1, pods_per_node=1) as cluster:
        binding = cluster.objects.delete(ROLE_BINDINGS, "kube-system", "metrics-server-auth-reader")
        proxy = cluster.authorities.front_proxy.issue(FRONT_PROXY_NAME, client=True)
        async with serving(cluster, tmp_path, *more) as server:
            await server.until(lambda: server.items("nodes"), bool)  # by token: reviews need no ConfigMap
            before = (await server.client.get(SYNCED)).status_code, await ask(server, tmp_path, proxy, USUAL)

            del binding["metadata"]["resourceVersion"], binding["metadata"]["uid"]
            cluster.objects.create(ROLE_BINDINGS, binding)
            await server.until(lambda: ask(server, tmp_path, proxy, USUAL), lambda outcome: outcome == "allowed", 60)
            after = (await server.client.get(SYNCED)).status_code

    assert before == (200 if tolerant else 500, REFUSED)
    assert after == 200
