from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_api.api.requestinfo import RequestInfo, parse_request

_GROUP = "/apis/metrics.k8s.io/v1"


@pytest.mark.parametrize(
    ("method", "path", "query", "verb", "namespace", "resource", "name", "subresource"),
    [
        pytest.param("GET", "/nodes", b"", "list", "", "nodes", "", "", id="list"),
        pytest.param("GET", "/nodes/", b"", "list", "", "nodes", "", "", id="list-with-a-slash"),
        pytest.param("GET", "/nodes/n1", b"", "get", "", "nodes", "n1", "", id="get"),
        pytest.param("HEAD", "/nodes/n1", b"", "get", "", "nodes", "n1", "", id="head"),
        pytest.param("GET", "/pods", b"", "list", "", "pods", "", "", id="all-namespaces"),
        pytest.param("GET", "/namespaces/a/pods", b"", "list", "a", "pods", "", "", id="namespace"),
        pytest.param("GET", "/namespaces//pods", b"", "list", "", "pods", "", "", id="empty-namespace"),
        pytest.param("GET", "/namespaces/a/pods/p", b"", "get", "a", "pods", "p", "", id="pod"),
        pytest.param("GET", "/namespaces/a/pods/p/log", b"", "get", "a", "pods", "p", "log", id="subresource"),
        pytest.param("GET", "/namespaces/a", b"", "get", "a", "namespaces", "a", "", id="a-namespace-itself"),
        pytest.param("GET", "/namespaces/a/status", b"", "get", "a", "namespaces", "a", "status", id="its-status"),
        pytest.param("GET", "/pods", b"watch=true", "watch", "", "pods", "", "", id="watch"),
        pytest.param("GET", "/pods", b"watch", "watch", "", "pods", "", "", id="watch-without-value"),
        pytest.param("GET", "/pods", b"w%61tch=1", "watch", "", "pods", "", "", id="watch-escaped"),
        pytest.param("GET", "/pods", b"watch=False", "list", "", "pods", "", "", id="no-watch"),
        pytest.param("GET", "/pods", b"watch=0", "list", "", "pods", "", "", id="watch-0"),
        pytest.param("GET", "/nodes/n1", b"watch=1", "get", "", "nodes", "n1", "", id="watch-of-one-is-a-get"),
        pytest.param("GET", "/pods", b"watch=1;x", "list", "", "pods", "", "", id="semicolon"),
        pytest.param("GET", "/pods", b"watch%zz&watch=1%", "list", "", "pods", "", "", id="broken-escape"),
        pytest.param("POST", "/nodes", b"watch=1", "create", "", "nodes", "", "", id="create"),
        pytest.param("PUT", "/nodes/n1", b"", "update", "", "nodes", "n1", "", id="update"),
        pytest.param("PATCH", "/nodes/n1", b"", "patch", "", "nodes", "n1", "", id="patch"),
        pytest.param("DELETE", "/nodes/n1", b"", "delete", "", "nodes", "n1", "", id="delete"),
        pytest.param("DELETE", "/nodes", b"", "deletecollection", "", "nodes", "", "", id="delete-all"),
        pytest.param("OPTIONS", "/nodes", b"", "", "", "nodes", "", "", id="no-verb"),
        pytest.param("GET", "/nodes", b"fieldSelector=metadata.name%3Dn1", "list", "", "nodes", "n1", "", id="by-name"),
        pytest.param("GET", "/nodes", b"fieldSelector=metadata.name!=n1", "list", "", "nodes", "", "", id="not-name"),
        pytest.param("GET", "/nodes", b"fieldSelector=metadata.name=a/b", "list", "", "nodes", "", "", id="no-name"),
        pytest.param("GET", "/nodes", b"fieldSelector=metadata.name=a%2525", "list", "", "nodes", "", "", id="percent"),
        pytest.param("GET", "/nodes", b"fieldSelector=x", "list", "", "nodes", "", "", id="malformed-selector"),
    ],
)
def test_a_resource_request_is_understood(
    method: str, path: str, query: bytes, verb: str, namespace: str, resource: str, name: str, subresource: str
) -> None:
    depth = len(f"{_GROUP}{path}".strip("/").split("/"))
    names = (namespace, resource, name, subresource)
    expected = RequestInfo(
        verb, _GROUP + path, True, "metrics.k8s.io", "v1", *names, depth, path.startswith("/namespaces/")
    )
    found = parse_request(method, _GROUP + path, query)
    assert msgspec.structs.replace(found, field_selector="", label_selector="") == expected


@pytest.mark.parametrize(
    ("method", "path", "verb", "selectors"),
    [
        ("GET", "/pods", "list", ("b=c", "a")),
        ("GET", "/namespaces/x/pods/", "list", ("b=c", "a")),
        ("DELETE", "/pods", "deletecollection", ("b=c", "a")),
        ("GET", "/namespaces/x/pods/p", "get", ("", "")),
        ("POST", "/pods", "create", ("", "")),
        ("DELETE", "/namespaces/x/pods/p", "delete", ("", "")),
    ],
)
def test_selectors_are_noted_where_they_pick(method: str, path: str, verb: str, selectors: tuple[str, str]) -> None:
    found = parse_request(method, _GROUP + path, b"labelSelector=a&fieldSelector=b%3Dc&labelSelector=z")
    assert (found.verb, found.field_selector, found.label_selector) == (verb, *selectors)
    if verb == "list":
        watch = parse_request(method, _GROUP + path, b"watch=1&labelSelector=a&fieldSelector=b%3Dc")
        assert (watch.verb, watch.field_selector, watch.label_selector) == ("watch", *selectors)


@pytest.mark.parametrize(
    ("path", "depth"), [("/nodes", 4), ("/nodes/", 4), ("/namespaces/a/pods/p", 7), ("//nodes", 5), ("/nodes//n1", 6)]
)
def test_the_parts_of_a_path_are_counted_empty_ones_too(path: str, depth: int) -> None:
    assert parse_request("GET", _GROUP + path, b"").depth == depth


def test_a_request_is_parsed_once_unless_it_is_very_long() -> None:
    assert parse_request("GET", f"{_GROUP}/nodes/n1", b"") is parse_request("GET", f"{_GROUP}/nodes/n1", b"")
    long = f"{_GROUP}/nodes/{'n' * 2000}"
    assert parse_request("GET", long, b"") == parse_request("GET", long, b"")
    assert parse_request("GET", long, b"") is not parse_request("GET", long, b"")


@pytest.mark.parametrize(
    "path", ["/", "", "/livez", "/readyz/ping", "/apis", "/apis/metrics.k8s.io", "/apis/metrics.k8s.io/v1/", "/a/b/c/d"]
)
def test_another_path_is_no_resource_and_its_verb_is_the_method(path: str) -> None:
    assert parse_request("POST", path, b"watch=1") == RequestInfo("post", path)


def test_the_group_without_a_name_is_asked_for_as_such() -> None:
    found = parse_request("GET", "/api/v1/namespaces/a/pods/p", b"")
    assert (found.verb, found.is_resource, found.group, found.version) == ("get", True, "", "v1")
    assert (found.namespace, found.resource, found.name) == ("a", "pods", "p")
    assert not parse_request("GET", "/api/v1", b"").is_resource


@given(st.sampled_from(["GET", "POST", "DELETE", "BREW"]), st.text(st.sampled_from("/apis.v1nod\0é")), st.binary())
def test_any_request_is_understood_somehow(method: str, path: str, query: bytes) -> None:
    request = parse_request(method, path, query)
    assert request.path == path
    assert request.is_resource or not request.resource
