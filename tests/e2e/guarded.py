"""A server that strangers knock at: who they are, what they show, and what the cluster allows them."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.resources import CLUSTER_ROLE_BINDINGS, ROLE_BINDINGS
from metrics_api.pki import KeyPair
from tests.e2e.serving import Serving, serving


def forbidden(user: str) -> str:
    """Return the message that kube-apiserver and we have for a user who may not list nodes' metrics."""
    return (
        f'nodes.metrics.k8s.io is forbidden: User "{user}" cannot list resource "nodes" in API group '
        '"metrics.k8s.io" at the cluster scope'
    )


def forbidden_pods(user: str, namespace: str) -> str:
    """Return the like for the pods of a namespace."""
    return (
        f'pods.metrics.k8s.io is forbidden: User "{user}" cannot list resource "pods" in API group '
        f'"metrics.k8s.io" in the namespace "{namespace}"'
    )


def client_context(
    directory: Path, pair: KeyPair | None = None, version: ssl.TLSVersion | None = None
) -> ssl.SSLContext:
    """Return TLS that shows this certificate, and speaks this version only when one is given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if pair is not None:
        file = directory / "client.pem"
        file.write_bytes(pair.certificate + pair.key)
        context.load_cert_chain(file)
    return context


class Guarded:
    """A server whose cluster lets nobody read until told so."""

    def __init__(self, cluster: LocalCluster, server: Serving, directory: Path) -> None:
        self.cluster = cluster
        self.server = server
        self.directory = directory
        self._is_handed_over = False

    @contextlib.asynccontextmanager
    async def asking(self, pair: KeyPair | None = None) -> AsyncIterator[httpx.AsyncClient]:
        """A client that shows this certificate."""
        url, context = f"https://127.0.0.1:{self.server.port}", client_context(self.directory, pair)
        async with httpx.AsyncClient(base_url=url, verify=context, trust_env=False) as client:
            yield client

    def hand_over(self) -> None:
        """Register the API, once."""
        if not self._is_handed_over:
            self.cluster.register_extension(self.server.port, verified=False)
            self._is_handed_over = True

    def allow(
        self,
        name: str,
        kind: str = "User",
        role: str = "system:aggregated-metrics-reader",
        namespace: str = "",
    ) -> None:
        """Let a user or a group do what the role says, everywhere or in a namespace: read all metrics."""
        reader = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
        binding: dict[str, Any] = {
            "metadata": {"name": f"{name}-{role.replace(':', '-')}"},
            "roleRef": reader,
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}],
        }
        if namespace:
            binding["metadata"]["namespace"] = namespace
        self.cluster.objects.create(ROLE_BINDINGS if namespace else CLUSTER_ROLE_BINDINGS, binding)


@contextlib.asynccontextmanager
async def guarding(directory: Path) -> AsyncIterator[Guarded]:
    """Run a server among strangers."""
    async with LocalCluster(nodes=1, pods_per_node=2) as cluster, serving(cluster, directory) as server:
        await server.until_synced()
        await server.until(lambda: server.items("pods"), bool)
        yield Guarded(cluster, server, directory)
