"""metrics-server's own command lines are taken as they stand (v0.9.0 of 2026-07-13, chart 3.13.1)."""

import pytest

from metrics_api.errors import SettingsError
from metrics_api.settings.flags import FLAGS
from metrics_api.settings.inert import INERT
from metrics_api.settings.parse import parse_settings

MANIFEST = [
    "--cert-dir=/tmp",
    "--secure-port=10250",
    "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
    "--kubelet-use-node-status-port",
    "--metric-resolution=15s",
]
TEST_OVERLAY = [*MANIFEST, "--kubelet-insecure-tls", "--v=4", "--node-selector=metrics-server-skip!=true"]
CHART = [
    "--secure-port=10250",
    "--cert-dir=/tmp",
    "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
    "--kubelet-use-node-status-port",
    "--metric-resolution=15s",
]
CHART_WITH_ALL = [
    *CHART,
    "--authorization-always-allow-paths=/metrics",
    "--tls-cert-file=/tmp/tls-certs/tls.crt",
    "--tls-private-key-file=/tmp/tls-certs/tls.key",
    "--kubelet-insecure-tls",
]

BOOLEANS = [
    "authentication-skip-lookup",
    "authentication-tolerate-lookup-failure",
    "contention-profiling",
    "audit-log-batch-throttle-enable",
    "audit-log-compress",
    "audit-log-truncate-enabled",
    "audit-webhook-batch-throttle-enable",
    "audit-webhook-truncate-enabled",
    "deprecated-kubelet-completely-insecure",
    "disable-http2-serving",
    "emulation-forward-compatible",
    "enable-priority-and-fairness",
    "help",
    "kubelet-insecure-tls",
    "kubelet-use-node-status-port",
    "log-json-split-stream",
    "log-text-split-stream",
    "permit-address-sharing",
    "permit-port-sharing",
    "profiling",
    "runtime-config-emulation-forward-compatible",
    "shutdown-send-retry-after",
    "version",
]

VALUED = {
    "metric-resolution": "1m0s",
    "kubeconfig": "/etc/kubeconfig",
    "advertise-address": "10.0.0.1",
    "cors-allowed-origins": "^https://a$",
    "emulated-version": "kube=1.31",
    "external-hostname": "metrics.example.com",
    "feature-gates": "kube:LoggingBetaOptions=true",
    "goaway-chance": "0.001",
    "livez-grace-period": "5s",
    "max-mutating-requests-inflight": "200",
    "max-requests-inflight": "400",
    "min-compatibility-version": "kube=1.30",
    "min-request-timeout": "1800",
    "request-timeout": "1m0s",
    "shutdown-delay-duration": "10s",
    "shutdown-watch-termination-grace-period": "0s",
    "storage-initialization-timeout": "1m0s",
    "strict-transport-security-directives": "max-age=31536000",
    "kubelet-certificate-authority": "/ca.crt",
    "kubelet-client-certificate": "/c.crt",
    "kubelet-client-key": "/c.key",
    "kubelet-port": "10250",
    "kubelet-preferred-address-types": "InternalIP",
    "kubelet-request-timeout": "10s",
    "node-selector": "a=b",
    "bind-address": "0.0.0.0",
    "cert-dir": "/certificates",
    "http2-max-streams-per-connection": "100",
    "secure-port": "4443",
    "tls-cert-file": "/s.crt",
    "tls-cipher-suites": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "tls-curve-preferences": "23,24",
    "tls-min-version": "VersionTLS12",
    "tls-private-key-file": "/s.key",
    "tls-sni-cert-key": "a.crt,a.key:a.example.com",
    "authentication-kubeconfig": "/etc/kubeconfig",
    "authentication-token-webhook-cache-ttl": "10s",
    "client-ca-file": "/ca.crt",
    "requestheader-allowed-names": "front-proxy-client",
    "requestheader-client-ca-file": "/front-proxy.crt",
    "requestheader-extra-headers-prefix": "X-Remote-Extra-",
    "requestheader-group-headers": "X-Remote-Group",
    "requestheader-uid-headers": "X-Remote-Uid",
    "requestheader-username-headers": "X-Remote-User",
    "authorization-always-allow-paths": "/healthz,/readyz,/livez",
    "authorization-kubeconfig": "/etc/kubeconfig",
    "authorization-webhook-cache-authorized-ttl": "10s",
    "authorization-webhook-cache-unauthorized-ttl": "10s",
    "audit-log-batch-buffer-size": "10000",
    "audit-log-batch-max-size": "1",
    "audit-log-batch-max-wait": "0s",
    "audit-log-batch-throttle-burst": "0",
    "audit-log-batch-throttle-qps": "0",
    "audit-log-format": "json",
    "audit-log-maxage": "366",
    "audit-log-maxbackup": "100",
    "audit-log-maxsize": "100",
    "audit-log-mode": "blocking",
    "audit-log-path": "-",
    "audit-log-truncate-max-batch-size": "10485760",
    "audit-log-truncate-max-event-size": "102400",
    "audit-log-version": "audit.k8s.io/v1",
    "audit-policy-file": "/policy.yaml",
    "audit-webhook-batch-buffer-size": "10000",
    "audit-webhook-batch-max-size": "400",
    "audit-webhook-batch-max-wait": "30s",
    "audit-webhook-batch-throttle-burst": "15",
    "audit-webhook-batch-throttle-qps": "10",
    "audit-webhook-config-file": "/webhook.yaml",
    "audit-webhook-initial-backoff": "10s",
    "audit-webhook-mode": "batch",
    "audit-webhook-truncate-max-batch-size": "10485760",
    "audit-webhook-truncate-max-event-size": "102400",
    "audit-webhook-version": "audit.k8s.io/v1",
    "debug-socket-path": "/debug.sock",
    "log-flush-frequency": "5s",
    "log-json-info-buffer-size": "0",
    "log-text-info-buffer-size": "0",
    "logging-format": "text",
    "v": "0",
    "vmodule": "server=4",
}

OLD_BOOLEANS = [
    "add_dir_header",
    "alsologtostderr",
    "logtostderr",
    "one_output",
    "skip_headers",
    "skip_log_headers",
    "skip-headers",
    "kubelet-https",
    "experimental-logging-sanitization",
    "enable-swagger-ui",
    "audit-dynamic-configuration",
    "disable_export",
]
OLD_VALUED = [
    "source",
    "sink",
    "heapster-port",
    "listen_ip",
    "max_procs",
    "label_seperator",
    "log_backtrace_at",
    "log_dir",
    "log_file",
    "log_file_max_size",
    "stderrthreshold",
    "tls-ca-file",
]

NEED_A_SECOND = {
    "kubelet-client-certificate": ["--kubelet-client-key=/c.key"],
    "kubelet-client-key": ["--kubelet-client-certificate=/c.crt"],
    "tls-cert-file": ["--tls-private-key-file=/s.key"],
    "tls-private-key-file": ["--tls-cert-file=/s.crt"],
}


def test_the_release_manifest_is_taken() -> None:
    settings = parse_settings(MANIFEST, {})

    assert settings.cert_dir == "/tmp"  # noqa: S108 - what the manifest says
    assert settings.secure_port == 10250
    assert settings.kubelet_preferred_address_types == ("InternalIP", "ExternalIP", "Hostname")
    assert settings.kubelet_use_node_status_port
    assert settings.metric_resolution == 15
    assert settings.max_metric_age == 90
    assert settings.warnings == ()


def test_the_test_overlay_is_taken() -> None:
    settings = parse_settings(TEST_OVERLAY, {})

    assert settings.kubelet_insecure_tls
    assert settings.verbosity == 4
    assert settings.node_selector == "metrics-server-skip!=true"


def test_the_chart_is_taken() -> None:
    assert parse_settings(CHART, {}) == parse_settings(MANIFEST, {})


def test_the_chart_with_metrics_and_certificate_is_taken() -> None:
    settings = parse_settings(CHART_WITH_ALL, {})

    assert settings.authorization_always_allow_paths == ("/metrics",)
    assert settings.tls_cert_file == "/tmp/tls-certs/tls.crt"  # noqa: S108 - what the chart says
    assert settings.tls_private_key_file == "/tmp/tls-certs/tls.key"  # noqa: S108


@pytest.mark.parametrize("name", BOOLEANS)
def test_every_boolean_of_metrics_server_is_taken(name: str) -> None:
    bare, explicit = parse_settings([f"--{name}"], {}), parse_settings([f"--{name}=true"], {})

    assert bare == explicit
    assert parse_settings([f"--{name}=false"], {}).warnings == (bare.warnings if name in INERT else ())


@pytest.mark.parametrize("name", VALUED)
def test_every_flag_of_metrics_server_with_a_value_is_taken_in_both_forms(name: str) -> None:
    others = NEED_A_SECOND.get(name, [])

    assert parse_settings([f"--{name}={VALUED[name]}", *others], {}) == parse_settings(
        [f"--{name}", VALUED[name], *others], {}
    )


def test_all_flags_of_metrics_server_are_taken_together() -> None:
    clashing = {"deprecated-kubelet-completely-insecure", "kubelet-insecure-tls"}
    booleans = [f"--{name}" for name in BOOLEANS if name not in clashing]

    settings = parse_settings([*booleans, *(f"--{name}={value}" for name, value in VALUED.items())], {})

    assert len(settings.warnings) == len({*BOOLEANS, *VALUED} & set(INERT))


@pytest.mark.parametrize("name", OLD_BOOLEANS)
def test_a_removed_boolean_is_taken_with_a_warning(name: str) -> None:
    (warning,) = parse_settings([f"--{name}", f"--{name}=false"], {}).warnings

    assert warning.startswith(f"--{name.replace('_', '-')} does nothing here: ")


@pytest.mark.parametrize("name", OLD_VALUED)
def test_a_removed_flag_with_a_value_is_taken_with_a_warning(name: str) -> None:
    (warning,) = parse_settings([f"--{name}", "kubernetes.summary_api:''"], {}).warnings

    assert warning.startswith(f"--{name.replace('_', '-')} does nothing here: ")


def test_no_flag_is_both_with_and_without_effect() -> None:
    assert set(FLAGS).isdisjoint(INERT)


def test_only_these_flags_are_our_own() -> None:
    theirs = {*BOOLEANS, *VALUED}

    assert set(FLAGS) - theirs == {
        "kubelet-endpoint",
        "max-metric-age",
        "kubelet-denied-cidrs",
        "kubelet-tls-verify",
        "peer-key-file",
        "peer-service",
        "per-node-metrics",
        "enable-watch",
        "max-watchers",
        "verified-tls",
    }


def test_a_flag_without_effect_still_needs_its_value() -> None:
    with pytest.raises(SettingsError, match="flag needs an argument: --audit-log-path"):
        parse_settings(["--audit-log-path"], {})
