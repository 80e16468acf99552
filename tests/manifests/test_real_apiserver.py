"""The manifests and the chart on a kube-apiserver, where ``KUBEBUILDER_ASSETS`` names one.

What only it can say: its schema, its validation and admission, and who owns which field.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from metrics_api.localcluster.kubeconfig import write_kubeconfig
from metrics_api.pki import Authority
from tests.contract.backend import ROBOT_TOKEN, authorities
from tests.contract.kube_apiserver import kube_apiserver, missing
from tests.e2e.programs import Finished, run
from tests.manifests.charting import CHART, helm, template
from tests.manifests.incumbent import OBJECTS
from tests.manifests.rendering import COMPONENTS, HIGH_AVAILABILITY, OVERLAYS, RELEASE, VERIFIED_TLS, kubectl, render
from tests.manifests.test_chart import EVERYTHING, VERIFIED

pytestmark = [
    pytest.mark.skipif(bool(missing()), reason=missing() or "all is there"),
    pytest.mark.xdist_group("kube-apiserver"),
    pytest.mark.timeout(300),
]

NAME = "v1beta1.metrics.k8s.io"
NAMESPACE = "kube-system"
STRICT = ("--server-side", "--force-conflicts", "--validate=strict")
BUNDLE = base64.b64encode(Authority.create("x").certificate).decode()
VERIFY = f'{{"spec":{{"insecureSkipTLSVerify":null,"caBundle":"{BUNDLE}"}}}}'
UNDO = '{"spec":{"insecureSkipTLSVerify":true,"caBundle":null}}'


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("kube-apiserver")
    trust = base64.b64encode(authorities().cluster.certificate).decode()
    with kube_apiserver(directory) as backend:
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "x",
            "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
            "clusters": [{"name": "x", "cluster": {"server": backend.place.url, "certificate-authority-data": trust}}],
            "users": [{"name": "x", "user": {"token": ROBOT_TOKEN}}],
        }
        yield write_kubeconfig(directory / "kubeconfig", yaml.safe_dump(document))


class Hands:
    """Clients of Kubernetes that must succeed without a word of warning."""

    def __init__(self, kubeconfig: Path, directory: Path) -> None:
        self._kubeconfig = kubeconfig
        self._directory = directory

    async def run(self, *command: str | Path) -> Finished:
        return await run(*command, kubeconfig=self._kubeconfig)

    async def kubectl(self, *arguments: str) -> str:
        finished = await self.run(kubectl(), *arguments)
        assert (finished.code, finished.err) == (0, ""), finished.err
        return finished.out

    async def apply(self, objects: Any, *flags: str) -> str:
        file = self._directory / "objects.yaml"
        file.write_text(yaml.safe_dump_all(objects))
        return await self.kubectl("apply", *flags, "-f", str(file))

    async def helm(self, *arguments: str) -> str:
        finished = await self.run(helm(), *arguments, "--namespace", NAMESPACE)
        assert finished.code == 0, finished.err
        return finished.out

    async def write(self, patch: str) -> None:
        """Write into the APIService as our server does."""
        await self.kubectl("patch", "apiservice", NAME, "--type=merge", "--field-manager=metrics-api", "-p", patch)

    async def trust(self) -> tuple[str, str]:
        """Return ``insecureSkipTLSVerify`` and ``caBundle``."""
        output = "jsonpath={.spec.insecureSkipTLSVerify}/{.spec.caBundle}"
        insecure, _, bundle = (await self.kubectl("get", "apiservice", NAME, "-o", output)).partition("/")
        return insecure, bundle


@pytest.fixture
async def hands(kubeconfig: Path, tmp_path: Path) -> Hands:
    hands = Hands(kubeconfig, tmp_path)
    labels = ("pod-security.kubernetes.io/warn=restricted", "pod-security.kubernetes.io/enforce=restricted")
    await hands.kubectl("label", "--overwrite", "namespace", NAMESPACE, *labels)
    return hands


@pytest.mark.parametrize("overlay", OVERLAYS)
async def test_the_manifests_are_valid_and_restricted_pod_security_has_no_objection(hands: Hands, overlay: str) -> None:
    applied = await hands.apply(render(overlay, COMPONENTS), *STRICT, "--dry-run=server")

    assert "deployment.apps/metrics-server" in applied


@pytest.mark.parametrize("user", [{}, EVERYTHING, VERIFIED], ids=["defaults", "everything", "verified TLS"])
async def test_the_chart_is_valid(hands: Hands, tmp_path: Path, user: dict[str, Any]) -> None:
    rendered = template(tmp_path, user, namespace=NAMESPACE)
    objects = [
        obj for obj in rendered if not obj["apiVersion"].startswith("monitoring.coreos.com")
    ]  # not its own kinds

    assert "deployment.apps/metrics-server" in await hands.apply(objects, *STRICT, "--dry-run=server")


async def test_in_place_of_metrics_server_and_back(hands: Hands) -> None:
    await hands.apply(OBJECTS)
    for overlay in (RELEASE, HIGH_AVAILABILITY):
        await hands.apply(render(overlay))
    await hands.apply(OBJECTS)

    assert await hands.trust() == ("true", "")


async def test_what_the_server_wrote_stays_when_manifests_and_chart_are_applied_again(hands: Hands) -> None:
    await hands.apply(render(HIGH_AVAILABILITY))
    await hands.write(VERIFY)
    await hands.apply(render(VERIFIED_TLS))
    assert await hands.trust() == ("", BUNDLE)
    await hands.write(UNDO)
    await hands.apply(OBJECTS)
    assert await hands.trust() == ("true", "")


async def test_helm_installs_upgrades_and_rolls_back_over_the_servers_writing(hands: Hands) -> None:
    for obj in (*render(VERIFIED_TLS, COMPONENTS), *OBJECTS):
        place = ("-n", obj["metadata"]["namespace"]) if "namespace" in obj["metadata"] else ()
        await hands.kubectl("delete", "--ignore-not-found", obj["kind"], obj["metadata"]["name"], *place)
    upgrade = ("upgrade", "--install", "metrics-server", str(CHART), "--set")
    await hands.helm(*upgrade, "replicas=1")
    await hands.helm(*upgrade, "verifiedTls.enabled=true")
    await hands.write(VERIFY)
    await hands.helm(*upgrade, "verifiedTls.enabled=true,replicas=2")
    assert await hands.trust() == ("", BUNDLE)

    await hands.write(UNDO)
    await hands.helm("rollback", "metrics-server", "1")
    assert await hands.trust() == ("true", "")
    await hands.helm("uninstall", "metrics-server")
    assert NAME not in await hands.kubectl("get", "apiservices", "-o", "name")
