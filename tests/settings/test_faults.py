import pytest

from metrics_api.errors import SettingsError
from metrics_api.settings.parse import parse_settings


def faults_of(*arguments: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        parse_settings(arguments, {})
    return caught.value.faults


CA = "--kubelet-certificate-authority=ca"
KEY = "--kubelet-client-key=k"
CERTIFICATE = "--kubelet-client-certificate=c"
SKIP_VERIFY = "--kubelet-insecure-tls"
PLAIN = "--deprecated-kubelet-completely-insecure"


@pytest.mark.parametrize(
    ("arguments", "faults"),
    [
        pytest.param(
            ["--metric-resolution=9.999s", "--kubelet-request-timeout=1s"],
            [
                "metric-resolution should be a time duration at least 10s, but value 9.999s provided: "
                "kubelets measure every 10 to 15 s, set 15s"
            ],
            id="resolution-too-short",
        ),
        pytest.param(
            ["--metric-resolution=11s"],
            [
                "metric-resolution should be larger than kubelet-request-timeout, but metric-resolution value 11s "
                "kubelet-request-timeout value 10s provided: the timeout may be at most nine tenths of the resolution"
            ],
            id="resolution-near-the-timeout",
        ),
        pytest.param(
            ["--kubelet-request-timeout=0s"], ["kubelet-request-timeout should be positive"], id="timeout-zero"
        ),
        pytest.param(
            ["--kubelet-request-timeout=-1s"], ["kubelet-request-timeout should be positive"], id="timeout-negative"
        ),
        pytest.param(
            [CA, SKIP_VERIFY],
            ["cannot use both --kubelet-certificate-authority and --kubelet-insecure-tls"],
            id="authority-and-insecure",
        ),
        pytest.param(
            [SKIP_VERIFY, "--kubelet-tls-verify=full"],
            [
                "cannot use both --kubelet-insecure-tls and --kubelet-tls-verify=full: the first is "
                "--kubelet-tls-verify=none"
            ],
            id="insecure-and-full",
        ),
        pytest.param(
            [PLAIN, "--kubelet-tls-verify=node-name"],
            [
                "cannot use both --deprecated-kubelet-completely-insecure and --kubelet-tls-verify=node-name: "
                "without TLS nothing is verified"
            ],
            id="plain-http-and-node-name",
        ),
        pytest.param(
            [CA, "--kubelet-tls-verify=pin"],
            [
                "cannot use both --kubelet-certificate-authority and --kubelet-tls-verify=pin: no authority is asked "
                "then; full and node-name ask one"
            ],
            id="authority-and-pin",
        ),
        pytest.param(
            ["--kubelet-tls-verify=strict"],
            ['invalid argument "strict" for "--kubelet-tls-verify" flag: it must be one of full, node-name, pin, none'],
            id="unknown-verification",
        ),
        pytest.param([KEY], ["need both --kubelet-client-key and --kubelet-client-certificate"], id="key-alone"),
        pytest.param(
            [CERTIFICATE],
            ["need both --kubelet-client-key and --kubelet-client-certificate"],
            id="certificate-alone",
        ),
        pytest.param(
            [KEY, CERTIFICATE, PLAIN],
            [
                "cannot use both --kubelet-client-key and --deprecated-kubelet-completely-insecure",
                "cannot use both --kubelet-client-certificate and --deprecated-kubelet-completely-insecure",
            ],
            id="client-pair-and-plain-http",
        ),
        pytest.param(
            [SKIP_VERIFY, PLAIN],
            ["cannot use both --kubelet-insecure-tls and --deprecated-kubelet-completely-insecure"],
            id="insecure-and-plain-http",
        ),
        pytest.param(
            [CA, PLAIN],
            ["cannot use both --kubelet-certificate-authority and --deprecated-kubelet-completely-insecure"],
            id="authority-and-plain-http",
        ),
        pytest.param(
            ["--max-metric-age=1m"],
            [
                "max-metric-age should be larger than metric-resolution, but max-metric-age value 1m0s "
                "metric-resolution value 1m0s provided: metrics would vanish between two scrapes"
            ],
            id="age-not-above-resolution",
        ),
        pytest.param(
            ["--peer-service=metrics-server-peers.kube-system.svc"],
            ["--peer-service needs --peer-key-file, the key by which replicas know each other"],
            id="peers-without-a-key",
        ),
        pytest.param(
            ["--livez-grace-period=-1s"],
            ["--livez-grace-period can not be a negative value"],
            id="livez-grace-period",
        ),
        pytest.param(
            ["--max-requests-inflight=-1"],
            ["--max-requests-inflight can not be negative value"],
            id="max-requests-inflight",
        ),
        pytest.param(
            ["--max-mutating-requests-inflight=-1"],
            ["--max-mutating-requests-inflight can not be negative value"],
            id="max-mutating-requests-inflight",
        ),
        pytest.param(["--request-timeout=-1s"], ["--request-timeout can not be negative value"], id="request-timeout"),
        pytest.param(
            ["--min-request-timeout=-1"],
            ["--min-request-timeout can not be negative value"],
            id="min-request-timeout",
        ),
        pytest.param(
            ["--storage-initialization-timeout=-1s"],
            ["--storage-initialization-timeout can not be negative value"],
            id="storage-initialization-timeout",
        ),
        pytest.param(
            ["--shutdown-delay-duration=-1s"],
            ["--shutdown-delay-duration can not be negative value"],
            id="shutdown-delay-duration",
        ),
        pytest.param(
            ["--shutdown-watch-termination-grace-period=-1s"],
            ["shutdown-watch-termination-grace-period, if provided, can not be a negative value"],
            id="shutdown-watch-termination-grace-period",
        ),
        pytest.param(
            ["--goaway-chance=0.021"],
            ["--goaway-chance can not be less than 0 or greater than 0.02"],
            id="goaway-above",
        ),
        pytest.param(
            ["--goaway-chance=-0.001"],
            ["--goaway-chance can not be less than 0 or greater than 0.02"],
            id="goaway-below",
        ),
        pytest.param(
            ["--strict-transport-security-directives=max-age=1,forever"],
            [
                "--strict-transport-security-directives invalid, allowed values: max-age=expireTime, "
                "includeSubDomains, preload. see https://tools.ietf.org/html/rfc6797#section-6.1 for more information"
            ],
            id="hsts",
        ),
        pytest.param(
            ["--strict-transport-security-directives=preload,"],
            ["empty value in strict-transport-security-directives"],
            id="hsts-empty",
        ),
        pytest.param(
            ["--cors-allowed-origins=foo.com"],
            [
                "--cors-allowed-origins has an invalid regular expression: regular expression does not pin to "
                'start/end of host in the origin header: "foo.com"'
            ],
            id="cors",
        ),
        pytest.param(
            ["--cors-allowed-origins=^http://foo.com$,"],
            ["empty value in --cors-allowed-origins"],
            id="cors-empty",
        ),
        pytest.param(
            ["--secure-port=65536"], ["--secure-port 65536 must be between 0 and 65535, inclusive"], id="secure-port"
        ),
        pytest.param(
            ["--secure-port=-1"], ["--secure-port -1 must be between 0 and 65535, inclusive"], id="secure-port-below"
        ),
        pytest.param(
            ["--kubelet-port=0"], ["--kubelet-port 0 must be between 1 and 65535, inclusive"], id="kubelet-port"
        ),
        pytest.param(
            ["--verified-tls=metrics-server"],
            ['--verified-tls: "metrics-server" is not namespace/name of a Service, such as kube-system/metrics-server'],
            id="no namespace",
        ),
        pytest.param(
            ["--verified-tls=a/b", "--tls-cert-file=c", "--tls-private-key-file=k"],
            ["cannot use both --verified-tls and --tls-cert-file"],
            id="two certificates",
        ),
        pytest.param(
            ["--tls-cert-file=c"],
            ["need both --tls-cert-file and --tls-private-key-file, or neither for a self-signed certificate"],
            id="serving-certificate-alone",
        ),
        pytest.param(
            ["--tls-private-key-file=k"],
            ["need both --tls-cert-file and --tls-private-key-file, or neither for a self-signed certificate"],
            id="serving-key-alone",
        ),
        pytest.param(
            ["--tls-sni-cert-key=a.crt,"],
            ["--tls-sni-cert-key: expected comma separated certificate and key file paths, one is empty"],
            id="sni-without-key",
        ),
        pytest.param(
            ["--tls-cipher-suites=TLS_AES_128_GCM_SHA256,ECDHE-RSA-AES128-SHA"],
            [
                'Cipher suite "ECDHE-RSA-AES128-SHA" not supported or doesn\'t exist: '
                "--tls-cipher-suites takes Go's names"
            ],
            id="cipher-suite",
        ),
        pytest.param(
            ["--authorization-always-allow-paths=/a*b"],
            ['--authorization-always-allow-paths: only trailing * allowed in "/a*b"'],
            id="always-allow-path",
        ),
        pytest.param(
            ["--kubelet-preferred-address-types="],
            ["--kubelet-preferred-address-types needs at least one type, such as InternalIP"],
            id="no-address-type",
        ),
        pytest.param(
            ["--kubelet-preferred-address-types=InternalIP Hostname"],
            [
                '--kubelet-preferred-address-types: "InternalIP Hostname" is no address type; '
                "write them with commas between: InternalIP,ExternalIP,Hostname"
            ],
            id="address-type-with-a-space",
        ),
        pytest.param(
            ["--requestheader-username-headers=x-remote-user,"],
            ['empty value in "requestheader-username-headers": an entry of the list is empty'],
            id="empty-header",
        ),
        pytest.param(
            ["--requestheader-allowed-names=a, ,b"],
            ['empty value in "requestheader-allowed-names": an entry of the list is empty'],
            id="empty-name",
        ),
        pytest.param(
            ["--authentication-token-webhook-cache-ttl=-1s"],
            ["--authentication-token-webhook-cache-ttl can not be negative value"],
            id="token-cache",
        ),
        pytest.param(["-v=-1"], ["--v can not be negative value"], id="verbosity"),
        pytest.param(
            ["--kubelet-endpoint=both"],
            ['invalid argument "both" for "--kubelet-endpoint" flag: it must be one of auto, summary, resource'],
            id="kubelet-endpoint",
        ),
        pytest.param(
            ["--logging-format=xml"],
            ['invalid argument "xml" for "--logging-format" flag: it must be one of text, json'],
            id="logging-format",
        ),
        pytest.param(
            ["--kubelet-insecure-tls=yes"],
            [
                'invalid argument "yes" for "--kubelet-insecure-tls" flag: '
                'strconv.ParseBool: parsing "yes": invalid syntax'
            ],
            id="boolean",
        ),
        pytest.param(
            ["--profiling=yes"],
            ['invalid argument "yes" for "--profiling" flag: strconv.ParseBool: parsing "yes": invalid syntax'],
            id="boolean-without-effect",
        ),
    ],
)
def test_a_wrong_setting_is_told(arguments: list[str], faults: list[str]) -> None:
    assert list(faults_of(*arguments)) == faults


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--metric-resolution=10s", "--kubelet-request-timeout=9s"], id="shortest-resolution"),
        pytest.param(["--secure-port=0"], id="any-port"),
        pytest.param(["--secure-port=65535", "--kubelet-port=65535"], id="highest-ports"),
        pytest.param(["--kubelet-port=1"], id="lowest-kubelet-port"),
        pytest.param(["--goaway-chance=0.02"], id="largest-goaway-chance"),
        pytest.param(["--cors-allowed-origins=//foo.com(:|$)"], id="pinned-origin"),
        pytest.param(["--strict-transport-security-directives=max-age=31536000,includeSubDomains,preload"], id="hsts"),
        pytest.param(["--max-requests-inflight=0"], id="no-limit"),
        pytest.param(["--max-metric-age=60.001s"], id="shortest-age"),
        pytest.param(["--authorization-always-allow-paths=/a*,/*"], id="trailing-star"),
        pytest.param([SKIP_VERIFY, f"{PLAIN}=false"], id="exclusive-flag-said-to-be-off"),
    ],
)
def test_a_value_at_the_edge_of_what_is_right_is_taken(arguments: list[str]) -> None:
    parse_settings(arguments, {})


def test_a_wrong_node_selector_is_told_with_the_words_of_kubernetes() -> None:
    (fault,) = faults_of("-l", "a in b")

    assert fault.startswith('invalid argument "a in b" for "-l, --node-selector" flag: ')
    assert "found 'b'" in fault


def test_all_faults_are_told_in_one_error() -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings(
            [
                "--kubelet-insecure-tsl",
                "serve",
                "--metric-resolution=1s",
                "--secure-port=99999",
                "--goaway-chance=1",
                "--kubelet-port=x",
                "-l=a,,",
                SKIP_VERIFY,
                PLAIN,
            ],
            {"METRICS_API_FLAG_CERTDIR": "/tmp", "METRICS_API_FLAG_V": "x"},  # noqa: S108
        )

    starts = [
        "unknown flag in environment variable METRICS_API_FLAG_CERTDIR",
        "unknown flag: --kubelet-insecure-tsl",
        'invalid argument "x" for environment variable METRICS_API_FLAG_V',
        "--goaway-chance can not be",
        'invalid argument "x" for "--kubelet-port" flag',
        'invalid argument "a,," for "-l, --node-selector" flag',
        "cannot use both --kubelet-insecure-tls",
        "metric-resolution should be a time duration",
        "metric-resolution should be larger than",
        "--secure-port 99999",
    ]
    assert [fault[: len(start)] for fault, start in zip(caught.value.faults, starts, strict=True)] == starts
    assert str(caught.value) == "\n".join(caught.value.faults)


def test_a_value_that_cannot_be_read_is_not_judged_by_its_default() -> None:
    # 60s, the default, would be too short for a timeout of 58s
    assert len(faults_of("--metric-resolution=soon", "--kubelet-request-timeout=58s")) == 1


def test_a_fault_that_a_later_use_mends_is_still_a_fault() -> None:
    assert len(faults_of("--kubelet-port=x", "--kubelet-port=10250")) == 1
