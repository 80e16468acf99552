"""Which address, port and path of a node are used, and which never."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest

from metrics_api.errors import ScrapeError
from metrics_api.kubelet.address import (
    authority,
    candidates,
    check_allowed,
    kubelet_port,
    parse_host,
    resource_path,
)
from metrics_api.kubelet.options import DEFAULT_DENIED_NETWORKS
from tests.kubelet.documents import node

ADDRESSES = (
    ("Hostname", "node-a"),
    ("InternalIP", "10.0.0.7"),
    ("InternalIP", "fd00::7"),
    ("ExternalIP", "203.0.113.7"),
    ("Unheard", "192.0.2.1"),
)


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        (("InternalIP",), ("10.0.0.7", "fd00::7")),
        (("ExternalIP", "InternalIP"), ("203.0.113.7", "10.0.0.7", "fd00::7")),
        (("InternalDNS", "Hostname", "ExternalIP"), ("node-a", "203.0.113.7")),
        (("Hostname", "Hostname"), ("node-a",)),
    ],
    ids=["one type", "order of types", "a type it has not", "a type twice"],
)
def test_addresses_come_in_the_order_of_the_types(types: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert candidates(node(addresses=ADDRESSES), types) == expected


def test_an_address_under_two_types_is_tried_once() -> None:
    both = node(addresses=(("InternalIP", "10.0.0.7"), ("Hostname", "10.0.0.7")))
    assert candidates(both, ("Hostname", "InternalIP")) == ("10.0.0.7",)


@pytest.mark.parametrize("addresses", [(), (("InternalIP", ""),), (("ExternalDNS", "a.example"),)])
def test_a_node_without_a_fitting_address_says_so(addresses: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(ScrapeError, match=r"no address matched types \['InternalIP'\]") as caught:
        candidates(node(addresses=addresses), ("InternalIP",))
    assert caught.value.reason == "no_address"


@pytest.mark.parametrize(
    ("own", "use_own", "expected"),
    [(10247, True, 10247), (10247, False, 10250), (None, True, 10250), (0, True, 10250)],
    ids=["its own", "the flag's", "it has none", "it has 0"],
)
def test_the_port_is_the_nodes_own_only_where_that_is_wanted(own: int | None, use_own: bool, expected: int) -> None:
    assert kubelet_port(node(kubelet_port=own), 10250, use_node_status_port=use_own) == expected


@pytest.mark.parametrize("port", [-1, 65536, 10**9])
def test_a_port_that_is_none_is_refused(port: int) -> None:
    with pytest.raises(ScrapeError) as caught:
        kubelet_port(node(kubelet_port=port), 10250, use_node_status_port=True)
    assert caught.value.reason == "no_address"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.7", IPv4Address("10.0.0.7")),
        ("fd00::7", IPv6Address("fd00::7")),
        ("::ffff:127.0.0.1", IPv4Address("127.0.0.1")),
        ("::ffff:7f00:1", IPv4Address("127.0.0.1")),
        ("ip-10-0-0-7.eu-west-1.compute.internal", "ip-10-0-0-7.eu-west-1.compute.internal"),
        ("Node-A", "Node-A"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
    ],
)
def test_a_host_is_an_ip_or_a_name(text: str, expected: object) -> None:
    assert parse_host(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fe80::1%eth0",
        "fd00::7%25eth0",
        "[fd00::7]",
        "10.0.0.7:22",
        "a b",
        "a/b",
        "a@b",
        "a\r\nHost: b",
        "-a",
        "a?",
        "a" * 64,
        ".".join(["a" * 60] * 5),
        "a..b",
        ".a",
        "a.",
        "a-.b",
        "é.example",
    ],
)
def test_anything_else_is_no_host(text: str) -> None:
    with pytest.raises(ScrapeError) as caught:
        parse_host(text)
    assert caught.value.reason == "no_address"


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "febf::1",
        "ff02::1",
    ],
)
def test_addresses_that_no_node_has_are_denied(address: str) -> None:
    with pytest.raises(ScrapeError, match="--kubelet-denied-cidrs") as caught:
        check_allowed(ip_address(address), DEFAULT_DENIED_NETWORKS)
    assert caught.value.reason == "denied_address"


@pytest.mark.parametrize("address", ["10.0.0.7", "192.168.1.1", "100.64.0.1", "203.0.113.7", "fd00::7", "2001:db8::1"])
def test_addresses_that_nodes_have_are_allowed(address: str) -> None:
    check_allowed(ip_address(address), DEFAULT_DENIED_NETWORKS)


def test_the_operators_networks_are_denied_and_no_others() -> None:
    denied = (ip_network("10.96.0.0/12"),)
    check_allowed(ip_address("127.0.0.1"), denied)
    with pytest.raises(ScrapeError):
        check_allowed(ip_address("10.96.0.1"), denied)


@pytest.mark.parametrize(
    ("host", "expected"), [("10.0.0.7", "10.0.0.7:10250"), ("fd00::7", "[fd00::7]:10250"), ("a.b", "a.b:10250")]
)
def test_ipv6_is_bracketed(host: str, expected: str) -> None:
    assert authority(host, 10250) == expected


@pytest.mark.parametrize("annotation", [None, ""])
def test_without_annotation_the_kubelets_own_path_is_asked(annotation: str | None) -> None:
    assert resource_path(annotation) == "/metrics/resource"


@pytest.mark.parametrize(
    "annotation",
    ["/metrics/nodes/node-a/metrics/resource", "/a", "/x/", "/~me/.well-known/m", "/executive", "/" + "a" * 512],
)
def test_a_plain_path_is_asked(annotation: str) -> None:
    assert resource_path(annotation) == annotation


@pytest.mark.parametrize(
    "annotation",
    [
        "metrics",
        "/",
        "/a?b=c",
        "/a#b",
        "/a b",
        "/a%2e%2e",
        "/a\r\nX: y",
        "/a\n",
        "//evil.example/x",
        "/a//b",
        "/a/../exec",
        "/..",
        "/./exec/x",
        "/a/.",
        "/" + "a" * 513,
        "https://evil.example/",
        "/exec/ns/pod/c",
        "/exec",
        "/EXEC/x",
        "/run/ns/pod/c",
        "/attach/x",
        "/portForward/x",
        "/portforward/x",
        "/logs/",
        "/containerLogs/x",
    ],
)
def test_any_other_path_is_refused(annotation: str) -> None:
    with pytest.raises(ScrapeError, match="resource-metrics-path") as caught:
        resource_path(annotation)
    assert caught.value.reason == "denied_address"
