"""etcd and kube-apiserver as a backend, from the folder that ``KUBEBUILDER_ASSETS`` names.

Only these two run, no controller-manager: nothing deletes the contents of namespaces, makes service accounts or
EndpointSlices, which the suite does not need. It was written for Kubernetes 1.36: earlier releases check Endpoints
where this suite makes EndpointSlices. Streaming lists need an etcd that tells its progress when asked: 3.4.31, 3.5.13
or newer.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from metrics_api.localcluster.authorities import FRONT_PROXY_NAME
from metrics_api.localcluster.ports import free_ports
from metrics_api.pki import KeyPair
from tests.contract.backend import TOKENS, Place, authorities

VARIABLE = "KUBEBUILDER_ASSETS"
PROGRAMS = ("etcd", "kube-apiserver")
_START_PATIENCE = 120.0
_STOP_PATIENCE = 20.0
_LOOK_EVERY = 0.2


def missing() -> str:
    """Return why there can be no such backend here, empty when there can."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        return f"needs {VARIABLE}: a folder with kube-apiserver and etcd"
    absent = [name for name in PROGRAMS if not os.access(Path(folder) / name, os.X_OK)]
    if absent:
        return f"needs {' and '.join(absent)} in {folder} ({VARIABLE})"
    if _own_address() is None:
        return "needs an address of this machine that is not loopback: EndpointSlices may name no other"
    return ""


class KubeApiserverBackend:
    """A running kube-apiserver; time passes by itself."""

    def __init__(self, place: Place) -> None:
        self.place = place

    async def pass_time(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@contextmanager
def kube_apiserver(directory: Path) -> Iterator[KubeApiserverBackend]:
    """Start etcd and kube-apiserver with their files in ``directory``, and stop them.

    Raises:
        RuntimeError: one of them ended or did not become ready; the message has the end of its log.
    """
    programs = Path(os.environ[VARIABLE])
    host = _own_address()
    if host is None:
        raise RuntimeError(missing())
    client_port, peer_port, port = free_ports(3)
    etcd_url = f"http://127.0.0.1:{client_port}"
    with ExitStack() as stack:
        etcd = stack.enter_context(
            _running([programs / "etcd", *_etcd_flags(directory, etcd_url, peer_port)], directory / "etcd.log")
        )
        _wait_until_ready(etcd, f"{etcd_url}/health", False, directory / "etcd.log")
        server = stack.enter_context(
            _running(
                [programs / "kube-apiserver", *_server_flags(directory, etcd_url, port)], directory / "apiserver.log"
            )
        )
        url = f"https://127.0.0.1:{port}"
        trust = ssl.create_default_context(cadata=authorities().cluster.certificate.decode())
        _wait_until_ready(server, f"{url}/readyz", trust, directory / "apiserver.log")
        yield KubeApiserverBackend(Place(url, host, dials_services=False, aggregates_roles=False))


def _etcd_flags(directory: Path, client_url: str, peer_port: int) -> list[str]:
    peer_url = f"http://127.0.0.1:{peer_port}"
    return [
        f"--data-dir={directory / 'etcd'}",
        f"--listen-client-urls={client_url}",
        f"--advertise-client-urls={client_url}",
        f"--listen-peer-urls={peer_url}",
        f"--initial-advertise-peer-urls={peer_url}",
        f"--initial-cluster=default={peer_url}",
        "--unsafe-no-fsync",
    ]


def _server_flags(directory: Path, etcd_url: str, port: int) -> list[str]:
    """Return kube-apiserver's arguments, having written the files they name."""
    cluster, front_proxy = authorities().cluster, authorities().front_proxy
    serving = cluster.issue("kube-apiserver", dns_names=["localhost"], ip_addresses=["127.0.0.1"], server=True)
    serving_certificate, serving_key = _write_pair(directory, "serving", serving)
    proxy_certificate, proxy_key = _write_pair(directory, "proxy", front_proxy.issue(FRONT_PROXY_NAME, client=True))
    client_ca = _write(directory / "client-ca.pem", cluster.certificate)
    proxy_ca = _write(directory / "proxy-ca.pem", front_proxy.certificate)
    account_key = _write(directory / "service-account.key", _service_account_key())
    tokens = _write(directory / "tokens.csv", _token_file())
    return [
        f"--etcd-servers={etcd_url}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={directory}",
        f"--tls-cert-file={serving_certificate}",
        f"--tls-private-key-file={serving_key}",
        f"--client-ca-file={client_ca}",
        f"--token-auth-file={tokens}",
        "--authorization-mode=RBAC",
        f"--requestheader-client-ca-file={proxy_ca}",
        f"--requestheader-allowed-names={FRONT_PROXY_NAME}",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={proxy_certificate}",
        f"--proxy-client-key-file={proxy_key}",
        # Without kube-proxy a ClusterIP leads nowhere: the aggregator dials endpoints itself.
        "--enable-aggregator-routing=true",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-signing-key-file={account_key}",
        f"--service-account-key-file={account_key}",
        # Nobody makes the service accounts that this plugin wants pods to have.
        "--disable-admission-plugins=ServiceAccount",
        # The Service kubernetes would get a loopback address, which its own validation refuses.
        "--endpoint-reconciler-type=none",
    ]


@contextmanager
def _running(command: Sequence[str | Path], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, trust: ssl.SSLContext | bool, log: Path) -> None:
    """Wait for a 200; these programs say it in no other way."""
    deadline = time.monotonic() + _START_PATIENCE
    with httpx.Client(verify=trust, trust_env=False, timeout=5) as client:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if client.get(url).status_code == 200:
                    return
            except httpx.TransportError:
                pass  # it does not listen yet
            time.sleep(_LOOK_EVERY)
    ending = log.read_bytes()[-4000:].decode(errors="replace")
    raise RuntimeError(f"{process.args!r} is not ready (exit code {process.poll()}); its log ends:\n{ending}")


def _own_address() -> str | None:
    """Return an address of this machine that is not loopback, ``None`` without one. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address: str = probe.getsockname()[0]
    return None if address.startswith("127.") else address


def _service_account_key() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form, encoding = serialization.PrivateFormat.TraditionalOpenSSL, serialization.Encoding.PEM
    return key.private_bytes(encoding, form, serialization.NoEncryption())


def _token_file() -> bytes:
    lines = [f'{token},{user.name},{user.uid},"{",".join(user.groups)}"' for token, user in TOKENS.items()]
    return "\n".join(lines).encode() + b"\n"


def _write_pair(directory: Path, name: str, pair: KeyPair) -> tuple[Path, Path]:
    return _write(directory / f"{name}.crt", pair.certificate), _write(directory / f"{name}.key", pair.key)


def _write(path: Path, content: bytes) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path
