"""The chart beside metrics-server's own, rendered with the same values: every difference is on the list.

``METRICS_SERVER_CHART`` names the folder ``charts/metrics-server`` of a checkout of metrics-server.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.manifests.charting import CHART, template
from tests.manifests.installing import bare_cluster
from tests.manifests.rendering import keyed
from tests.manifests.test_chart_releases import Release

pytestmark = [pytest.mark.xdist_group("manifests"), pytest.mark.timeout(120)]

POD = ".spec.template.spec"
SERVER = f"{POD}.containers.0"
MEANT = {
    "ClusterRole": {".rules.0.resources", ".rules.1.resources"},  # nodes/stats; neither namespaces nor configmaps
    "Deployment": {
        f"{SERVER}.args",
        f"{SERVER}.image",
        f"{POD}.enableServiceLinks",
        f"{POD}.terminationGracePeriodSeconds",
        # The resizer's figures are arguments here, and a ConfigMap there
        f"{POD}.containers.1.command",
        f"{POD}.containers.1.volumeMounts",
        f"{POD}.volumes",
    },
    "APIService": {".spec.caBundle"},
    "Secret": {".data.ca.crt", ".data.tls.crt", ".data.tls.key"},
}
VERSIONED = ("helm.sh/chart", "app.kubernetes.io/version")
UNLABELLED_THERE = ("Issuer", "Certificate")

EVERYTHING: dict[str, Any] = {
    "commonLabels": {"team": "a"},
    "podLabels": {"a": "b"},
    "podAnnotations": {"a": "b"},
    "deploymentAnnotations": {"a": "b"},
    "podSecurityContext": {"fsGroup": 1},
    "hostUsers": False,
    "hostNetwork": {"enabled": True},
    "replicas": 2,
    "revisionHistoryLimit": 3,
    "updateStrategy": {"type": "RollingUpdate"},
    "podDisruptionBudget": {"enabled": True, "minAvailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow"},
    "args": ["--v=2"],
    "service": {"type": "NodePort", "port": 8443, "annotations": {"a": "b"}, "labels": {"a": "b"}},
    "addonResizer": {"enabled": True},
    "metrics": {"enabled": True},
    "serviceMonitor": {
        "enabled": True,
        "additionalLabels": {"a": "b"},
        "metricRelabelings": [{"action": "drop"}],
        "relabelings": [{"action": "keep"}],
    },
    "extraVolumeMounts": [{"name": "e", "mountPath": "/e"}],
    "nodeSelector": {"a": "b"},
    "tolerations": [{"operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "topologySpreadConstraints": [{"maxSkew": 1}],
    "dnsConfig": {"nameservers": ["192.0.2.1"]},
    "schedulerName": "mine",
    "imagePullSecrets": [{"name": "pull"}],
    "serviceAccount": {"annotations": {"a": "b"}, "secrets": [{"name": "s"}]},
    "apiService": {"annotations": {"a": "b"}},
}
VERIFIED = {"apiService": {"insecureSkipTLSVerify": False}}
ISSUER = {"enabled": True, "kind": "ClusterIssuer", "name": "mine"}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "defaults": ("metrics-server", {}),
    "another release": ("prod", {}),
    "other names": ("prod", {"nameOverride": "ms", "namespaceOverride": "x"}),
    "fullnameOverride": ("prod", {"fullnameOverride": "ms"}),
    "everything": ("metrics-server", EVERYTHING),
    "certificate of helm": ("metrics-server", {**VERIFIED, "tls": {"type": "helm"}}),
    "certificate of cert-manager": (
        "metrics-server",
        {**VERIFIED, "tls": {"type": "cert-manager", "certManager": {"duration": "48h", "labels": {"a": "b"}}}},
    ),
    "another issuer": (
        "metrics-server",
        {**VERIFIED, "tls": {"type": "cert-manager", "certManager": {"existingIssuer": ISSUER}}},
    ),
    "given certificate": ("metrics-server", {"tls": {"type": "existingSecret", "existingSecret": {"name": "mine"}}}),
    "nothing created": (
        "metrics-server",
        {
            "serviceAccount": {"create": False},
            "rbac": {"create": False},
            "apiService": {"create": False},
            "priorityClassName": "",
        },
    ),
}


@pytest.fixture
def theirs() -> Path:
    found = os.environ.get("METRICS_SERVER_CHART")
    return Path(found) if found else pytest.skip("needs METRICS_SERVER_CHART: charts/metrics-server of a checkout")


def differences(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """Yield the paths at which two documents differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in one.keys() | other.keys():
            if name in one and name in other:
                yield from differences(one[name], other[name], f"{path}.{name}")
            else:
                yield f"{path}.{name}"
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from differences(left, right, f"{path}.{index}")
    elif one != other:
        yield path


def compared(obj: dict[str, Any]) -> dict[str, Any]:
    """Return an object without the labels that name the chart or a version."""
    unlabelled = obj["kind"] in UNLABELLED_THERE
    labels = {} if unlabelled else {k: v for k, v in obj["metadata"].get("labels", {}).items() if k not in VERSIONED}
    return {**obj, "metadata": {**obj["metadata"], "labels": labels}}


@pytest.mark.parametrize("case", CASES)
def test_every_difference_is_meant(theirs: Path, tmp_path: Path, case: str) -> None:
    release, user = CASES[case]
    before = keyed(template(tmp_path, user, release=release, chart=theirs))
    after = keyed(template(tmp_path, user, release=release))

    assert {name for name in before.keys() ^ after.keys() if name[0] != "ConfigMap"} == set()
    for name, obj in before.items():
        if name in after:
            found = set(differences(compared(obj), compared(after[name])))
            assert found <= MEANT.get(name[0], set()), name


@pytest.mark.parametrize("values", [[], ["addonResizer.enabled=true", "podDisruptionBudget.enabled=true"]], ids=str)
async def test_their_release_is_upgraded_to_ours_and_rolled_back(
    theirs: Path, tmp_path: Path, values: list[str]
) -> None:
    async with bare_cluster(tmp_path) as installation:
        release = Release(installation)
        await release.upgrade(*values, chart=theirs)
        await release.upgrade(*values, "image.repository=mirror.example/metrics-api", chart=CHART)
        await release.helm("rollback", "metrics-server", "1")

        assert release.trust() == (True, "")
