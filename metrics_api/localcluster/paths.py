"""The paths that are neither resources nor discovery: version, probes, OpenAPI."""

from __future__ import annotations

from metrics_api.localcluster import statuses
from metrics_api.localcluster.negotiation import accepts_json
from metrics_api.localcluster.openapi import openapi_v3_document, openapi_v3_paths
from metrics_api.localcluster.requests import Request
from metrics_api.localcluster.responses import Response, json_response, text_response
from metrics_api.localcluster.seams import Aggregator
from metrics_api.localcluster.stored import JsonObject

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
        StatusError: 404, 405, 406.
    """
    path = request.path.rstrip("/")
    document: JsonObject | None
    match path:
        case "/healthz" | "/livez" | "/readyz":
            document = {}
        case "/version":
            document = _VERSION
        case "/openapi/v2":
            if not accepts_json(request.header("accept")):
                raise statuses.not_acceptable("application/json")
            document = aggregator.openapi_v2() if aggregator else None
        case "/openapi/v3":
            document = {"paths": openapi_v3_paths() | (aggregator.openapi_v3_paths() if aggregator else {})}
        case _:
            document = openapi_v3_document(path)
    if document is None:
        raise statuses.unknown_path()
    if request.method != "GET":
        raise statuses.method_not_allowed()
    return json_response(document) if document else text_response("ok")
