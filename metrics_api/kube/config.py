"""Finds the way to kube-apiserver: from inside a pod, or from a kubeconfig.

Proxies named in the environment are not used, here or in the client: they are for the internet, and the API server
would see its traffic through somebody else. A kubeconfig's ``proxy-url`` is.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from metrics_api.clock import Clock, SystemClock
from metrics_api.errors import KubeConfigError
from metrics_api.kube.access import KubeAccess, Places, Server
from metrics_api.kube.credential_files import Place, check_token, decode_base64
from metrics_api.kube.exec_plugin import ExecPlugin
from metrics_api.kube.kubeconfig import Cluster, Exec, Selection, User, expanded, in_cluster_host, read_kubeconfig

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_EXEC_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


async def load_access(
    kubeconfig: str,
    *,
    context: str = "",
    clock: Clock | None = None,
    environment: Mapping[str, str] = os.environ,
    service_account: Path = _SERVICE_ACCOUNT,
) -> KubeAccess:
    """Return the API server and credentials for it, read once already.

    Args:
        kubeconfig: A kubeconfig file; empty for the service account of the pod this runs in.
        context: Which of its contexts; empty for the current one.
        clock: Tells when credentials are to be read again; the machine's when ``None``.
        environment: Where ``KUBERNETES_SERVICE_HOST`` and ``KUBERNETES_SERVICE_PORT`` are looked up.
        service_account: The folder with the pod's ``token`` and ``ca.crt``.

    Raises:
        KubeConfigError: Something is missing or wrong; the message says what, where, and what to do.
    """
    clock = clock or SystemClock()
    access = (
        _from_kubeconfig(kubeconfig, context, clock) if kubeconfig else _in_cluster(environment, service_account, clock)
    )
    await access.start()
    return access


def _in_cluster(environment: Mapping[str, str], folder: Path, clock: Clock) -> KubeAccess:
    host, port = in_cluster_host(environment)
    what = "service account (is automountServiceAccountToken off?)"
    places = Places(
        ca_bundle=Place(what, folder / "ca.crt", None),
        token=Place(what, folder / "token", None),
    )
    url = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    return KubeAccess(_server(url, "KUBERNETES_SERVICE_HOST"), places, clock=clock)


def _from_kubeconfig(kubeconfig: str, context: str, clock: Clock) -> KubeAccess:
    path = expanded(kubeconfig)
    selection = read_kubeconfig(path, context)
    cluster, user = selection.cluster, selection.user
    about_cluster = f"kubeconfig {str(path)!r}, cluster {selection.cluster_name!r}"
    about_user = f"kubeconfig {str(path)!r}, user {selection.user_name!r}"
    server = _server(cluster.server, about_cluster, cluster)
    _refuse_unsupported(user, about_user)
    if server.url.startswith("http://"):
        user = User()  # as kubectl: nobody's credentials cross the network in the clear
    ca_bundle = _ca_place(path, about_cluster, cluster)
    certificate, key = _key_pair_places(path, about_user, user)
    places = Places(ca_bundle, certificate, key, _token_place(path, about_user, user))
    plugin = _plugin(selection, user.exec, about_user, ca_bundle) if user.exec is not None else None
    basic = (user.username, user.password or "") if user.username else None
    return KubeAccess(server, places, clock=clock, plugin=plugin, basic=basic)


def _server(url: str, what: str, cluster: Cluster | None = None) -> Server:
    if not url:
        raise KubeConfigError(f"{what} has no server; give the API server's URL, https://<host>:<port>")
    if not _is_server_url(url):
        raise KubeConfigError(f"{what}: server {url!r:.200} is no URL such as https://<host>:<port>")
    if cluster is None:
        return Server(url)
    proxy = cluster.proxy_url or None
    if proxy is not None and not proxy.startswith(("http://", "https://")):
        raise KubeConfigError(f"{what}: proxy-url must begin with http:// or https://; other proxies are not supported")
    return Server(url.rstrip("/"), cluster.insecure_skip_tls_verify, cluster.tls_server_name or None, proxy)


def _is_server_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        if parts.port == 0:
            return False
    except ValueError:
        return False
    nothing_more = not (parts.query or parts.fragment or parts.username)
    return parts.scheme in ("https", "http") and bool(parts.hostname) and nothing_more


def _refuse_unsupported(user: User, what: str) -> None:
    if user.auth_provider is not None:
        raise KubeConfigError(
            f"{what}: auth-provider {user.auth_provider.name!r:.80} is not supported; "
            "use the provider's exec plugin, or a token"
        )
    if user.impersonate:
        raise KubeConfigError(f"{what}: impersonation (as) is not supported; name the user to act as directly")


def _place(kubeconfig: Path, what: str, file: str | None, data: str | None) -> Place | None:
    if data:
        return Place(what, None, decode_base64(data, f"{what}-data"))
    return Place(what, kubeconfig.parent / file, None) if file else None


def _ca_place(kubeconfig: Path, what: str, cluster: Cluster) -> Place | None:
    file, data = cluster.certificate_authority, cluster.certificate_authority_data
    place = _place(kubeconfig, f"{what}, certificate-authority", file, data)
    if place is not None and cluster.insecure_skip_tls_verify:
        raise KubeConfigError(
            f"{what}: certificate-authority and insecure-skip-tls-verify exclude each other; remove one"
        )
    return place


def _key_pair_places(kubeconfig: Path, what: str, user: User) -> tuple[Place | None, Place | None]:
    certificate = _place(
        kubeconfig, f"{what}, client-certificate", user.client_certificate, user.client_certificate_data
    )
    key = _place(kubeconfig, f"{what}, client-key", user.client_key, user.client_key_data)
    if (certificate is None) != (key is None):
        missing = "client-certificate" if certificate is None else "client-key"
        raise KubeConfigError(f"{what}: {missing} is missing; a certificate and its key come together")
    return certificate, key


def _token_place(kubeconfig: Path, what: str, user: User) -> Place | None:
    if user.token_file:  # goes before a token, for it can be renewed
        return Place(f"{what}, tokenFile", kubeconfig.parent / user.token_file, None)
    if user.token:
        return Place(f"{what}, token", None, check_token(user.token, f"{what}: token").encode())
    return None


def _plugin(selection: Selection, plugin: Exec, what: str, ca_bundle: Place | None) -> ExecPlugin:
    if plugin.api_version not in _EXEC_VERSIONS:
        raise KubeConfigError(
            f"{what}: exec apiVersion {plugin.api_version!r:.80} is not supported; "
            f"use one of {', '.join(_EXEC_VERSIONS)}"
        )
    if plugin.interactive_mode == "Always":
        raise KubeConfigError(f"{what}: the exec plugin wants a terminal (interactiveMode Always), there is none")
    command = plugin.command
    if os.sep in command:  # a path is relative to the kubeconfig; a bare name is looked up in PATH
        command = str(selection.path.parent.absolute() / command)
    return ExecPlugin(
        what=what,
        command=command,
        args=tuple(plugin.args or ()),
        environment={each.name: each.value for each in plugin.env or ()},
        api_version=plugin.api_version,
        cluster=_cluster_info(selection.cluster, ca_bundle) if plugin.provide_cluster_info else None,
        install_hint=plugin.install_hint[:300],
    )


def _cluster_info(cluster: Cluster, ca_bundle: Place | None) -> dict[str, Any]:
    """``spec.cluster`` as a plugin is told it; bytes become base64 in JSON."""
    info = {
        "server": cluster.server,
        "tls-server-name": cluster.tls_server_name,
        "insecure-skip-tls-verify": cluster.insecure_skip_tls_verify,
        "certificate-authority-data": ca_bundle.read() if ca_bundle is not None else None,
        "proxy-url": cluster.proxy_url,
    }
    return {key: value for key, value in info.items() if value}
