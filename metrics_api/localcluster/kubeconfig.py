"""Kubeconfig files for the stand-in, complete in themselves."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import yaml

from metrics_api.localcluster.apiserver import ApiServer
from metrics_api.localcluster.resources import SERVICE_ACCOUNTS
from metrics_api.localcluster.stored import JsonObject
from metrics_api.localcluster.users import MASTERS_GROUP, service_account
from metrics_api.pki import KeyPair

_NAME = "localcluster"


def certificate_kubeconfig(server: ApiServer, user: str, groups: Sequence[str] = ()) -> str:
    """Return a kubeconfig with a new client certificate of that user and those groups."""
    pair = server.authorities.cluster.issue(user, organizations=groups, client=True)
    return _kubeconfig(server, user, _certificate(pair))


def admin_kubeconfig(server: ApiServer) -> str:
    """Return a kubeconfig that may do everything."""
    return certificate_kubeconfig(server, "kubernetes-admin", [MASTERS_GROUP])


def service_account_kubeconfig(server: ApiServer, namespace: str, name: str) -> str:
    """Return a kubeconfig with a new token of that service account."""
    account = server.objects.find(SERVICE_ACCOUNTS, namespace, name)
    user = service_account(namespace, name, account.uid if account else "")
    return _kubeconfig(server, user.name, {"token": server.tokens.issue(user)})


def write_kubeconfig(path: Path, text: str) -> Path:
    """Write a kubeconfig that only its owner can read and return its path."""
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def _certificate(pair: KeyPair) -> JsonObject:
    return {"client-certificate-data": _base64(pair.certificate), "client-key-data": _base64(pair.key)}


def _kubeconfig(server: ApiServer, user: str, credentials: JsonObject) -> str:
    authority = _base64(server.authorities.cluster.certificate)
    cluster = {"server": server.url, "certificate-authority-data": authority}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": _NAME, "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": _NAME, "context": {"cluster": _NAME, "user": user}}],
        "current-context": _NAME,
    }
    return yaml.safe_dump(document, sort_keys=False)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
