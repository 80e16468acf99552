"""Kubeconfig files: which cluster and which user the current context means.

Rules: client-go ``tools/clientcmd`` (validation, precedence of data over files, paths relative to the kubeconfig).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import msgspec
import yaml
from msgspec import Struct, field

from metrics_api.errors import KubeConfigError
from metrics_api.kube.credential_files import read_file

_YAML_FAULTS = (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""PyYAML does not check what stands behind a tag: ``!!int ''`` is an IndexError, ``!!bool x`` a KeyError."""


class Cluster(Struct, rename="kebab"):
    """``clusters[].cluster``."""

    server: str = ""
    certificate_authority: str | None = None
    certificate_authority_data: str | None = None
    insecure_skip_tls_verify: bool = False
    tls_server_name: str | None = None
    proxy_url: str | None = None


class EnvironmentVariable(Struct):
    """``exec.env[]``."""

    name: str
    value: str


class Exec(Struct, rename="camel"):
    """``users[].user.exec``."""

    command: str
    api_version: str
    args: list[str] | None = None
    env: list[EnvironmentVariable] | None = None
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = "IfAvailable"


class AuthProvider(Struct):
    """``users[].user.auth-provider``, which is refused by name."""

    name: str = ""


class User(Struct, rename="kebab"):
    """``users[].user``."""

    client_certificate: str | None = None
    client_certificate_data: str | None = None
    client_key: str | None = None
    client_key_data: str | None = None
    token: str | None = None
    token_file: str | None = field(name="tokenFile", default=None)
    username: str | None = None
    password: str | None = None
    impersonate: str | None = field(name="as", default=None)
    exec: Exec | None = None
    auth_provider: AuthProvider | None = None


class Context(Struct):
    """``contexts[].context``."""

    cluster: str = ""
    user: str = ""


class NamedCluster(Struct):
    """``clusters[]``."""

    name: str
    cluster: Cluster


class NamedUser(Struct):
    """``users[]``."""

    name: str
    user: User | None = None


class NamedContext(Struct):
    """``contexts[]``."""

    name: str
    context: Context


class Document(Struct, rename="kebab"):
    """A kubeconfig."""

    current_context: str | None = None
    clusters: list[NamedCluster] | None = None
    users: list[NamedUser] | None = None
    contexts: list[NamedContext] | None = None


class Selection(NamedTuple):
    """What a context means."""

    path: Path
    cluster_name: str
    cluster: Cluster
    user_name: str
    user: User
    """Empty when the context names no user."""


class _Named(Protocol):
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=_Named)


def read_kubeconfig(path: Path, context: str = "") -> Selection:
    """Return the cluster and the user of a context, of the current one when none is named.

    Raises:
        KubeConfigError: The file cannot be read or understood, or names something that it does not hold.
    """
    document = _parse(path)
    wanted = context or document.current_context
    if not wanted:
        raise _error(path, "has no current-context; set one: kubectl config use-context <name>")
    chosen = _by_name(path, "contexts", document.contexts, wanted).context
    cluster = _by_name(path, "clusters", document.clusters, chosen.cluster).cluster
    user = _by_name(path, "users", document.users, chosen.user).user if chosen.user else None
    return Selection(path, chosen.cluster, cluster, chosen.user, user or User())


def require_way(kubeconfig: str, environment: Mapping[str, str]) -> None:
    """Raise ``KubeConfigError`` when there is no way to kube-apiserver, as far as that is cheaply seen.

    Args:
        kubeconfig: A kubeconfig file; empty for the service account of the pod this runs in.
        environment: Where a pod finds kube-apiserver.
    """
    if kubeconfig:
        read_kubeconfig(expanded(kubeconfig))
    else:
        in_cluster_host(environment)


def expanded(kubeconfig: str) -> Path:
    """Return the path of a kubeconfig, or raise ``KubeConfigError``: it is in a home that is not known."""
    try:
        return Path(kubeconfig).expanduser()
    except RuntimeError as error:
        raise KubeConfigError(
            f"kubeconfig {kubeconfig!r}: whose home? This user has none; give the whole path"
        ) from error


def in_cluster_host(environment: Mapping[str, str]) -> tuple[str, str]:
    """Return host and port of kube-apiserver as a pod is told them, or raise ``KubeConfigError``: this is no pod."""
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        raise KubeConfigError(
            "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set, so this is no pod; "
            "outside a cluster give --kubeconfig=<file>"
        )
    return host, port


def _parse(path: Path) -> Document:
    content = read_file(path, "kubeconfig")
    try:
        raw = yaml.safe_load(content)
    except _YAML_FAULTS as error:
        place = getattr(error, "problem_mark", None)
        where = f" at line {place.line + 1}" if place is not None else ""
        raise _error(
            path, f"is no kubeconfig: no valid YAML{where}"
        ) from error  # the error itself might quote a secret
    if raw is None:
        raise _error(path, "is empty")
    if not isinstance(raw, dict):
        raise _error(path, "is no kubeconfig")
    try:
        return msgspec.convert(raw, Document)
    except msgspec.ValidationError as error:
        raise _error(path, f"has something unexpected in it: {error}") from error


def _by_name(path: Path, kind: str, entries: Sequence[N] | None, name: str) -> N:
    for entry in entries or ():
        if entry.name == name:
            return entry
    names = ", ".join(repr(entry.name)[:80] for entry in (entries or ())[:10]) or "nothing"
    raise _error(path, f"has no {name!r:.80} among its {kind}; there is: {names}")


def _error(path: Path, problem: str) -> KubeConfigError:
    return KubeConfigError(f"kubeconfig {str(path)!r} {problem}")
