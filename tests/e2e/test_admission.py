"""Who may read, over real TLS: asked directly, and through the aggregation layer."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from metrics_api.localcluster.authorities import FRONT_PROXY_NAME, Authorities
from metrics_api.localcluster.bootstrap import publish_authentication_config
from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.kubeconfig import write_kubeconfig
from metrics_api.localcluster.resources import CLUSTER_ROLE_BINDINGS
from metrics_api.localcluster.users import service_account
from metrics_api.pki import Authority, KeyPair
from tests.e2e.programs import run
from tests.e2e.serving import GROUP, Serving, serving

pytestmark = [pytest.mark.xdist_group("admission"), pytest.mark.timeout(120)]

BOB = {"x-remote-user": "bob"}


def forbidden(user: str) -> str:
    return (
        f'nodes.metrics.k8s.io is forbidden: User "{user}" cannot list resource "nodes" in API group '
        '"metrics.k8s.io" at the cluster scope'
    )


@contextlib.asynccontextmanager
async def ready(tmp_path: Path) -> AsyncIterator[tuple[LocalCluster, Serving]]:
    async with LocalCluster(nodes=1, pods_per_node=2) as cluster:
        short = "--authorization-webhook-cache-unauthorized-ttl=100ms"
        async with serving(cluster, tmp_path, short) as server:
            await server.until(lambda: server.client.get("/readyz"), lambda answer: answer.status_code == 200)
            yield cluster, server


def allow(cluster: LocalCluster, user: str) -> None:
    cluster.objects.create(
        CLUSTER_ROLE_BINDINGS,
        {
            "metadata": {"name": f"{user}-reads-metrics"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "system:aggregated-metrics-reader",
            },
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        },
    )


@contextlib.asynccontextmanager
async def asking(server: Serving, directory: Path, pair: KeyPair | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """A client that shows this certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if pair is not None:
        file = directory / "client.pem"
        file.write_bytes(pair.certificate + pair.key)
        context.load_cert_chain(file)
    async with httpx.AsyncClient(
        base_url=f"https://127.0.0.1:{server.port}", verify=context, trust_env=False
    ) as client:
        yield client


async def test_a_user_is_asked_about_and_let_in_once_a_role_is_bound(tmp_path: Path) -> None:
    async with ready(tmp_path) as (cluster, server):
        bob = cluster.authorities.cluster.issue("bob", client=True)
        async with asking(server, tmp_path, bob) as client:
            refused = await client.get(f"{GROUP}/nodes")
            assert (refused.status_code, refused.json()["message"]) == (403, forbidden("bob"))

            allow(cluster, "bob")
            await server.until(lambda: client.get(f"{GROUP}/nodes"), lambda answer: answer.status_code == 200, 10)


async def test_headers_count_only_on_the_front_proxys_connection(tmp_path: Path) -> None:
    async with ready(tmp_path) as (cluster, server):
        allow(cluster, "bob")
        proxy = cluster.authorities.front_proxy.issue(FRONT_PROXY_NAME, client=True)
        impostor = cluster.authorities.cluster.issue(FRONT_PROXY_NAME, client=True)
        other = cluster.authorities.front_proxy.issue("somebody", client=True)
        outcomes = {}
        for name, pair in {"proxy": proxy, "impostor": impostor, "other name": other, "nobody": None}.items():
            async with asking(server, tmp_path, pair) as client:
                answer = await client.get(f"{GROUP}/nodes", headers=BOB)
                outcomes[name] = answer.status_code, answer.json().get("message")

    assert outcomes == {
        "proxy": (200, None),
        "impostor": (403, forbidden(FRONT_PROXY_NAME)),
        "other name": (401, "Unauthorized"),
        "nobody": (403, forbidden("system:anonymous")),
    }


@pytest.mark.parametrize("issuer", ["unknown", "front proxy's name alone"])
async def test_a_certificate_nobody_vouches_for_does_not_get_in(tmp_path: Path, issuer: str) -> None:
    async with ready(tmp_path) as (_, server):
        name = "front-proxy-ca" if issuer != "unknown" else "unknown"
        forged = Authority.create(name).issue(FRONT_PROXY_NAME, client=True)
        async with asking(server, tmp_path, forged) as client:
            with pytest.raises(httpx.TransportError):
                await client.get(f"{GROUP}/nodes", headers=BOB)


async def test_a_token_is_reviewed(tmp_path: Path) -> None:
    async with ready(tmp_path) as (cluster, server), asking(server, tmp_path) as client:
        account = service_account("default", "reader")
        token = cluster.api.tokens.issue(account)
        known = await client.get(f"{GROUP}/nodes", headers={"authorization": f"Bearer {token}"})
        unknown = await client.get(f"{GROUP}/nodes", headers={"authorization": "Bearer nonsense"})

    assert (known.status_code, known.json()["message"]) == (403, forbidden(account.name))
    assert (unknown.status_code, unknown.json()["message"]) == (401, "Unauthorized")


async def test_a_rotated_front_proxy_authority_is_believed_without_a_restart(tmp_path: Path) -> None:
    async with ready(tmp_path) as (cluster, server):
        rotated = Authorities(cluster.authorities.cluster, Authority.create("front-proxy-ca-2"))
        publish_authentication_config(cluster.objects, rotated)
        proxy = rotated.front_proxy.issue(FRONT_PROXY_NAME, client=True)
        allow(cluster, "bob")

        async def ask() -> httpx.Response:
            async with asking(server, tmp_path, proxy) as client:
                return await client.get(f"{GROUP}/nodes", headers=BOB)

        await server.until(ask, lambda answer: answer.status_code == 200, 10)


async def test_kubectl_reads_through_the_aggregation_layer_as_its_user(tmp_path: Path, kubectl: str) -> None:
    async with ready(tmp_path) as (cluster, server):
        cluster.register_extension(server.port, verified=False)
        kubeconfig = write_kubeconfig(tmp_path / "bob", cluster.user_kubeconfig("bob"))
        refused = await run(kubectl, "get", "nodemetrics", kubeconfig=kubeconfig)
        allow(cluster, "bob")

        async def get() -> int:
            return (await run(kubectl, "get", "nodemetrics", kubeconfig=kubeconfig)).code

        await server.until(get, lambda code: code == 0, 20)

    assert f"Error from server (Forbidden): {forbidden('bob')}" in refused.err


async def test_the_server_asks_kube_apiserver_for_no_more_than_it_needs(tmp_path: Path) -> None:
    async with ready(tmp_path) as (cluster, _):
        used = cluster.api.witness.used("system:serviceaccount:kube-system:metrics-server")

    assert used == {
        ("list", "nodes"),
        ("watch", "nodes"),
        ("list", "pods"),
        ("watch", "pods"),
        ("list", "configmaps"),
        ("watch", "configmaps"),
        ("create", "tokenreviews.authentication.k8s.io"),
    }
