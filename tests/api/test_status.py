from __future__ import annotations

import pytest

from metrics_api.api import status
from metrics_api.api.formats import json_text
from metrics_api.api.group import NODES, PODS
from metrics_api.errors import StatusError

_HEAD = b'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":'


@pytest.mark.parametrize(
    ("error", "tail"),
    [
        pytest.param(
            status.node_not_found("n1"),
            rb'"node \"n1\" not found","reason":"NotFound","details":{"name":"n1","kind":"node"},"code":404}',
            id="no-such-node",
        ),
        pytest.param(
            status.pod_not_found("p"),
            rb'"pods \"p\" not found","reason":"NotFound","details":{"name":"p","kind":"pods"},"code":404}',
            id="no-such-pod",
        ),
        pytest.param(
            status.node_metrics_not_found("n1"),
            rb'"nodemetrics.metrics.k8s.io \"n1\" not found","reason":"NotFound",'
            rb'"details":{"name":"n1","group":"metrics.k8s.io","kind":"nodemetrics"},"code":404}',
            id="node-without-metrics",
        ),
        pytest.param(
            status.pod_metrics_not_found("ns", "p"),
            rb'"podmetrics.metrics.k8s.io \"ns/p\" not found","reason":"NotFound",'
            rb'"details":{"name":"ns/p","group":"metrics.k8s.io","kind":"podmetrics"},"code":404}',
            id="pod-without-metrics",
        ),
        pytest.param(
            status.path_not_found(),
            b'"the server could not find the requested resource","reason":"NotFound","details":{},"code":404}',
            id="no-such-path",
        ),
        pytest.param(
            status.method_not_allowed(),
            b'"the server does not allow this method on the requested resource",'
            b'"reason":"MethodNotAllowed","details":{},"code":405}',
            id="method",
        ),
        pytest.param(
            status.watch_not_supported(NODES),
            rb'"watch is not supported on resources of kind \"nodes.metrics.k8s.io\"",'
            rb'"reason":"MethodNotAllowed","details":{"group":"metrics.k8s.io","kind":"nodes"},"code":405}',
            id="watch-nodes",
        ),
        pytest.param(
            status.watch_not_supported(PODS),
            rb'"watch is not supported on resources of kind \"pods.metrics.k8s.io\"",'
            rb'"reason":"MethodNotAllowed","details":{"group":"metrics.k8s.io","kind":"pods"},"code":405}',
            id="watch-pods",
        ),
        pytest.param(
            status.bad_request("<nil>: a & b"),
            rb'"\u003cnil\u003e: a \u0026 b","reason":"BadRequest","code":400}',
            id="escaped-as-go-does",
        ),
        pytest.param(
            status.not_acceptable(["application/json", "application/yaml"]),
            b'"only the following media types are accepted: application/json, application/yaml",'
            b'"reason":"NotAcceptable","code":406}',
            id="not-acceptable",
        ),
        pytest.param(
            status.no_representation(["application/json", "application/yaml"]),
            rb'"406: Not Acceptable\n\nAvailable representations: application/json, application/yaml",'
            b'"reason":"NotAcceptable","details":{},"code":406}',
            id="no-type-known",
        ),
        pytest.param(
            status.wrong_transform("PartialObjectMetadata", "a list (*metrics.NodeMetricsList)"),
            b'"you requested PartialObjectMetadata, but the requested object is a list (*metrics.NodeMetricsList)",'
            b'"reason":"NotAcceptable","code":406}',
            id="wrong-transform",
        ),
        pytest.param(
            status.invalid_table_option("Foo"),
            rb'"Unable to convert to Table as requested: includeObject: Invalid value: \"Foo\": '
            b"must be 'Metadata', 'Object', 'None', or empty\","
            b'"reason":"BadRequest","code":400}',
            id="table-option",
        ),
        pytest.param(
            status.invalid_list_options([status.FieldFault("a", "FieldValueForbidden", "Forbidden: no")]),
            rb'"ListOptions.meta.k8s.io \"\" is invalid: a: Forbidden: no","reason":"Invalid",'
            rb'"details":{"group":"meta.k8s.io","kind":"ListOptions",'
            rb'"causes":[{"reason":"FieldValueForbidden","message":"Forbidden: no","field":"a"}]},"code":422}',
            id="invalid-option",
        ),
        pytest.param(
            status.internal_error(),
            b'"Internal error occurred","reason":"InternalError","code":500}',
            id="fault",
        ),
        pytest.param(
            StatusError(429, "TooManyRequests", "later", retry_after=5),
            b'"later","reason":"TooManyRequests","details":{"retryAfterSeconds":5},"code":429}',
            id="retry-after",
        ),
        pytest.param(StatusError(500, "", "x"), b'"x","code":500}', id="without-a-reason"),
    ],
)
def test_an_error_is_written_as_the_generic_api_server_writes_it(error: StatusError, tail: bytes) -> None:
    assert json_text.compact(status.status_document(error)) == _HEAD + tail + b"\n"


def test_text_that_is_no_unicode_can_be_written() -> None:
    document = status.status_document(StatusError(400, "", "\udc80", name="\udc80"))
    assert (document["message"], document["details"]) == ("?", {"name": "?"})
