"""What the chart renders: metrics-server's chart's names, selectors and labels, and ours beside them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

import metrics_api
from metrics_api.settings.parse import parse_settings
from tests.manifests.charting import CHART, RefusedValuesError, template
from tests.manifests.installing import bare_cluster
from tests.manifests.rendering import Object, deployment, keyed, pod, server
from tests.manifests.test_pods import restricted_faults

EVERYTHING: dict[str, Any] = {
    "replicas": 2,
    "podDisruptionBudget": {"enabled": True, "maxUnavailable": 1},
    "addonResizer": {"enabled": True},
    "networkPolicy": {"enabled": True},
    "apiService": {"v1": True, "insecureSkipTLSVerify": False},
    "tls": {"type": "helm"},
    "peers": {"enabled": True},
}
VERIFIED: dict[str, Any] = {"replicas": 2, "apiService": {"v1": True}, "verifiedTls": {"enabled": True}}


def names(objects: list[Object]) -> set[tuple[str, str, str]]:
    return set(keyed(objects))


@pytest.mark.parametrize(
    ("release", "user", "fullname"),
    [
        pytest.param("metrics-server", {}, "metrics-server", id="the usual release"),
        pytest.param("my-metrics-server", {}, "my-metrics-server", id="release has the name in it"),
        pytest.param("prod", {}, "prod-metrics-server", id="another release"),
        pytest.param("prod", {"nameOverride": "ms"}, "prod-ms", id="nameOverride"),
        pytest.param("prod", {"fullnameOverride": "ms"}, "ms", id="fullnameOverride"),
    ],
)
def test_objects_are_named_as_by_metrics_servers_chart(
    tmp_path: Path, release: str, user: dict[str, Any], fullname: str
) -> None:
    assert names(template(tmp_path, user, release=release)) == {
        ("ServiceAccount", "monitor", fullname),
        ("ClusterRole", "", f"system:{fullname}"),
        ("ClusterRole", "", f"system:{fullname}-aggregated-reader"),
        ("ClusterRoleBinding", "", f"system:{fullname}"),
        ("ClusterRoleBinding", "", f"{fullname}:system:auth-delegator"),
        ("RoleBinding", "kube-system", f"{fullname}-auth-reader"),
        ("Service", "monitor", fullname),
        ("Deployment", "monitor", fullname),
        ("APIService", "", "v1beta1.metrics.k8s.io"),
    }


def test_labels_and_selectors_are_those_of_metrics_servers_chart(tmp_path: Path) -> None:
    objects = template(tmp_path, {"commonLabels": {"team": "a"}})
    selector = {"app.kubernetes.io/name": "metrics-server", "app.kubernetes.io/instance": "metrics-server"}
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
    labels = {
        **selector,
        "helm.sh/chart": f"metrics-api-{version}",
        "app.kubernetes.io/version": metrics_api.__version__,
        "app.kubernetes.io/managed-by": "Helm",
        "team": "a",
    }

    for obj in objects:
        found = obj["metadata"]["labels"]
        assert {key: found[key] for key in labels} == labels
        assert set(found) - set(labels) == set() or "aggregated-reader" in obj["metadata"]["name"]
    assert deployment(objects)["selector"] == {"matchLabels": selector}
    assert deployment(objects)["template"]["metadata"]["labels"] == selector
    (service,) = [obj["spec"] for obj in objects if obj["kind"] == "Service"]
    assert service["selector"] == selector


def test_arguments_come_in_the_order_of_metrics_servers_chart_and_are_understood(tmp_path: Path) -> None:
    user = {"args": ["--kubelet-insecure-tls"], "metrics": {"enabled": True}, "tls": {"type": "cert-manager"}}
    args = server(template(tmp_path, user))["args"]

    assert args == [
        "--secure-port=10250",
        "--cert-dir=/tmp",
        "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
        "--kubelet-use-node-status-port",
        "--metric-resolution=15s",
        "--authorization-always-allow-paths=/healthz,/readyz,/livez,/metrics",
        "--tls-cert-file=/tmp/tls-certs/tls.crt",
        "--tls-private-key-file=/tmp/tls-certs/tls.key",
        "--shutdown-delay-duration=10s",
        "--kubelet-insecure-tls",
    ]
    settings = parse_settings(args, {})
    objects = template(tmp_path, user)
    assert pod(objects)["terminationGracePeriodSeconds"] > settings.shutdown_delay_duration + settings.request_timeout


@pytest.mark.parametrize("user", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_pod_security_restricted_lets_the_pods_in(tmp_path: Path, user: dict[str, Any]) -> None:
    assert not list(restricted_faults(pod(template(tmp_path, user))))


def test_a_certificate_made_by_helm_has_the_services_names_and_its_authority_in_the_api_services(
    tmp_path: Path,
) -> None:
    objects = template(tmp_path, EVERYTHING)
    (data,) = [obj["data"] for obj in objects if obj["kind"] == "Secret" and "tls.crt" in obj.get("data", {})]
    certificate = x509.load_pem_x509_certificate(base64.b64decode(data["tls.crt"]))
    authority = x509.load_pem_x509_certificate(base64.b64decode(data["ca.crt"]))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    certificate.verify_directly_issued_by(authority)
    assert names.get_values_for_type(x509.DNSName) == [
        "metrics-server.monitor",
        "metrics-server.monitor.svc",
        "metrics-server.monitor.svc.cluster.local",
    ]
    specs = {obj["spec"]["version"]: obj["spec"] for obj in objects if obj["kind"] == "APIService"}
    assert {version: spec["versionPriority"] for version, spec in specs.items()} == {"v1": 200, "v1beta1": 100}
    for spec in specs.values():
        assert spec["caBundle"] == data["ca.crt"]
        assert "insecureSkipTLSVerify" not in spec


@pytest.mark.parametrize("encoded", [False, True], ids=["PEM", "base64"])
def test_a_given_ca_bundle_is_taken_as_pem_and_as_base64(tmp_path: Path, encoded: bool) -> None:
    pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    base = base64.b64encode(pem.encode()).decode()
    user = {"apiService": {"insecureSkipTLSVerify": False, "caBundle": base if encoded else pem}}
    (spec,) = [obj["spec"] for obj in template(tmp_path, user) if obj["kind"] == "APIService"]

    assert spec["caBundle"] == base


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ({"apiService": {"caBundle": "AAAA"}}, "exclude each other"),
        ({"tls": {"type": "existingSecret"}}, "tls.existingSecret.name"),
        ({**VERIFIED, "tls": {"type": "helm"}}, "verifiedTls makes its own certificates"),
        ({**VERIFIED, "apiService": {"caBundle": "AAAA"}}, "verifiedTls makes its own certificates"),
        ({"replica": 2}, "additional properties 'replica' not allowed"),
        ({"tls": {"type": "certmanager"}}, "value must be one of 'metrics-server'"),
    ],
    ids=[
        "caBundle beside insecureSkipTLSVerify",
        "no name of a Secret",
        "two makers of certificates",
        "two sources of the caBundle",
        "unknown key",
        "unknown kind of TLS",
    ],
)
def test_values_that_contradict_each_other_are_refused_with_a_reason(
    tmp_path: Path, user: dict[str, Any], said: str
) -> None:
    with pytest.raises(RefusedValuesError, match=said):
        template(tmp_path, user)


@pytest.mark.parametrize("field", ["minAvailable", "maxUnavailable"])
def test_a_disruption_budget_of_zero_is_kept(tmp_path: Path, field: str) -> None:
    objects = template(tmp_path, {"podDisruptionBudget": {"enabled": True, field: 0}})
    (budget,) = [obj["spec"] for obj in objects if obj["kind"] == "PodDisruptionBudget"]

    assert {key: value for key, value in budget.items() if key != "selector"} == {field: 0}


def test_what_cannot_be_changed_by_an_upgrade_is_as_metrics_servers_chart_has_it(tmp_path: Path) -> None:
    objects = keyed(template(tmp_path, EVERYTHING))

    assert objects["Secret", "monitor", "metrics-server"]["type"] == "Opaque"
    assert objects["RoleBinding", "monitor", "metrics-server-nanny"]["roleRef"]["name"] == "system:metrics-server-nanny"
    assert ("Role", "monitor", "system:metrics-server-nanny") in objects


def test_the_pods_own_values_reach_it(tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "podSecurityContext": {"fsGroup": 1},
        "hostUsers": False,
        "nodeSelector": {"a": "b"},
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "topologySpreadConstraints": [{"maxSkew": 1}],
        "dnsConfig": {"nameservers": ["192.0.2.1"]},
        "schedulerName": "mine",
        "imagePullSecrets": [{"name": "pull"}],
        "hostNetwork": {"enabled": True},
        "extraVolumes": [{"name": "extra", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "extra", "mountPath": "/extra"}],
        "tmpVolume": {"emptyDir": {"medium": "Memory"}},
        "image": {"repository": "mirror.example/metrics-api", "tag": "v9"},
        "podLabels": {"l": "x"},
        "podAnnotations": {"p": "x"},
        "updateStrategy": {"rollingUpdate": {"maxUnavailable": 0}},
        "revisionHistoryLimit": 0,
    }
    objects = template(tmp_path, given)
    spec = pod(objects)

    renamed = {"podSecurityContext": "securityContext"}
    for key in list(given)[:9]:
        assert spec[renamed.get(key, key)] == given[key]
    assert spec["hostNetwork"] is True
    assert spec["volumes"] == [{"name": "tmp", **given["tmpVolume"]}, *given["extraVolumes"]]
    assert server(objects)["volumeMounts"][1:] == given["extraVolumeMounts"]
    assert server(objects)["image"] == "mirror.example/metrics-api:v9"
    metadata = deployment(objects)["template"]["metadata"]
    assert (metadata["labels"]["l"], metadata["annotations"]) == ("x", {"p": "x"})
    assert deployment(objects)["strategy"] == given["updateStrategy"]
    assert deployment(objects)["revisionHistoryLimit"] == 0


def test_cert_manager_and_the_prometheus_operator_get_their_objects(tmp_path: Path) -> None:
    user = {
        "tls": {"type": "cert-manager", "certManager": {"duration": "48h"}},
        "apiService": {"insecureSkipTLSVerify": False, "annotations": {"mine": "x"}},
        "metrics": {"enabled": True},
        "serviceMonitor": {"enabled": True, "additionalLabels": {"release": "prometheus"}},
    }
    objects = keyed(template(tmp_path, user))
    certificate = objects["Certificate", "monitor", "metrics-server"]["spec"]
    monitor = objects["ServiceMonitor", "monitor", "metrics-server"]

    assert certificate["issuerRef"] == {
        "group": "cert-manager.io",
        "kind": "Issuer",
        "name": "metrics-server-issuer",
    }
    assert ("Issuer", "monitor", "metrics-server-issuer") in objects
    assert certificate["duration"] == "48h"
    assert objects["APIService", "", "v1beta1.metrics.k8s.io"]["metadata"]["annotations"] == {
        "cert-manager.io/inject-ca-from": "monitor/metrics-server",
        "mine": "x",
    }
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["endpoints"][0]["scheme"] == "https"


def test_the_replicas_may_look_at_each_other_where_a_network_policy_is_narrowed(tmp_path: Path) -> None:
    user = {**VERIFIED, "containerPort": 4443, "networkPolicy": {"enabled": True}}
    objects = template(tmp_path, user)
    (policy,) = [obj["spec"] for obj in objects if obj["kind"] == "NetworkPolicy"]
    selector = deployment(objects)["selector"]

    assert {"ports": [{"port": 4443, "protocol": "TCP"}], "to": [{"podSelector": selector}]} in policy["egress"]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("user", [{}, EVERYTHING], ids=["defaults", "everything"])
async def test_the_server_would_take_every_object(tmp_path: Path, user: dict[str, Any]) -> None:
    file = tmp_path / "rendered.yaml"
    objects = template(tmp_path, user, namespace="kube-system")
    file.write_text(yaml.safe_dump_all(objects))
    async with bare_cluster(tmp_path) as installation:
        out = await installation.kubectl("apply", "--dry-run=server", "-f", file)

    assert len(out.splitlines()) == len(objects)


def test_the_chart_and_the_program_have_one_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert chart["appVersion"] == metrics_api.__version__
