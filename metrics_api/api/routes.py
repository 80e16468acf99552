"""The paths that FastAPI keeps: discovery, OpenAPI, probes, ``/version`` and the index."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.routing import Route

from metrics_api.api.discovery import Discovery, Document
from metrics_api.api.group import GROUP, VERSIONS
from metrics_api.api.negotiation import check_json_is_accepted
from metrics_api.api.openapi import V2_PATH, V3_PATH, OpenAPI
from metrics_api.api.probes import Endpoint, ProbeResult
from metrics_api.api.query import parse_query
from metrics_api.api.requestheaders import RequestHeaders, read_headers

_JSON = "application/json"
_VARY = {"Vary": "Accept"}

Handler = Callable[[Request], Awaitable[Response]]


def add_discovery(api: FastAPI, discovery: Discovery) -> Mapping[str, Handler]:
    """Add ``/apis`` and what is below it but for the resources themselves.

    Returns:
        Path -> what answers a GET of it, for who needs no router to find it.
    """

    async def groups(request: Request) -> Response:
        return _discovered(request, discovery.groups(*_wishes(request)))

    async def group(request: Request) -> Response:
        return _discovered(request, discovery.group(*_wishes(request)))

    async def version(request: Request) -> Response:
        return _discovered(request, discovery.version(_path(request).rpartition("/")[2], *_wishes(request)))

    handlers = {"/apis": groups, f"/apis/{GROUP}": group} | {f"/apis/{GROUP}/{known}": version for known in VERSIONS}
    for path, handler in handlers.items():
        _add(api, path, handler, ("GET",))
    return handlers


def add_openapi(api: FastAPI, openapi: OpenAPI) -> None:
    """Add ``/openapi/v2``, ``/openapi/v3`` and what that lists."""

    async def v2(request: Request) -> Response:
        return _unless_known(request, openapi.v2(_accept(request)), _VARY)

    async def index(request: Request) -> Response:
        return _unless_known(request, openapi.index(), {})

    async def v3(request: Request) -> Response:
        document = openapi.v3(_path(request), _accept(request))
        wanted_hash = request.query_params.get("hash", "")
        return _unless_known(request, document, {**_VARY, **openapi.caching(document, wanted_hash)})

    _add(api, V2_PATH, v2)
    _add(api, V3_PATH, index)
    for path in openapi.v3_paths:
        _add(api, path, v3)


def add_probe(api: FastAPI, endpoint: Endpoint) -> None:
    """Add a health endpoint and, below it, each of its checks."""
    root = f"/{endpoint.name}"

    async def all_checks(request: Request) -> Response:
        query = parse_query(request.scope["query_string"])
        return _probed(endpoint.all(verbose="verbose" in query, excluded=query.get("exclude", ())))

    async def one_check(request: Request) -> Response:
        return _checked(endpoint.one(_path(request).removeprefix(f"{root}/")))

    _add(api, root, all_checks)
    for name in endpoint.check_names:
        _add(api, f"{root}/{name}", one_check)


def add_version(api: FastAPI, info: Mapping[str, str]) -> None:
    """Add ``/version``."""

    async def version(request: Request) -> Response:
        check_json_is_accepted(_headers(request))
        return _indented(info)

    _add(api, "/version", version, ("GET",))


def add_index(api: FastAPI) -> None:
    """Add ``/`` and its other name, which list the paths there are."""

    async def index(_: Request) -> Response:
        return index_document(api)

    _add(api, "/", index)
    _add(api, "/index.html", index)


def index_document(api: FastAPI, code: int = 200) -> Response:
    """Return all paths but ``/`` and those with parameters; with a 404, what there is instead."""
    paths = {route.path for route in api.routes if isinstance(route, Route) and "{" not in route.path}
    return _indented({"paths": sorted(paths - {"/", "/index.html"})}, code)


def bare_path(path: str) -> str:
    """Return a path without the slashes at its end that go-restful, which has but some of the paths, leaves out."""
    bare = path.rstrip("/")
    if bare.startswith("/apis/") or bare == "/version" or path == "/apis/":
        return bare
    return path


def _add(
    api: FastAPI,
    path: str,
    handler: Handler,
    methods: tuple[str, ...] = ("GET", "HEAD"),
) -> None:
    api.add_api_route(path, handler, methods=list(methods), response_model=None, include_in_schema=False)


def _path(request: Request) -> str:
    path: str = request.scope["path"]  # decoded; `request.url` has it encoded again
    return path


def _headers(request: Request) -> RequestHeaders:
    return read_headers(request.scope["headers"])


def _wishes(request: Request) -> tuple[RequestHeaders, bytes]:
    return _headers(request), request.scope["query_string"]


def _accept(request: Request) -> str:
    return ",".join(request.headers.getlist("accept"))


def _discovered(request: Request, document: Document) -> Response:
    # The legacy documents differ by Accept too, but the generic API server does not say so.
    headers = {} if document.etag is None else {**_VARY, "Cache-Control": "public"}
    return _unless_known(request, document, headers)


def _unless_known(request: Request, document: Document, headers: Mapping[str, str]) -> Response:
    """Return the document, or a 304 to a client that names its ETag."""
    if document.etag is not None:
        headers = {**headers, "ETag": document.etag}
        known = (tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(","))
        if document.etag in known:
            return Response(status_code=304, headers=headers)
    return Response(document.body, headers={**headers, "Content-Type": document.content_type})


def _checked(result: ProbeResult) -> Response:
    if result.code == 200:
        return Response(result.text, media_type="text/plain")
    return _probed(result)


def _probed(result: ProbeResult) -> Response:
    headers = {"X-Content-Type-Options": "nosniff"}
    return Response(result.text, result.code, headers, media_type="text/plain")


def _indented(value: Any, code: int = 200) -> Response:
    return Response(json.dumps(value, indent=2), code, media_type=_JSON)
