"""Who may read, over real TLS: asked directly, and through the aggregation layer."""

from __future__ import annotations

import asyncio

import httpx
import pytest
import yaml

from metrics_api.localcluster.authorities import FRONT_PROXY_NAME
from metrics_api.localcluster.kubeconfig import write_kubeconfig
from metrics_api.localcluster.users import service_account
from metrics_api.pki import Authority
from tests.e2e.guarded import Guarded, forbidden, forbidden_pods
from tests.e2e.programs import KUBECTLS, Finished, kubectls, run
from tests.e2e.serving import GROUP

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("admission"),
    pytest.mark.timeout(120),
]

DORA = {"x-remote-user": "dora"}
DENIED_FOR = 10
"""Seconds that a refusal is remembered: ``--authorization-webhook-cache-unauthorized-ttl`` as it is set by itself."""


def direct(guarded: Guarded, kubeconfig: str) -> str:
    """Return the kubeconfig for our port in place of kube-apiserver's."""
    document = yaml.safe_load(kubeconfig)
    url = f"https://127.0.0.1:{guarded.server.port}"
    document["clusters"][0]["cluster"] = {"server": url, "insecure-skip-tls-verify": True}
    text: str = yaml.safe_dump(document)
    return text


async def test_kubectl_is_forbidden_in_kubernetes_words_until_a_role_is_bound(guarded: Guarded) -> None:
    """Every kubectl, through the aggregation layer and asked directly, at once: each waits for its refusal to end.

    Through the layer for nodes, by a ClusterRoleBinding; directly for the pods of one namespace, by a RoleBinding.
    """
    if not kubectls():
        pytest.skip(KUBECTLS["path"])
    guarded.hand_over()
    pods = {pod["metadata"]["name"]: pod["metadata"]["namespace"] for pod in await guarded.server.items("pods")}
    namespace = next(iter(pods.values()))

    async def check(
        kubectl: str, user: str, kubeconfig: str, asked: list[str], message: str, bound_in: str
    ) -> set[str]:
        path = write_kubeconfig(guarded.directory / user, kubeconfig)

        async def get() -> Finished:
            return await run(kubectl, "get", *asked, "-o", "name", kubeconfig=path)

        refused = await guarded.server.until(get, lambda finished: "Forbidden" in finished.err)
        guarded.allow(user, namespace=bound_in)
        allowed = await guarded.server.until(get, lambda finished: finished.code == 0, DENIED_FOR + 10)
        assert (refused.code, refused.err.strip()) == (1, f"Error from server (Forbidden): {message}")
        return set(allowed.out.split())

    async def by_proxy(name: str, kubectl: str) -> None:
        kubeconfig = guarded.cluster.user_kubeconfig(user := f"reader-{name}-proxied")
        got = await check(kubectl, user, kubeconfig, ["nodemetrics"], forbidden(user), "")
        assert got == {"nodemetrics.metrics.k8s.io/node-00000"}

    async def directly(name: str, kubectl: str) -> None:
        kubeconfig = direct(guarded, guarded.cluster.user_kubeconfig(user := f"reader-{name}-direct"))
        asked, message = ["podmetrics", "-n", namespace], forbidden_pods(user, namespace)
        got = await check(kubectl, user, kubeconfig, asked, message, namespace)
        assert got == {f"podmetrics.metrics.k8s.io/{pod}" for pod in pods if pods[pod] == namespace}
        elsewhere = await run(*(kubectl, "get", "podmetrics", "-n", "elsewhere"), kubeconfig=guarded.directory / user)
        assert elsewhere.err.strip() == f"Error from server (Forbidden): {forbidden_pods(user, 'elsewhere')}"

    async with asyncio.TaskGroup() as group:
        for name, kubectl in kubectls().items():
            group.create_task(by_proxy(name, kubectl))
            group.create_task(directly(name, kubectl))


async def test_headers_count_only_on_the_front_proxys_connection(guarded: Guarded) -> None:
    guarded.allow("dora")
    authorities = guarded.cluster.authorities
    pairs = {
        "proxy": authorities.front_proxy.issue(FRONT_PROXY_NAME, client=True),
        "impostor": authorities.cluster.issue(FRONT_PROXY_NAME, client=True),
        "other name": authorities.front_proxy.issue("somebody", client=True),
        "nobody": None,
    }
    outcomes = {}
    for name, pair in pairs.items():
        async with guarded.asking(pair) as client:
            answer = await client.get(f"{GROUP}/nodes", headers=DORA)
            outcomes[name] = answer.status_code, answer.json().get("message")

    assert outcomes == {
        "proxy": (200, None),
        "impostor": (403, forbidden(FRONT_PROXY_NAME)),
        "other name": (401, "Unauthorized"),
        "nobody": (403, forbidden("system:anonymous")),
    }


@pytest.mark.parametrize("issuer", ["unknown", "front proxy's name alone"])
async def test_a_certificate_nobody_vouches_for_does_not_get_in(guarded: Guarded, issuer: str) -> None:
    name = "front-proxy-ca" if issuer != "unknown" else "unknown"
    async with guarded.asking(Authority.create(name).issue(FRONT_PROXY_NAME, client=True)) as client:
        with pytest.raises(httpx.TransportError):
            await client.get(f"{GROUP}/nodes", headers=DORA)


async def test_a_token_is_reviewed(guarded: Guarded) -> None:
    account = service_account("default", "reader")
    token = guarded.cluster.api.tokens.issue(account)
    async with guarded.asking() as client:
        known = await client.get(f"{GROUP}/nodes", headers={"authorization": f"Bearer {token}"})
        unknown = await client.get(f"{GROUP}/nodes", headers={"authorization": "Bearer nonsense"})

    assert (known.status_code, known.json()["message"]) == (403, forbidden(account.name))
    assert (unknown.status_code, unknown.json()["message"]) == (401, "Unauthorized")


async def test_the_server_asks_kube_apiserver_for_no_more_than_it_needs(guarded: Guarded) -> None:
    async with guarded.asking() as client:
        assert (await client.get(f"{GROUP}/nodes")).status_code == 403

    assert guarded.cluster.api.witness.used("system:serviceaccount:kube-system:metrics-server") == {
        ("list", "nodes"),
        ("watch", "nodes"),
        ("list", "pods"),
        ("watch", "pods"),
        ("list", "configmaps"),
        ("watch", "configmaps"),
        ("create", "tokenreviews.authentication.k8s.io"),
        ("create", "subjectaccessreviews.authorization.k8s.io"),
    }
