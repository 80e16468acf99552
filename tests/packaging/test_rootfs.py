"""The image's tree, built by the image's own script and run as a node runs it: read-only, by whatever uid."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import metrics_api
from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.ports import free_port
from tests.manifests.rendering import MANIFESTS, load, server

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("rootfs"), pytest.mark.timeout(600)]

PROJECT = Path(__file__).parents[2]
UID = 12345
SIZE_LIMIT = 72_000_000
"""Bytes. The documentation says how large it is; this says when it has to be looked at again."""


def build(directory: Path) -> Path:
    environment = {**os.environ, "PYTHON": sys.executable}
    subprocess.run([PROJECT / "packaging" / "rootfs", directory], check=True, env=environment)
    return directory


@pytest.fixture(scope="module")
def rootfs() -> Iterator[Path]:
    if subprocess.run([sys.executable, "-m", "pip", "--version"], check=False, capture_output=True).returncode:
        pytest.skip("needs pip in the Python that runs the tests")
    if not shutil.which("strip"):
        pytest.skip("needs strip, from binutils")
    # Not in pytest's directories: they are their owner's alone, and the uid under test has to get there.
    with tempfile.TemporaryDirectory(prefix="metrics-api-image-") as directory:
        Path(directory).chmod(0o755)
        yield build(Path(directory) / "rootfs")


def files(directory: Path) -> dict[str, str]:
    """Return file -> its mode and the digest of its content."""
    return {
        str(file.relative_to(directory)): f"{file.stat().st_mode:o} {hashlib.sha256(file.read_bytes()).hexdigest()}"
        for file in directory.rglob("*")
        if file.is_file()
    }


def test_building_again_elsewhere_gives_the_same_bytes(rootfs: Path, tmp_path: Path) -> None:
    assert files(build(tmp_path / "again")) == files(rootfs)


def test_it_is_small_and_holds_what_runs_alone(rootfs: Path) -> None:
    found = files(rootfs)
    parts = {part for name in found for part in Path(name).parts}

    assert sum((rootfs / name).stat().st_size for name in found) < SIZE_LIMIT
    assert not {"pip", "setuptools", "tests", "pytest"} & parts
    assert not [name for name in found if name.endswith((".pyi", ".pyx", ".c"))]


def test_every_file_may_be_read_by_anybody_and_written_by_its_owner_alone(rootfs: Path) -> None:
    for path in rootfs.rglob("*"):
        mode = path.stat().st_mode
        assert mode & 0o004, path
        assert not mode & 0o022, path


def test_moved_it_still_says_its_version(rootfs: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(rootfs, tmp_path / "moved")
    link = tmp_path / "metrics-server"  # as in the image
    link.symlink_to(moved / "bin" / "metrics-api")
    finished = subprocess.run([link, "--version"], check=True, capture_output=True, text=True)

    assert finished.stdout.strip() == f"v{metrics_api.__version__}"


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv to change the uid")
async def test_it_serves_the_manifests_arguments_as_an_arbitrary_user_and_writes_nowhere_else(
    rootfs: Path, tmp_path: Path
) -> None:
    before = files(rootfs)
    writable = rootfs.parent / "tmp"
    writable.mkdir(mode=0o700)
    os.chown(writable, UID, UID)
    port = free_port()
    async with LocalCluster(nodes=2, pods_per_node=3) as cluster:
        kubeconfig = writable / "kubeconfig"
        kubeconfig.write_text(cluster.server_kubeconfig())
        os.chown(kubeconfig, UID, UID)
        process = await asyncio.create_subprocess_exec(
            *("setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--no-new-privs", "--bounding-set=-all"),
            rootfs / "bin" / "metrics-api",
            *server(load(MANIFESTS / "components.yaml"))["args"],
            # What differs from a cluster: where the kubeconfig and the port are, and kubelets on loopback.
            *(f"--cert-dir={writable}", f"--secure-port={port}", f"--kubeconfig={kubeconfig}"),
            *("--bind-address=127.0.0.1", "--kubelet-denied-cidrs=", "--shutdown-delay-duration=0s"),
            stdin=DEVNULL,
            stdout=DEVNULL,
            env={"PATH": os.environ["PATH"]},
        )
        try:
            await _until_ready(process, port)
            identity = _identity(process)
        finally:
            if process.returncode is None:
                process.terminate()
            code = await process.wait()

    assert code == 0
    assert f"Uid:\t{UID}\t{UID}\t{UID}\t{UID}" in identity
    assert "CapEff:\t0000000000000000" in identity
    assert files(rootfs) == before
    assert {path.name for path in writable.iterdir()} == {"kubeconfig", "apiserver.crt", "apiserver.key"}


def _identity(process: Process) -> str:
    return Path(f"/proc/{process.pid}/status").read_text()


async def _until_ready(process: Process, port: int) -> None:
    async with (
        asyncio.timeout(60),
        httpx.AsyncClient(verify=False, trust_env=False) as client,  # noqa: S501 - its certificate is self-signed
    ):
        while process.returncode is None:
            try:
                if (await client.get(f"https://127.0.0.1:{port}/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass  # it does not listen yet
            await asyncio.sleep(0.1)
    raise AssertionError(f"it ended with exit code {process.returncode} before it was ready")
