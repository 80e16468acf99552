import dataclasses
import ssl
from ipaddress import ip_network

import pytest

from metrics_api.errors import SettingsError
from metrics_api.selectors import parse_label_selector
from metrics_api.settings.cipher_suites import openssl_names
from metrics_api.settings.parse import find_request, parse_settings
from metrics_api.settings.values import NamedCertKey, Settings

TLS13 = "TLS_AES_128_GCM_SHA256"
TLS12 = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"


def parse(*arguments: str, **environment: str) -> Settings:
    return parse_settings(arguments, environment)


def test_nothing_given_means_the_defaults() -> None:
    assert parse() == Settings()


def test_defaults_are_those_of_metrics_server() -> None:
    settings = parse()

    assert settings.metric_resolution == 60
    assert settings.secure_port == 443
    assert settings.kubelet_port == 10250
    assert settings.kubelet_request_timeout == 10
    assert settings.kubelet_preferred_address_types == (
        "Hostname",
        "InternalDNS",
        "InternalIP",
        "ExternalDNS",
        "ExternalIP",
    )
    assert settings.authorization_always_allow_paths == ("/healthz", "/readyz", "/livez")


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        parse().secure_port = 1  # type: ignore[misc]  # the point


def test_of_two_values_the_last_wins() -> None:
    assert parse("--kubelet-port=1", "--kubelet-port=2").kubelet_port == 2


def test_the_first_use_of_a_list_replaces_the_default_and_the_next_appends() -> None:
    settings = parse("--kubelet-preferred-address-types=InternalIP", "--kubelet_preferred_address_types=Hostname, X")

    assert settings.kubelet_preferred_address_types == ("InternalIP", "Hostname", "X")


def test_certificates_for_names_add_up() -> None:
    settings = parse("--tls-sni-cert-key=a.crt,a.key", "--tls-sni-cert-key=b.crt,b.key:b")

    assert settings.tls_sni_cert_key == (NamedCertKey("a.crt", "a.key"), NamedCertKey("b.crt", "b.key", ("b",)))


@pytest.mark.parametrize(
    ("resolution", "age"), [("10s", 90), ("15s", 90), ("22500ms", 90), ("30s", 105), ("60s", 165), ("5m", 645)]
)
def test_the_age_follows_the_resolution(resolution: str, age: float) -> None:
    assert parse(f"--metric-resolution={resolution}", "--kubelet-request-timeout=5s").max_metric_age == age


def test_an_age_that_is_given_does_not_follow() -> None:
    assert parse("--max-metric-age=2m").max_metric_age == 120


def test_reviews_go_where_the_kubeconfig_points() -> None:
    settings = parse("--kubeconfig=/k")

    assert settings.authentication_kubeconfig == "/k"
    assert settings.authorization_kubeconfig == "/k"


def test_reviews_may_go_elsewhere_or_by_the_service_account() -> None:
    settings = parse("--kubeconfig=/k", "--authentication-kubeconfig=/a", "--authorization-kubeconfig=")

    assert settings.authentication_kubeconfig == "/a"
    assert settings.authorization_kubeconfig == ""


def test_no_address_is_denied_when_the_list_is_emptied() -> None:
    assert parse("--kubelet-denied-cidrs=").kubelet_denied_cidrs == ()


def test_loopback_and_metadata_service_are_denied_unless_told_otherwise() -> None:
    denied = parse().kubelet_denied_cidrs

    assert ip_network("127.0.0.0/8") in denied
    assert ip_network("169.254.0.0/16") in denied
    assert len(denied) == 8


def test_the_node_selector_is_kept_as_written_and_parsed() -> None:
    settings = parse("-l", "type!=virtual-kubelet, zone in (a, b)")

    assert settings.node_selector == "type!=virtual-kubelet, zone in (a, b)"
    assert settings.node_label_selector == parse_label_selector(settings.node_selector)


def test_an_empty_node_selector_selects_all() -> None:
    assert parse("--node-selector=").node_label_selector is None


@pytest.mark.parametrize("word", ["VersionTLS10", "VersionTLS11"])
def test_old_tls_is_raised_and_said(word: str) -> None:
    settings = parse(f"--tls-min-version={word}")

    assert settings.tls_min_version is ssl.TLSVersion.TLSv1_2
    assert settings.warnings == (f"--tls-min-version={word} is raised to VersionTLS12: older TLS is not secure",)


def test_suites_of_tls13_alone_leave_no_older_tls() -> None:
    settings = parse(f"--tls-cipher-suites={TLS13}")

    assert settings.tls_min_version is ssl.TLSVersion.TLSv1_3
    assert len(settings.warnings) == 1


@pytest.mark.parametrize(
    ("flag", "value", "missing"),
    [
        ("username-headers", "x-user", "X-Remote-User header"),
        ("group-headers", "X-Group,X-Groups", "X-Remote-Group header"),
        ("extra-headers-prefix", "x-extra-", "X-Remote-Extra- header prefix"),
        ("uid-headers", "x-uid", "X-Remote-Uid header"),
        ("username-headers", "x-user,x-remote-USER", ""),
        ("uid-headers", "x-uid,x-remote-uid", ""),
        ("group-headers", "", ""),
    ],
)
def test_headers_that_kube_apiserver_does_not_send_are_said(flag: str, value: str, missing: str) -> None:
    said = f"--requestheader-{flag} is set without specifying the standard {missing} - API aggregation will not work"

    settings = parse("--requestheader-client-ca-file=ca.crt", f"--requestheader-{flag}={value}")
    assert settings.warnings == ((said,) if missing else ())


@pytest.mark.parametrize(
    ("flag", "value", "warns"),
    [
        ("allowed-names", "front-proxy-client", True),
        ("group-headers", "X-Remote-Group,X-Groups", True),
        ("uid-headers", "X-Remote-Uid", True),
        ("username-headers", "X-Remote-User", False),
        ("extra-headers-prefix", "X-Remote-Extra-", False),
    ],
)
def test_rules_for_a_front_proxy_whose_authority_is_not_named_are_said_to_do_nothing(
    flag: str, value: str, warns: bool
) -> None:
    warnings = parse(f"--requestheader-{flag}={value}").warnings
    assert [each.startswith(f"--requestheader-{flag} has no effect without") for each in warnings] == [True] * warns


def test_it_is_said_when_no_front_proxy_can_be_believed() -> None:
    (warning,) = parse("--authentication-skip-lookup").warnings
    assert "kube-apiserver gets no answer" in warning
    assert parse("--authentication-skip-lookup", "--requestheader-client-ca-file=ca.crt").warnings == ()


def test_suites_of_both_versions_leave_both() -> None:
    settings = parse(f"--tls-cipher-suites={TLS13},{TLS12}")

    assert settings.tls_min_version is ssl.TLSVersion.TLSv1_2
    assert settings.warnings == ()
    assert openssl_names(settings.tls_cipher_suites) == "ECDHE-RSA-AES128-GCM-SHA256"


def test_openssl_takes_the_names_of_the_suites() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    suites = ["TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", TLS12]
    context.set_ciphers(openssl_names(suites))

    names = [suite["name"] for suite in context.get_ciphers() if suite["protocol"] == "TLSv1.2"]
    assert names == ["ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-AES128-GCM-SHA256"]


def test_insecurity_is_said_once() -> None:
    (warning,) = parse("--kubelet-insecure-tls", "--kubelet-insecure-tls").warnings

    assert warning.startswith("--kubelet-insecure-tls: kubelets' certificates are not verified")


@pytest.mark.parametrize(
    ("arguments", "verify", "warned"),
    [
        ([], "full", ""),
        (["--kubelet-insecure-tls"], "none", "--kubelet-insecure-tls: "),
        (["--kubelet-insecure-tls", "--kubelet-tls-verify=none"], "none", "--kubelet-insecure-tls: "),
        (["--kubelet-tls-verify=none"], "none", "--kubelet-tls-verify=none: kubelets' certificates are not verified"),
        (["--kubelet-tls-verify=pin"], "pin", "--kubelet-tls-verify=pin: after each start, the first to answer"),
        (["--kubelet-tls-verify=node-name", "--kubelet-certificate-authority=ca"], "node-name", ""),
    ],
)
def test_how_kubelets_are_verified_is_one_setting_and_weakness_is_said(
    arguments: list[str], verify: str, warned: str
) -> None:
    settings = parse(*arguments)

    assert settings.kubelet_tls_verify == verify
    assert [each.startswith(warned) for each in settings.warnings] == ([True] if warned else [])


@pytest.mark.parametrize(
    ("arguments", "request_"),
    [
        ([], None),
        (["--secure-port=1"], None),
        (["-h"], "help"),
        (["--secure-port=1", "--help"], "help"),
        (["--version"], "version"),
        (["--version", "--help"], "help"),
        (["--version=false"], None),
        (["--version=maybe"], None),
        (["--kubeconfig", "--help"], None),
        (["--", "--help"], None),
        (["--unknown", "--help"], "help"),
    ],
)
def test_help_and_version_are_found_where_they_are_flags(arguments: list[str], request_: str | None) -> None:
    assert find_request(arguments) == request_


def test_a_request_with_a_wrong_value_is_a_fault() -> None:
    with pytest.raises(SettingsError, match="--version"):
        parse("--version=maybe")
