"""The command lines that metrics-server's manifests and guides had over the years: each still starts.

From the manifests at its tags v0.1.0 to v0.9.0 and its charts 3.5 to 3.13, and what guides told people to add.
"""

from __future__ import annotations

import pytest

from metrics_api.errors import SettingsError
from metrics_api.settings.parse import parse_settings

ADDRESSES = "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname"
STATUS_PORT = "--kubelet-use-node-status-port"

PUBLISHED: dict[str, tuple[list[str], int]] = {
    "v0.1 to v0.3, Kubernetes 1.7": (["--source=kubernetes.summary_api:''"], 443),
    "v0.3.0 to v0.3.6": ([], 443),
    "v0.3.7": (["--cert-dir=/tmp", "--secure-port=4443"], 4443),
    "v0.4": (["--cert-dir=/tmp", "--secure-port=4443", ADDRESSES, STATUS_PORT], 4443),
    "v0.5.0 and v0.5.1": (
        ["--cert-dir=/tmp", "--secure-port=443", ADDRESSES, STATUS_PORT, "--metric-resolution=15s"],
        443,
    ),
    "v0.5.2 and v0.6": (
        ["--cert-dir=/tmp", "--secure-port=4443", ADDRESSES, STATUS_PORT, "--metric-resolution=15s"],
        4443,
    ),
    "v0.7 to v0.9": (
        ["--cert-dir=/tmp", "--secure-port=10250", ADDRESSES, STATUS_PORT, "--metric-resolution=15s"],
        10250,
    ),
    "charts 3.5 to 3.9": (
        ["--secure-port=4443", "--cert-dir=/tmp", ADDRESSES, STATUS_PORT, "--metric-resolution=15s"],
        4443,
    ),
}
"""Version -> (arguments, port listened on)."""

WARNED = {"v0.1 to v0.3, Kubernetes 1.7": "--source does nothing here: "}


@pytest.mark.parametrize("version", PUBLISHED)
def test_a_published_manifest_starts(version: str) -> None:
    arguments, port = PUBLISHED[version]
    settings = parse_settings(arguments, {})

    assert settings.secure_port == port
    assert [warning[: len(WARNED.get(version, ""))] for warning in settings.warnings] == (
        [WARNED[version]] if version in WARNED else []
    )


GUIDES: dict[str, tuple[list[str], int]] = {
    "kubeadm, self-signed kubelets": (["--kubelet-insecure-tls", "--kubelet-preferred-address-types=InternalIP"], 0),
    "the read-only port": (["--deprecated-kubelet-completely-insecure=true", "--kubelet-port=10255"], 0),
    "EKS before its add-on": (["--logtostderr", "--kubelet-preferred-address-types=InternalIP"], 1),
    "klog's flags, with underscores": (
        ["--v=2", "--log_dir=/tmp", "--alsologtostderr=false", "--stderrthreshold=2"],
        3,
    ),
    "kops": (["--requestheader-client-ca-file=/ca.crt", "--requestheader-allowed-names=aggregator"], 0),
    "webhook kubeconfigs": (["--authentication-kubeconfig=/k", "--authorization-kubeconfig=/k"], 0),
    "a selector with a space after it": (["--node-selector", "type!=virtual-kubelet"], 0),
    "a resolution as a bare word": (["--metric-resolution", "30s"], 0),
    "profiling off": (["--profiling=false", "--enable-priority-and-fairness=false"], 2),
    "gates": (["--feature-gates=APIPriorityAndFairness=false"], 1),
}
"""Whose -> (arguments, how many warnings say that a flag does nothing)."""


@pytest.mark.parametrize("whose", GUIDES)
def test_a_command_line_that_guides_recommend_starts(whose: str) -> None:
    arguments, warned = GUIDES[whose]
    warnings = parse_settings(arguments, {}).warnings

    assert sum("does nothing here: " in warning for warning in warnings) == warned


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--metric-resolution=5s"], "metric-resolution should be a time duration at least 10s, but value 5s provided"),
        (["--metric-resolution=10s"], "metric-resolution should be larger than kubelet-request-timeout"),
        (["--kubelet-prefered-address-types=InternalIP"], "kubelet-preferred-address-types"),
        (["--kubelet-preferred-address-types=InternalIP, Hostname x"], "is no address type"),
        (["-kubelet-insecure-tls"], "unknown shorthand flag"),
        (["--kubelet-insecure-tls=yes"], "invalid syntax"),
        (["/metrics-server"], "/metrics-server"),
        (["--tls-cert-file=/tls.crt"], "need both --tls-cert-file and --tls-private-key-file"),
    ],
    ids=["too often", "no room for the timeout", "misspelt", "no list", "one dash", "no boolean", "a program", "half"],
)
def test_what_never_worked_is_refused_with_words_that_help(arguments: list[str], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings(arguments, {})

    assert said in str(caught.value)
