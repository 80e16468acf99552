from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics_api.api.formats.format import JSON, PARTIAL, PARTIAL_LIST, PROTOBUF, TABLE, YAML, Format
from metrics_api.api.group import NODES, PODS, Resource
from metrics_api.api.negotiation import (
    accepts_gzip,
    check_transform,
    document_format,
    error_format,
    read_accept,
    resource_format,
)
from metrics_api.api.requestheaders import read_headers
from metrics_api.errors import StatusError
from tests.api.views import V1, connect, get, make_api

_TYPES = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
_STREAMS = "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
_META = "g=meta.k8s.io;v=v1"
_PB = "application/vnd.kubernetes.protobuf"
_HPA = f"{_PB}, */*"
_KUBECTL_GET = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)

_NEGOTIATED = [
    pytest.param("", Format(JSON), Format(JSON), id="none"),
    pytest.param("*/*", Format(JSON), Format(JSON), id="anything"),
    pytest.param("application/*", Format(JSON), Format(JSON), id="any-application-leniently"),
    pytest.param("application/json", Format(JSON), Format(JSON), id="json"),
    pytest.param("APPLICATION/JSON", Format(JSON), Format(JSON), id="upper-case"),
    pytest.param("application/yaml", Format(YAML), Format(YAML), id="yaml"),
    pytest.param(_PB, Format(PROTOBUF), Format(PROTOBUF), id="protobuf"),
    pytest.param(_HPA, Format(PROTOBUF), Format(PROTOBUF), id="hpa-and-kubectl-top"),
    pytest.param(f"{_PB},application/json", Format(PROTOBUF), Format(PROTOBUF), id="client-go"),
    pytest.param("text/html, application/yaml;q=0.9, */*;q=0.8", Format(YAML), Format(YAML), id="browser-with-yaml"),
    pytest.param("text/html,application/xml;q=0.9,*/*;q=0.8", Format(JSON), Format(JSON), id="browser"),
    pytest.param("application/json;q=0.5,application/yaml", Format(YAML), Format(YAML), id="by-quality"),
    pytest.param("application/yaml;q=0,*/*", Format(JSON), Format(JSON), id="refused-by-quality"),
    pytest.param("application/json;charset=utf-8", Format(JSON), Format(JSON), id="unknown-parameter"),
    pytest.param("application/json;pretty=1", Format(JSON, True), Format(JSON, True), id="pretty"),
    pytest.param("application/json;pretty=true", Format(JSON), Format(JSON), id="pretty-must-be-1"),
    pytest.param("application/yaml;pretty=1", Format(YAML), Format(YAML), id="yaml-is-never-pretty"),
    pytest.param("application/json;stream=watch", Format(JSON), Format(JSON), id="stream-of-a-list"),
    pytest.param("application/json;stream=x", None, None, id="stream-unknown"),
    pytest.param("application/yaml;stream=watch", None, None, id="stream-of-yaml"),
    pytest.param("application/json;sv=v1", Format(JSON), None, id="server-version"),
    pytest.param("application/json;sv=v2", None, None, id="server-version-unknown"),
    pytest.param(f"application/json;as=Table;{_META}", Format(JSON, kind=TABLE, version="v1"), None, id="table"),
    pytest.param(_KUBECTL_GET, Format(JSON, kind=TABLE, version="v1"), Format(JSON), id="kubectl-get"),
    pytest.param(
        "application/json;as=Table;v=v1beta1;g=meta.k8s.io",
        Format(JSON, kind=TABLE, version="v1beta1"),
        None,
        id="table-v1beta1",
    ),
    pytest.param(f"application/yaml;as=Table;{_META}", Format(YAML, kind=TABLE, version="v1"), None, id="table-yaml"),
    pytest.param(f"*/*;as=Table;{_META}", Format(JSON, kind=TABLE, version="v1"), None, id="table-of-anything"),
    pytest.param(f"{_PB};as=Table;{_META}", None, None, id="table-protobuf"),
    pytest.param(f"{_PB};as=Table;{_META},*/*", Format(JSON), Format(JSON), id="table-protobuf-then-anything"),
    pytest.param(f"application/json;as=table;{_META}", None, None, id="kind-in-lower-case"),
    pytest.param("application/json;as=Table", None, None, id="table-without-group"),
    pytest.param("application/json;as=Table;g=meta.k8s.io;v=v2", None, None, id="table-v2"),
    pytest.param("application/json;as=Table;g=example.com;v=v1", None, None, id="table-of-another-group"),
    pytest.param(f"application/json;{_META}", None, None, id="group-without-kind"),
    pytest.param("application/json;as=Foo,application/json", Format(JSON), Format(JSON), id="unknown-kind-then-json"),
    pytest.param(
        f"{_PB};as=PartialObjectMetadata;{_META}", Format(PROTOBUF, kind=PARTIAL, version="v1"), None, id="metadata"
    ),
    pytest.param(
        f"{_PB};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1beta1",
        Format(PROTOBUF, kind=PARTIAL_LIST, version="v1beta1"),
        None,
        id="metadata-list",
    ),
    pytest.param("text/html", None, None, id="html"),
    pytest.param("application/cbor", None, None, id="cbor"),
    pytest.param("*", None, None, id="star"),
]


@pytest.mark.parametrize(("accept", "of_resource", "of_document"), _NEGOTIATED)
def test_an_accept_header_comes_to_formats(accept: str, of_resource: Format | None, of_document: Format | None) -> None:
    wishes = read_accept(accept.encode())
    assert (wishes.resource, wishes.document) == (of_resource, of_document)


@pytest.mark.parametrize(
    ("accept", "path", "message"),
    [
        pytest.param("text/html", "/nodes", f"{_TYPES}, {_STREAMS}", id="list"),
        pytest.param("text/html", "/nodes/n1", _TYPES, id="object"),
        pytest.param("application/cbor", "/nodes/nope", _TYPES, id="before-it-is-looked-for"),
        pytest.param("application/cbor", "/pods?limit=x", f"{_TYPES}, {_STREAMS}", id="before-the-options-are-read"),
        pytest.param("application/cbor", "/pods?fieldSelector=metadata.name=a", f"{_TYPES}, {_STREAMS}", id="by-name"),
    ],
)
async def test_who_accepts_no_type_there_is_gets_the_routers_words(accept: str, path: str, message: str) -> None:
    response = await get(V1 + path, accept=accept)
    status = response.json()
    assert (response.status_code, status["reason"], status["details"]) == (406, "NotAcceptable", {})
    assert status["message"] == f"406: Not Acceptable\n\nAvailable representations: {message}"
    assert response.text.startswith('{\n  "kind": "Status",\n')


@pytest.mark.parametrize("accept", ["*", "text/html, *;q=0.1"])
async def test_a_star_is_no_type_for_the_router_and_any_for_its_refusal(accept: str) -> None:
    response = await get(f"{V1}/nodes/n1", accept=accept)
    assert (response.status_code, response.json()["reason"]) == (406, "NotAcceptable")
    assert response.text.startswith('{"kind":"Status",')


@pytest.mark.parametrize(
    "accept", ["application/json;as=Foo", f"{_PB};as=Table;{_META}", "application/yaml;sv=v9", "text/html,*/*;stream=x"]
)
async def test_who_accepts_types_but_no_form_of_them_is_told_the_types(accept: str) -> None:
    response = await get(f"{V1}/nodes", accept=accept)
    assert (response.status_code, response.json()["reason"]) == (406, "NotAcceptable")
    assert response.json()["message"] == f"only the following media types are accepted: {_TYPES}"
    assert "details" not in response.json()


@pytest.mark.parametrize("path", ["/nope", "/nodes/n1/status"])
async def test_a_path_that_is_none_comes_before_what_is_accepted(path: str) -> None:
    response = await get(V1 + path, accept="text/html")
    assert (response.status_code, response.json()["reason"]) == (404, "NotFound")


@pytest.mark.parametrize(
    ("kind", "is_list", "message"),
    [
        (PARTIAL, True, "you requested PartialObjectMetadata, but the requested object is a list (*metrics.%sList)"),
        (
            PARTIAL_LIST,
            False,
            "you requested PartialObjectMetadataList, but the requested object is not a list (*metrics.%s)",
        ),
    ],
)
@pytest.mark.parametrize("resource", [NODES, PODS], ids=lambda resource: resource.name)
def test_metadata_of_a_list_are_not_those_of_an_object(
    resource: Resource,
    kind: str,
    is_list: bool,
    message: str,
) -> None:
    wanted = Format(JSON, kind=kind, version="v1")
    assert check_transform(wanted, resource, b"", is_list=not is_list) == wanted
    with pytest.raises(StatusError) as raised:
        check_transform(wanted, resource, b"", is_list=is_list)
    assert (raised.value.code, raised.value.message) == (406, message % resource.kind)


@pytest.mark.parametrize(
    ("query", "included"),
    [
        (b"", "Metadata"),
        (b"includeObject=", "Metadata"),
        (b"includeObject=Metadata", "Metadata"),
        (b"includeObject=Object", "Object"),
        (b"includeObject=None", "None"),
        (b"includeObject=None&includeObject=x", "None"),
    ],
)
def test_what_comes_with_the_rows_of_a_table_can_be_chosen(query: bytes, included: str) -> None:
    wanted = check_transform(Format(JSON, kind=TABLE, version="v1"), NODES, query, is_list=True)
    assert wanted.include_object == included


@pytest.mark.parametrize("value", ["Foo", "none", " "])
@pytest.mark.parametrize("path", ["/nodes", "/nodes/n1"])
async def test_what_cannot_come_with_the_rows_of_a_table_is_a_bad_request(path: str, value: str) -> None:
    response = await get(f"{V1}{path}?includeObject={value}", accept=_KUBECTL_GET)
    message = (
        f'Unable to convert to Table as requested: includeObject: Invalid value: "{value}": '
        "must be 'Metadata', 'Object', 'None', or empty"
    )
    assert (response.status_code, response.json()["message"]) == (400, message)
    assert (await get(f"{V1}{path}?includeObject={value}", accept="application/json")).status_code == 200


async def test_an_object_that_is_not_there_comes_before_a_wrong_table_option() -> None:
    assert (await get(f"{V1}/nodes/nope?includeObject=x", accept=_KUBECTL_GET)).status_code == 404


_PRETTY = [
    pytest.param(b"", b"kubectl/v1.36.0", False, id="program"),
    pytest.param(b"", b"", False, id="no-name"),
    pytest.param(b"", b"curl/8.5.0", True, id="curl"),
    pytest.param(b"", b"Wget/1.21", True, id="wget"),
    pytest.param(b"", b"Mozilla/5.0 (X11)", True, id="browser"),
    pytest.param(b"", b"Mozilla/4.0", False, id="old-browser"),
    pytest.param(b"", b"libcurl/8", False, id="not-at-the-start"),
    pytest.param(b"", b"Curl/8", False, id="upper-case"),
    pytest.param(b"pretty=1", b"", True, id="1"),
    pytest.param(b"pretty=true", b"", True, id="true"),
    pytest.param(b"pretty=T", b"", True, id="t"),
    pytest.param(b"pretty=yes", b"", False, id="no-boolean"),
    pytest.param(b"pretty=0", b"curl/8.5.0", False, id="not-for-curl"),
    pytest.param(b"pretty=x", b"curl/8.5.0", False, id="no-boolean-for-curl"),
    pytest.param(b"pretty=", b"curl/8.5.0", True, id="blank-for-curl"),
    pytest.param(b"pretty", b"", False, id="without-a-value"),
    pytest.param(b"labelSelector=pretty", b"curl/8.5.0", True, id="the-word-elsewhere"),
]


@pytest.mark.parametrize(("query", "agent", "pretty"), _PRETTY)
def test_json_is_indented_for_people(query: bytes, agent: bytes, pretty: bool) -> None:
    headers = {b"user-agent": agent}
    assert resource_format(headers, query, is_list=True) == Format(JSON, pretty)
    assert document_format(headers, query) == Format(JSON, pretty)
    assert error_format(headers, query) == Format(JSON, pretty)


@pytest.mark.parametrize("media_type", [YAML, PROTOBUF])
def test_only_json_is_indented(media_type: str) -> None:
    headers = {b"accept": media_type.encode(), b"user-agent": b"curl/8.5.0"}
    assert resource_format(headers, b"pretty=1", is_list=True) == Format(media_type)


def test_pretty_in_accept_is_not_taken_back_by_the_query() -> None:
    headers = {b"accept": b"application/json;pretty=1"}
    assert resource_format(headers, b"pretty=0", is_list=True) == Format(JSON, pretty=True)


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("gzip, deflate, br", True),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", True),
        ("gzip;q=0", False),
        ("identity", False),
        ("*", False),
        ("x-gzip", False),
    ],
)
def test_gzip_is_accepted_when_it_is_named(header: str, accepted: bool) -> None:
    assert accepts_gzip(header.encode()) is accepted


def test_the_first_of_several_accept_headers_counts() -> None:
    headers = read_headers([(b"accept", b"application/yaml"), (b"accept", _PB.encode())])
    assert resource_format(headers, b"", is_list=True) == Format(YAML)


def test_an_accept_header_is_read_once_unless_it_is_very_long() -> None:
    assert read_accept(_HPA.encode()) is read_accept(_HPA.encode())
    long = _HPA.encode() + b" " * 5000
    assert read_accept(long) == read_accept(long)
    assert read_accept(long) is not read_accept(long)


_CLAUSES = st.builds(
    ";".join,
    st.lists(
        st.sampled_from(
            [
                *("*/*", "application/*", "application/json", "application/yaml", _PB, "text/html", "*", ""),
                *("as=Table", "as=PartialObjectMetadata", "as=PartialObjectMetadataList", "as=APIGroupDiscoveryList"),
                *("g=meta.k8s.io", "g=apidiscovery.k8s.io", "v=v1", "v=v1beta1", "v=v2", "pretty=1", "stream=watch"),
                *("q=0", "q=0.5", "q=x", "sv=v1", "charset=utf-8"),
            ]
        )
        | st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=6),
        min_size=1,
        max_size=6,
    ),
)
_ACCEPTS = st.lists(_CLAUSES, max_size=4).map(",".join).map(lambda text: text.encode("latin-1"))
_PATHS = [
    *(f"{V1}/nodes", f"{V1}/nodes/n1", f"{V1}/nodes/nope", f"{V1}/pods", f"{V1}/namespaces/default/pods/web-1"),
    *(V1, "/apis", "/apis/metrics.k8s.io", f"{V1}/nope", f"{V1}/nodes?limit=x", "/version", "/nope"),
]
_API = make_api()


@settings(deadline=None, max_examples=300)
@given(_ACCEPTS | st.binary(max_size=40), st.sampled_from(_PATHS), st.sampled_from(["", "pretty=1", "includeObject=x"]))
async def test_no_accept_header_is_a_fault(accept: bytes, path: str, query: str) -> None:
    async with connect(_API) as client:
        response = await client.get(f"{path}{'&' if '?' in path else '?'}{query}", headers=[(b"accept", accept)])
    assert response.status_code in {200, 400, 404, 406}
    media_type = response.headers["content-type"].partition(";")[0]
    assert media_type in (JSON, YAML, PROTOBUF)
