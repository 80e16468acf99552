"""The paths that are neither resources nor discovery: version, probes, OpenAPI."""

from __future__ import annotations

import hashlib

import orjson

from metrics_api.localcluster import statuses
from metrics_api.localcluster.negotiation import accepts_json, clauses
from metrics_api.localcluster.openapi import openapi_v2_document, openapi_v3_document, openapi_v3_paths
from metrics_api.localcluster.requests import Request
from metrics_api.localcluster.responses import JSON, Response, json_response, page_not_found, text_response
from metrics_api.localcluster.seams import Aggregator
from metrics_api.localcluster.stored import JsonObject
from metrics_api.localcluster.swagger_protobuf import MEDIA_TYPES, encode_swagger

_VERSION = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.0+localcluster",
    "gitCommit": "",
    "gitTreeState": "",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}


def serve_path(request: Request, aggregator: Aggregator | None) -> Response:
    """Answer a GET.

    Raises:
        StatusError: 405, 406.
    """
    document: JsonObject | None
    match request.path:
        case "/healthz" | "/livez" | "/readyz" | "/healthz/ping" | "/livez/ping" | "/readyz/ping":
            return text_response("ok")
        case "/version" | "/version/":
            document = _VERSION
        case "/openapi/v2":
            return _openapi_v2(request, openapi_v2_document(aggregator.openapi_v2() if aggregator else None))
        case "/openapi/v3":
            document = {"paths": openapi_v3_paths() | (aggregator.openapi_v3_paths() if aggregator else {})}
        case path if path.startswith("/openapi/v3/"):
            document = openapi_v3_document(path)
            if document is None:
                return Response(404, [], "")
        case _:
            return page_not_found()
    if request.method != "GET":
        raise statuses.method_not_allowed()
    return json_response(document)


def _openapi_v2(request: Request, document: JsonObject) -> Response:
    """Answer in protobuf or JSON, with an ETag."""
    if request.method != "GET":
        raise statuses.method_not_allowed()
    accept = request.header("accept")
    wanted = next((each.media_type for each in clauses(accept) if each.media_type in MEDIA_TYPES), "")
    if not wanted and not accepts_json(accept):
        raise statuses.not_acceptable(", ".join((JSON, *MEDIA_TYPES)))
    try:
        body = encode_swagger(document) if wanted else orjson.dumps(document)
    except ValueError as error:
        raise statuses.internal(f"the merged OpenAPI document has no protobuf form: {error}") from error
    tag = f'"{hashlib.sha512(body).hexdigest().upper()}"'
    headers = [("ETag", tag), ("Vary", "Accept")]
    content_type = MEDIA_TYPES[0] if wanted else JSON  # the older name is no valid media type
    if request.header("if-none-match") == tag:
        return Response(304, [], content_type, headers)
    return Response(200, [body], content_type, headers)
