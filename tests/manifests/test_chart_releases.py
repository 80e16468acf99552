"""The chart on a cluster: verifiedTls adds what the overlay adds, and what is there is kept by upgrades."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from metrics_api.localcluster.resources import API_SERVICES, SECRETS
from metrics_api.pki import Authority
from tests.manifests.charting import CHART, helm, template
from tests.manifests.installing import Installation, bare_cluster
from tests.manifests.rendering import RELEASE, VERIFIED_TLS, Object, key, keyed, render, server
from tests.manifests.test_chart import VERIFIED

pytestmark = [pytest.mark.xdist_group("manifests"), pytest.mark.timeout(120)]

NAME = "v1beta1.metrics.k8s.io"
BUNDLE = base64.b64encode(Authority.create("x").certificate).decode()
FIELDS = ("caBundle", "insecureSkipTLSVerify")


def without_labels(obj: Object) -> Object:
    return {**obj, "metadata": {name: value for name, value in obj["metadata"].items() if name != "labels"}}


def test_it_adds_what_the_overlay_adds(tmp_path: Path) -> None:
    ours = keyed(template(tmp_path, VERIFIED, namespace="kube-system"))
    added = [obj for obj in render(VERIFIED_TLS) if key(obj) not in keyed(render("high-availability"))]

    assert len(added) == 6
    for obj in added:
        assert without_labels(ours[key(obj)]) == without_labels(obj)


def test_the_server_is_told_its_services_name(tmp_path: Path) -> None:
    user = {**VERIFIED, "fullnameOverride": "ms"}

    assert "--verified-tls=monitor/ms" in server(template(tmp_path, user))["args"]
    assert "--verified-tls=kube-system/metrics-server" in server(render(VERIFIED_TLS))["args"]
    assert not [each for each in server(render(RELEASE))["args"] if "verified" in each]


class Release:
    """A release of the chart on a cluster, and the hand of the server in its APIService."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation

    async def helm(self, *arguments: str) -> str:
        finished = await self._installation.run_program(helm(), *arguments, "--namespace", "kube-system")
        assert finished.code == 0, finished.err
        return finished.out

    async def upgrade(self, *values: str, chart: Path = CHART) -> str:
        sets = [word for value in values for word in ("--set", value)]
        return await self.helm("upgrade", "--install", "metrics-server", str(chart), *sets)

    def trust(self) -> tuple[bool, str]:
        """Return ``insecureSkipTLSVerify`` and ``caBundle``."""
        spec = self._api_service()["spec"]
        return bool(spec.get("insecureSkipTLSVerify")), spec.get("caBundle", "")

    def write_trust(self, *, insecure: bool, bundle: str) -> None:
        """Write what the server or ``metrics-api verified-tls undo`` writes."""
        obj = self._api_service()
        obj["spec"] = {name: value for name, value in obj["spec"].items() if name not in FIELDS}
        obj["spec"] |= {"insecureSkipTLSVerify": True} if insecure else {"caBundle": bundle}
        self._installation.cluster.objects.replace(API_SERVICES, obj)

    def _api_service(self) -> dict[str, Any]:
        found = self._installation.cluster.objects.get(API_SERVICES, "", NAME)
        assert found is not None
        return found


async def test_upgrades_keep_what_the_server_wrote_and_undoing_leads_back(tmp_path: Path) -> None:
    async with bare_cluster(tmp_path) as installation:
        release, objects = Release(installation), installation.cluster.objects
        await release.upgrade()
        notes = await release.upgrade("verifiedTls.enabled=true")
        assert "metrics-api verified-tls undo" in notes
        assert release.trust() == (True, "")  # nothing is verified before the server says so

        release.write_trust(insecure=False, bundle=BUNDLE)
        secret = objects.get(SECRETS, "kube-system", "metrics-server-serving")
        assert secret is not None
        objects.replace(SECRETS, {**secret, "data": {"tls.crt": "AAAA"}})
        await release.upgrade("verifiedTls.enabled=true", "replicas=2")
        assert release.trust() == (False, BUNDLE)
        kept = objects.get(SECRETS, "kube-system", "metrics-server-serving")
        assert kept is not None
        assert kept["data"] == {"tls.crt": "AAAA"}

        release.write_trust(insecure=True, bundle="")
        await release.helm("rollback", "metrics-server", "1")
        assert release.trust() == (True, "")
        assert objects.get(SECRETS, "kube-system", "metrics-server-serving") is None
        await release.helm("uninstall", "metrics-server")
        assert objects.get(API_SERVICES, "", NAME) is None


async def test_a_certificate_that_is_there_is_kept_and_its_authority_is_trusted(tmp_path: Path) -> None:
    async with bare_cluster(tmp_path) as installation:
        release, objects = Release(installation), installation.cluster.objects
        made = ("tls.type=helm", "apiService.insecureSkipTLSVerify=false")
        await release.upgrade(*made)
        first = release.trust()
        await release.upgrade(*made)
        assert release.trust() == first != (True, "")

        secret = objects.get(SECRETS, "kube-system", "metrics-server")
        assert secret is not None
        signing_itself = {"tls.crt": BUNDLE, "tls.key": "AAAA"}  # as metrics-server's chart makes it
        objects.replace(SECRETS, {**secret, "data": signing_itself})
        await release.upgrade(*made)
        assert release.trust() == (False, BUNDLE)

        given = ("tls.type=existingSecret", "tls.existingSecret.name=given", "apiService.insecureSkipTLSVerify=false")
        with_authority = {**signing_itself, "ca.crt": first[1]}
        objects.create(SECRETS, {"metadata": {"name": "given", "namespace": "kube-system"}, "data": with_authority})
        await release.upgrade(*given)
        assert release.trust() == first
