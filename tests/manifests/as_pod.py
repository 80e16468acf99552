"""A machine of its own in which our program is run as in a pod: run it in new namespaces.

``unshare --mount --net python -m tests.manifests.as_pod serve|undo``. Nothing is on another port or in another folder,
as in other tests: the stand-in is here too, so that the service account's files, ``/tmp`` and port 10250 are where the
manifest has them. What is said at the end is one JSON document. ``serve`` runs metrics-server's own manifest,
``undo`` what ``kubectl exec`` runs in a pod of the overlay verified-tls.

One thing cannot be as in a cluster: the kubelets are on loopback, which the server refuses by default.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import yaml

from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.objects import WRITTEN
from tests.manifests import incumbent
from tests.manifests.installing import ACCOUNT, Installation, bare_cluster
from tests.manifests.rendering import HIGH_AVAILABILITY, MANIFESTS, VERIFIED_TLS

PROJECT = Path(__file__).parents[2]
TMP = Path("/tmp")  # noqa: S108 - this machine's own
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
GROUP = "/apis/metrics.k8s.io/v1beta1"
API_SERVICE = "v1beta1.metrics.k8s.io"
_PROBED = 60.0


def prepare() -> None:
    """Make a loopback device, an empty ``/run`` and ``/tmp``, and the folder that kubelets mount into every pod."""
    _command("ip", "link", "set", "lo", "up")
    _command("mount", "-t", "tmpfs", "run", "/run")
    kept = [path for path in {PROJECT, Path(sys.prefix), Path(sys.base_prefix)} if path.is_relative_to(TMP)]
    for number, path in enumerate(kept):  # what is run here may itself lie in /tmp
        Path(f"/run/{number}").mkdir()
        _command("mount", "--bind", str(path), f"/run/{number}")
    _command("mount", "-t", "tmpfs", "tmp", str(TMP))
    for number, path in enumerate(kept):
        path.mkdir(parents=True, exist_ok=True)
        _command("mount", "--bind", f"/run/{number}", str(path))
    os.chdir(PROJECT)
    SERVICE_ACCOUNT.mkdir(parents=True)  # /var/run is a link to /run


def _command(*words: str) -> None:
    subprocess.run(words, check=True)


async def main(what: str) -> dict[str, Any]:
    """Run it and return what was seen."""
    with tempfile.TemporaryDirectory() as directory:
        async with bare_cluster(Path(directory)) as installation:
            return await {"serve": _serve, "undo": _undo}[what](installation, Path(directory))


async def _undo(installation: Installation, directory: Path) -> dict[str, Any]:
    """Undo verified TLS with the rights of the server, as a user without a name or a home."""
    for overlay in (HIGH_AVAILABILITY, VERIFIED_TLS):
        await installation.kubectl("apply", "-k", MANIFESTS / "overlays" / overlay)
    bundle = base64.b64encode(installation.cluster.authorities.cluster.certificate).decode()
    patch = {
        "metadata": {"annotations": {WRITTEN: "sha256:as the server writes it"}},
        "spec": {"caBundle": bundle, "insecureSkipTLSVerify": False},
    }
    await installation.kubectl("patch", "apiservice", API_SERVICE, "--type=merge", "-p", json.dumps(patch))
    process = await asyncio.create_subprocess_exec(
        *("unshare", "--user", "--map-user=12345"),
        *(sys.executable, "-m", "metrics_api", "verified-tls", "undo"),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        env=_pod_environment(installation.cluster),
    )
    out, err = await process.communicate()
    api_service = json.loads(await installation.kubectl("get", "apiservice", API_SERVICE, "-o", "json"))
    asked = installation.cluster.api.witness.requests(user=ACCOUNT)
    return {
        "exit code": process.returncode,
        "said": out.decode(),
        "log": err.decode(),
        "spec": api_service["spec"],
        "annotations": api_service["metadata"].get("annotations", {}),
        "refused": [str(seen) for seen in asked if seen.status in (401, 403)],
    }


async def _serve(installation: Installation, directory: Path) -> dict[str, Any]:
    theirs = directory / "components.yaml"
    theirs.write_text(yaml.safe_dump_all(incumbent.OBJECTS))
    await installation.kubectl("apply", "-f", theirs)
    log = directory / "log"
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "metrics_api", *incumbent.CONTAINER["args"]),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=file,
            env=_pod_environment(installation.cluster),
        )
    try:
        await _until_probed(process)
        installation.connect(int(incumbent.CONTAINER["ports"][0]["containerPort"]))
        seen = await _look(installation)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
    return {**seen, "exit code": process.returncode, "log": log.read_text()}


def _pod_environment(cluster: LocalCluster) -> dict[str, str]:
    """Write what the kubelet mounts into every pod, and return the variables that it sets."""
    config = yaml.safe_load(cluster.server_kubeconfig())
    token = config["users"][0]["user"]["token"]
    server = urlsplit(config["clusters"][0]["cluster"]["server"])
    (SERVICE_ACCOUNT / "token").write_text(token)
    (SERVICE_ACCOUNT / "ca.crt").write_bytes(cluster.authorities.cluster.certificate)
    (SERVICE_ACCOUNT / "namespace").write_text(incumbent.NAMESPACE)
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOSTNAME": "metrics-server-6d684c7b5-x2x4v",
        "KUBERNETES_SERVICE_HOST": str(server.hostname),
        "KUBERNETES_SERVICE_PORT": str(server.port),
        "METRICS_API_FLAG_KUBELET_DENIED_CIDRS": "",  # see above
    }


async def _until_probed(process: Process) -> None:
    """Ask as the kubelet does, until the readiness probe succeeds; the liveness probe must as well."""
    port = incumbent.CONTAINER["ports"][0]["containerPort"]
    ready, live = (incumbent.CONTAINER[probe]["httpGet"]["path"] for probe in ("readinessProbe", "livenessProbe"))
    async with (
        asyncio.timeout(_PROBED),
        httpx.AsyncClient(base_url=f"https://127.0.0.1:{port}", verify=False, trust_env=False) as client,  # noqa: S501 - as the kubelet
    ):
        while process.returncode is None:
            try:
                answers = [(await client.get(path)).status_code for path in (live, ready)]
            except httpx.TransportError:
                answers = []  # it does not listen yet
            if answers == [200, 200]:
                return
            await asyncio.sleep(0.1)
    raise RuntimeError(f"it ended with exit code {process.returncode}")


async def _look(installation: Installation) -> dict[str, Any]:
    async with asyncio.timeout(_PROBED):
        while True:
            if nodes := (await installation.run("top", "nodes", "--no-headers")).out:
                break
            await asyncio.sleep(0.2)
    pods = json.loads(await installation.kubectl("get", "--raw", f"{GROUP}/pods"))
    witness = installation.cluster.api.witness
    return {
        "nodes": nodes.splitlines(),
        "pods": [item["metadata"]["name"] for item in pods["items"]],
        "refused": [str(seen) for seen in witness.requests(user=ACCOUNT) if seen.status >= 400],
        "written": sorted(name for name in os.listdir(TMP) if name.startswith("apiserver.")),
    }


if __name__ == "__main__":
    prepare()
    sys.stdout.write(json.dumps(asyncio.run(main(sys.argv[1]))))
