from __future__ import annotations

import pytest

from metrics_api.api import status
from metrics_api.api.formats import messages
from metrics_api.api.group import NODES
from metrics_api.errors import StatusError
from tests.api.protobuf import decode_object
from tests.api.views import DATA


def test_a_status_is_written_byte_for_byte_as_by_metrics_server() -> None:
    document = status.status_document(status.node_not_found("nope"))
    assert messages.encode(document) == (DATA / "status404.pb").read_bytes()


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(status.bad_request("é <&>"), id="no-details"),
        pytest.param(status.path_not_found(), id="empty-details"),
        pytest.param(status.watch_not_supported(NODES), id="details"),
        pytest.param(StatusError(503, "ServiceUnavailable", "wait", retry_after=300), id="retry-after"),
        pytest.param(StatusError(500, "", "m" * 5000), id="long-without-reason"),
        pytest.param(
            status.invalid_list_options(
                [status.FieldFault("a", "FieldValueForbidden", "x"), status.FieldFault("b", "FieldValueInvalid", "y")]
            ),
            id="causes",
        ),
    ],
)
def test_a_status_is_read_back(error: StatusError) -> None:
    document = status.status_document(error)
    assert decode_object(messages.encode(document)) == document


def test_text_that_is_no_unicode_can_be_written() -> None:
    document = status.status_document(StatusError(404, "NotFound", "x", name="\udc80"))
    assert decode_object(messages.encode(document))["details"] == {"name": "?"}
