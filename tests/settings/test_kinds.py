import re
import ssl
from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest

from metrics_api.settings import kinds
from metrics_api.settings.kinds import Kind, parse_bool, show
from metrics_api.settings.values import NamedCertKey, PeerTarget


@pytest.mark.parametrize("word", ["1", "t", "T", "TRUE", "true", "True"])
def test_go_words_for_true(word: str) -> None:
    assert parse_bool(word) is True


@pytest.mark.parametrize("word", ["0", "f", "F", "FALSE", "false", "False"])
def test_go_words_for_false(word: str) -> None:
    assert parse_bool(word) is False


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        pytest.param(kinds.INT, "10250", 10250, id="int"),
        pytest.param(kinds.INT, "-5", -5, id="int-negative"),
        pytest.param(kinds.INT, "+5", 5, id="int-plus"),
        pytest.param(kinds.INT, "0", 0, id="int-zero"),
        pytest.param(kinds.INT, "0x1F", 31, id="int-hexadecimal"),
        pytest.param(kinds.INT, "010", 8, id="int-leading-zero-is-octal"),
        pytest.param(kinds.INT, "0o17", 15, id="int-octal"),
        pytest.param(kinds.INT, "0b101", 5, id="int-binary"),
        pytest.param(kinds.INT, "9223372036854775807", 2**63 - 1, id="int-largest"),
        pytest.param(kinds.INT, "-9223372036854775808", -(2**63), id="int-smallest"),
        pytest.param(kinds.FLOAT, ".001", 0.001, id="float"),
        pytest.param(kinds.FLOAT, "1e-3", 0.001, id="float-exponent"),
        pytest.param(kinds.DURATION, "1m30s", 90.0, id="duration"),
        pytest.param(kinds.DURATION, "250ms", 0.25, id="duration-ms"),
        pytest.param(kinds.DURATION, "0", 0.0, id="duration-zero"),
        pytest.param(kinds.STRINGS, "", (), id="strings-empty"),
        pytest.param(kinds.STRINGS, "a,b", ("a", "b"), id="strings"),
        pytest.param(kinds.STRINGS, '"a,b",c', ("a,b", "c"), id="strings-quoted-comma"),
        pytest.param(kinds.STRINGS, "a, b", ("a", " b"), id="strings-keep-spaces"),
        pytest.param(kinds.WORDS, "a, b", ("a", "b"), id="words-drop-spaces"),
        pytest.param(kinds.PATHS, "/metrics,healthz,/", ("/metrics", "/healthz", "/"), id="paths-get-their-slash"),
        pytest.param(kinds.IP, "::1", IPv6Address("::1"), id="ip6"),
        pytest.param(kinds.IP, " 10.0.0.1 ", IPv4Address("10.0.0.1"), id="ip-spaces"),
        pytest.param(kinds.IP, "", IPv4Address("0.0.0.0"), id="ip-empty-is-unspecified"),
        pytest.param(kinds.PEER_TARGETS, "", (), id="peers-empty"),
        pytest.param(
            kinds.PEER_TARGETS,
            "peers.ns.svc, 10.0.0.1:4443,[fd00::1],[fd00::1]:1",
            (
                PeerTarget("peers.ns.svc"),
                PeerTarget("10.0.0.1", 4443),
                PeerTarget("fd00::1"),
                PeerTarget("fd00::1", 1),
            ),
            id="peers",
        ),
        pytest.param(kinds.NETWORKS, "", (), id="networks-empty"),
        pytest.param(
            kinds.NETWORKS, "10.1.2.3/8, fd00::/8", (ip_network("10.0.0.0/8"), ip_network("fd00::/8")), id="networks"
        ),
        pytest.param(kinds.NETWORKS, "10.1.2.3", (ip_network("10.1.2.3/32"),), id="network-of-one"),
        pytest.param(kinds.CERT_KEYS, "a.crt,a.key", (NamedCertKey("a.crt", "a.key"),), id="sni-without-names"),
        pytest.param(
            kinds.CERT_KEYS,
            "a.crt, a.key : *.x.org, x.org",
            (NamedCertKey("a.crt", "a.key", ("*.x.org", "x.org")),),
            id="sni-with-names",
        ),
        pytest.param(kinds.TLS_VERSION, "VersionTLS13", ssl.TLSVersion.TLSv1_3, id="tls13"),
        pytest.param(kinds.TLS_VERSION, "", ssl.TLSVersion.TLSv1_2, id="tls-empty-is-the-default"),
        pytest.param(kinds.one_of("a", "b"), "b", "b", id="one-of"),
    ],
)
def test_a_value_is_read(kind: Kind, text: str, value: object) -> None:
    assert kind.parse(text) == value


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        pytest.param(kinds.BOOL, "yes", 'strconv.ParseBool: parsing "yes": invalid syntax', id="bool"),
        pytest.param(kinds.BOOL, "", 'strconv.ParseBool: parsing "": invalid syntax', id="bool-empty"),
        pytest.param(kinds.INT, "", 'strconv.ParseInt: parsing "": invalid syntax', id="int-empty"),
        pytest.param(kinds.INT, " 1", 'strconv.ParseInt: parsing " 1": invalid syntax', id="int-space"),
        pytest.param(kinds.INT, "08", 'strconv.ParseInt: parsing "08": invalid syntax', id="int-no-octal-digit"),
        pytest.param(kinds.INT, "\u0661", 'strconv.ParseInt: parsing "\\u0661": invalid syntax', id="int-other-script"),
        pytest.param(
            kinds.INT,
            "9223372036854775808",
            'strconv.ParseInt: parsing "9223372036854775808": value out of range',
            id="int-65-bits",
        ),
        pytest.param(
            kinds.INT, "9" * 5000, f'strconv.ParseInt: parsing "{"9" * 200}...": value out of range', id="int-huge"
        ),
        pytest.param(kinds.FLOAT, "nan", 'strconv.ParseFloat: parsing "nan": invalid syntax', id="float-nan"),
        pytest.param(kinds.DURATION, "15", 'time: missing unit in duration "15"', id="duration-without-unit"),
        pytest.param(kinds.DURATION, "soon", 'time: invalid duration "soon"', id="duration"),
        pytest.param(kinds.DURATION, "9999999h", 'time: invalid duration "9999999h"', id="duration-beyond-int64"),
        pytest.param(kinds.STRINGS, '"a', "not a comma separated list: unexpected end of data", id="strings-quote"),
        pytest.param(kinds.IP, "localhost", 'failed to parse IP: "localhost"', id="ip"),
        pytest.param(kinds.IP, "fe80::1%eth0", 'failed to parse IP: "fe80::1%eth0"', id="ip-zone"),
        pytest.param(kinds.CERT_KEYS, "a.crt", "expected comma separated certificate and key file paths", id="sni"),
        pytest.param(kinds.CERT_KEYS, "a.crt,a.key:", "empty names list is not allowed", id="sni-names"),
        pytest.param(kinds.one_of("a", "b"), "c", "it must be one of a, b", id="one-of"),
        pytest.param(
            kinds.NETWORKS,
            "10.0.0.0/33",
            'invalid CIDR address: "10.0.0.0/33" (it is written like 10.0.0.0/8 or fd00::/8)',
            id="network",
        ),
        pytest.param(
            kinds.TLS_VERSION,
            "1.2",
            'unknown tls version "1.2": it is one of VersionTLS10, VersionTLS11, VersionTLS12, VersionTLS13',
            id="tls-version",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_the_words_of_go(kind: Kind, text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)) as caught:
        kind.parse(text)

    assert str(caught.value) == reason


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (60.0, "1m0s"),
        (-5.0, "-5s"),
        (443, "443"),
        (("a", "b"), "a,b"),
        ((NamedCertKey("c", "k", ("n",)),), "c,k:n"),
        ((PeerTarget("p.ns.svc"), PeerTarget("fd00::1", 1)), "p.ns.svc,[fd00::1]:1"),
        (ssl.TLSVersion.TLSv1_1, "VersionTLS11"),
        ("", ""),
    ],
)
def test_a_value_is_shown_as_it_is_written(value: object, text: str) -> None:
    assert show(value) == text


@pytest.mark.parametrize("text", [":1", "a:0", "a:65536", "a:b", "https://a", "fd00::1", "a b", "[x]", "a:1:2"])
def test_what_is_no_peer_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f'"{text}" is no host with an optional port')):
        kinds.PEER_TARGETS.parse(text)
