"""The chart's values: metrics-server's chart's, with its defaults, and a schema that says what is wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.manifests.charting import CHART, values

if TYPE_CHECKING:
    from jsonschema import Draft7Validator

HARDENED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "seccompProfile": {"type": "RuntimeDefault"},
    "capabilities": {"drop": ["ALL"]},
}
RESIZER_RESOURCES = {"cpu": "40m", "memory": "25Mi"}

THEIRS: dict[str, Any] = {
    "imagePullSecrets": [],
    "nameOverride": "",
    "fullnameOverride": "",
    "namespaceOverride": "",
    "serviceAccount": {"create": True, "annotations": {}, "name": "", "secrets": []},
    "rbac": {"create": True, "pspEnabled": False},
    "apiService": {"create": True, "annotations": {}, "insecureSkipTLSVerify": True, "caBundle": ""},
    "commonLabels": {},
    "podLabels": {},
    "podAnnotations": {},
    "podSecurityContext": {},
    "hostUsers": None,
    "securityContext": HARDENED,
    "priorityClassName": "system-cluster-critical",
    "containerPort": 10250,
    "hostNetwork": {"enabled": False},
    "replicas": 1,
    "revisionHistoryLimit": None,
    "updateStrategy": {},
    "podDisruptionBudget": {
        "enabled": False,
        "minAvailable": None,
        "maxUnavailable": None,
        "unhealthyPodEvictionPolicy": None,
    },
    "defaultArgs": [
        "--cert-dir=/tmp",
        "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
        "--kubelet-use-node-status-port",
        "--metric-resolution=15s",
    ],
    "args": [],
    "service": {"type": "ClusterIP", "port": 443, "annotations": {}, "labels": {}},
    "addonResizer": {
        "enabled": False,
        "image": {"repository": "registry.k8s.io/autoscaling/addon-resizer", "tag": "1.8.23"},
        "securityContext": HARDENED,
        "resources": {"requests": RESIZER_RESOURCES, "limits": RESIZER_RESOURCES},
        "nanny": {
            "cpu": "0m",
            "extraCpu": "1m",
            "memory": "0Mi",
            "extraMemory": "2Mi",
            "minClusterSize": 100,
            "pollPeriod": 300000,
            "threshold": 5,
        },
    },
    "metrics": {"enabled": False},
    "serviceMonitor": {
        "enabled": False,
        "additionalLabels": {},
        "interval": "1m",
        "scrapeTimeout": "10s",
        "metricRelabelings": [],
        "relabelings": [],
    },
    "resources": {"requests": {"cpu": "100m", "memory": "200Mi"}},
    "extraVolumeMounts": [],
    "extraVolumes": [],
    "nodeSelector": {},
    "tolerations": [],
    "affinity": {},
    "topologySpreadConstraints": [],
    "dnsConfig": {},
    "deploymentAnnotations": {},
    "schedulerName": "",
    "tmpVolume": {"emptyDir": {}},
    "tls": {
        "type": "metrics-server",
        "clusterDomain": "cluster.local",
        "certManager": {
            "addInjectorAnnotations": True,
            "existingIssuer": {"enabled": False, "kind": "Issuer", "name": "my-issuer"},
            "duration": "",
            "renewBefore": "",
            "annotations": {},
            "labels": {},
        },
        "helm": {"lookup": True, "certDurationDays": 365},
        "existingSecret": {"name": "", "lookup": True},
    },
}
"""metrics-server's chart 3.13, but for ``image``, which is ours, and the probes, which the next test has."""


def probe(path: str, delay: int) -> dict[str, Any]:
    get = {"path": path, "port": "https", "scheme": "HTTPS"}
    return {"httpGet": get, "initialDelaySeconds": delay, "periodSeconds": 10, "failureThreshold": 3}


def validator() -> Draft7Validator:
    from jsonschema import Draft7Validator  # builds grammars for seconds, which is not for every worker to pay

    return Draft7Validator(json.loads((CHART / "values.schema.json").read_text()))


@pytest.mark.parametrize("name", THEIRS)
def test_the_value_has_the_default_of_metrics_servers_chart(name: str) -> None:
    ours = values()[name]
    if name == "apiService":
        assert ours.pop("v1") is False

    assert ours == THEIRS[name]


def test_the_probes_and_the_images_fields_are_those_of_metrics_servers_chart() -> None:
    assert values()["livenessProbe"] == probe("/livez", 0)
    assert values()["readinessProbe"] == probe("/readyz", 20)
    assert {**values()["image"], "repository": ""} == {"repository": "", "tag": "", "pullPolicy": "IfNotPresent"}


def test_the_defaults_and_values_written_for_metrics_servers_chart_are_valid() -> None:
    theirs = {**THEIRS, "image": {"repository": "mirror.example/metrics-api", "tag": "v0.1.0"}, "global": {"a": 1}}

    assert not list(validator().iter_errors(values()))
    assert not list(validator().iter_errors(theirs))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        pytest.param({"replica": 2}, "'replica' was unexpected", id="unknown key"),
        pytest.param({"tls": {"type": "certmanager"}}, "'certmanager' is not one of", id="unknown kind of TLS"),
        pytest.param({"args": "--v=2"}, "'--v=2' is not of type 'array'", id="arguments as text"),
        pytest.param({"apiService": {"insecureSkipTlsVerify": False}}, "unexpected", id="misspelt inside"),
        pytest.param({"containerPort": 70000}, "greater than the maximum", id="no port"),
        pytest.param({"shutdownDelay": "10"}, "does not match", id="duration without unit"),
    ],
)
def test_what_is_wrong_is_said(wrong: dict[str, Any], said: str) -> None:
    (error,) = validator().iter_errors(wrong)

    assert said in error.message
