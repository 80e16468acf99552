"""An error as the body of an answer, in the format the client reads."""

from __future__ import annotations

from metrics_api.api.formats.documents import encode_document
from metrics_api.api.negotiation import error_format
from metrics_api.api.requestheaders import RequestHeaders
from metrics_api.api.status import status_document
from metrics_api.errors import StatusError


def encode_error(error: StatusError, headers: RequestHeaders, query_string: bytes) -> tuple[str, bytes]:
    """Return the media type and the body."""
    wanted = error_format(headers, query_string)
    return wanted.media_type, encode_document(status_document(error), wanted)
