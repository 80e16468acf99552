"""The application: who answers which path.

The hot requests (metrics) are answered in ``__call__`` of a FastAPI subclass before FastAPI looks at them, which costs
no more than bare ASGI. FastAPI keeps the rest: discovery, of which it is spared the GETs, probes, ``/version``, the
index, and what the composition root adds with ``add_api_route``.
"""

from __future__ import annotations

import html
import logging
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Protocol

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from metrics_api.api import routes
from metrics_api.api.answers import Answers
from metrics_api.api.discovery import Discovery
from metrics_api.api.errordocument import encode_error
from metrics_api.api.group import DEBUG, GROUP, Resource
from metrics_api.api.listoptions import check_timeout, parse_list_options
from metrics_api.api.negotiation import check_transform, resource_format, watch_format
from metrics_api.api.openapi import OpenAPI
from metrics_api.api.overload import answer_too_many
from metrics_api.api.probes import Endpoint, Probes
from metrics_api.api.query import check_query
from metrics_api.api.reply import NOSNIFF, TEXT, Reply
from metrics_api.api.requestheaders import RequestHeaders, read_headers
from metrics_api.api.requestinfo import RequestInfo, parse_request
from metrics_api.api.resources import Found, MetricsView, Reasons, Resources, resource_of
from metrics_api.api.status import internal_error, method_not_allowed, path_not_found
from metrics_api.api.version import version_info
from metrics_api.api.watch.channel import Subject
from metrics_api.api.watch.options import parse_beginning
from metrics_api.api.watch.watches import Watch, Watches, scope_of
from metrics_api.clock import Clock, SystemClock
from metrics_api.errors import KubeError, StatusError, TooManyRequestsError
from metrics_api.gotext import quote
from metrics_api.model import Row

_LOG = logging.getLogger(__name__)
_LONGEST_LOGGED = 200


class Gate(Protocol):
    """Authentication and authorization: asked before anything else, for every path."""

    async def __call__(self, scope: Scope, request: RequestInfo) -> None:
        """Return when the request may be answered.

        Raises:
            StatusError: 401 or 403.
            TooManyRequestsError: the client should come back later.
            KubeError: the question could not be put to the cluster; the client gets a 500.
        """
        ...


class Reads(Protocol):
    """Is told of answers; must not wait. Times are seconds from the request to the end of its answer."""

    def answered(self, verb: str, resource: str, rows: Sequence[Row], took: float) -> None:
        """Take note of objects that were served."""
        ...

    def passed(self, path: str, took: float) -> None:
        """Take note of an answer on another path."""
        ...

    def failed(self, code: int) -> None:
        """Take note of an answer that is an error."""
        ...


class MetricsAPI(FastAPI):
    """The ASGI application; ``build_api`` makes it."""

    def __init__(
        self,
        view: MetricsView,
        gate: Gate | None,
        clock: Clock,
        *,
        reads: Reads | None = None,
        reasons: Reasons | None = None,
        watches: Watches | None = None,
    ) -> None:
        super().__init__(
            title="metrics-api",
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,  # kube-apiserver turns a redirect into a 502
            # Off whatever FASTAPI_OTEL_* variables say: this program sends nothing anywhere unasked.
            telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        )
        self._resources = Resources(view, clock, reasons, None if watches is None else watches.version)
        self._watches = watches
        self._answers = Answers(clock)
        self._gate = gate
        self._reads = reads
        self.discovery: Mapping[str, routes.Handler] = {}
        """Path -> what answers a GET of it, without FastAPI's router."""
        self.add_exception_handler(HTTPException, _refuse)
        self.add_exception_handler(StatusError, _answer_error)
        self.add_exception_handler(Exception, _answer_fault)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; nothing but cancellation gets out."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        reply = Reply(scope, send)
        try:
            await self._answer(scope, receive, reply)
        except StatusError as error:
            self._failed(error.code)
            await reply.error(error)
        except TooManyRequestsError as error:
            self._failed(429)
            await answer_too_many(reply, error)
        except KubeError as error:
            _LOG.warning("cannot decide who may see %s: %s", _shown_path(scope), error)
            self._failed(500)
            await reply.body(500, TEXT, _undecided(scope, error), (NOSNIFF,))
        except Exception:
            _LOG.exception("fault in %s %s, audit id %s", scope["method"], _shown_path(scope), reply.audit_id)
            self._failed(500)
            if not reply.started:
                await reply.error(internal_error())

    async def _answer(self, scope: Scope, receive: Receive, reply: Reply) -> None:
        began, query_string = perf_counter(), scope["query_string"]
        check_query(query_string)
        request = parse_request(scope["method"], scope["path"], query_string)
        if b"timeout=" in query_string and request.verb != "watch":
            check_timeout(query_string)
        if self._gate is not None:
            await self._gate(scope, request)
        if request.group == GROUP and request.resource != DEBUG:
            resource = resource_of(scope["method"], request)
            if request.verb == "watch" and self._watches is not None:
                watch = _watch(resource, request, query_string, reply.request_headers)
                await self._watches.answer(scope, receive, reply, watch)
                return
            found = await self._answer_resource(resource, request, query_string, reply)
            if self._reads is not None:
                self._reads.answered(request.verb, found.resource.name, found.rows, perf_counter() - began)
            return
        path = scope["path"]
        if path.endswith("/"):
            scope = {**scope, "path": routes.bare_path(path)}
        handler = self.discovery.get(scope["path"]) if scope["method"] == "GET" else None
        if handler is None:
            await super().__call__(scope, receive, reply.forward)
        else:
            await (await handler(Request(scope)))(scope, receive, reply.forward)
        if self._reads is not None:
            self._reads.passed(path, perf_counter() - began)

    def _failed(self, code: int) -> None:
        if self._reads is not None:
            self._reads.failed(code)

    async def _answer_resource(
        self, resource: Resource, request: RequestInfo, query_string: bytes, reply: Reply
    ) -> Found:
        headers = reply.request_headers
        wanted = resource_format(headers, query_string, is_list=request.verb != "get")
        found = await self._resources.find(resource, request, query_string)
        if wanted.kind:
            wanted = check_transform(wanted, resource, query_string, is_list=found.is_list)
        await reply.document(await self._answers.body(found, wanted, headers.get(b"accept-encoding", b"")))
        return found


def build_api(
    view: MetricsView,
    probes: Probes,
    *,
    version: str,
    gate: Gate | None = None,
    secure_port: int = 443,
    clock: Clock | None = None,
    reads: Reads | None = None,
    reasons: Reasons | None = None,
    watches: Watches | None = None,
) -> MetricsAPI:
    """Return the application.

    Args:
        view: What is served.
        probes: The checks of the three health endpoints.
        version: Ours, such as ``0.1.0``.
        gate: Who may pass; ``None`` lets everyone pass.
        secure_port: What the legacy discovery names as our address.
        clock: Time; the machine's when ``None``.
        reads: Is told what answers took.
        reasons: Says why there are no metrics of something that exists.
        watches: Answers watches; ``None`` refuses them, as metrics-server does.
    """
    clock = clock or SystemClock()
    api = MetricsAPI(view, gate, clock, reads=reads, reasons=reasons, watches=watches)
    api.discovery = routes.add_discovery(api, Discovery(secure_port, has_watches=watches is not None))
    routes.add_openapi(api, OpenAPI(version, clock, has_watches=watches is not None))
    for name, checks in probes._asdict().items():
        routes.add_probe(api, Endpoint(name, checks))
    routes.add_version(api, version_info(version))
    routes.add_index(api)
    return api


def _watch(resource: Resource, request: RequestInfo, query_string: bytes, headers: RequestHeaders) -> Watch:
    wanted = watch_format(headers, query_string, resource)
    options, beginning = parse_list_options(query_string), parse_beginning(query_string)
    scope = scope_of(resource, request.namespace, options.fields)
    subject = Subject(resource, request.version, scope, options.labels, options.fields, wanted)
    return Watch(subject, beginning, options.timeout)


def _shown_path(scope: Scope) -> str:
    return quote(scope["path"][:_LONGEST_LOGGED])


def _undecided(scope: Scope, error: KubeError) -> bytes:
    """Return the text of the generic API server for an authorizer that gave no answer."""
    text = f"Internal Server Error: {quote(scope['path'])}: {error}\n"
    return html.escape(text, quote=False).encode(errors="replace")


async def _refuse(request: Request, error: Exception) -> Response:
    """Answer what no route takes: a Status below our group and ``/version``, elsewhere the index."""
    code = error.status_code if isinstance(error, HTTPException) else 500
    if code == 405:
        return await _answer_error(request, method_not_allowed())
    if code != 404:
        return await _answer_error(request, StatusError(code, "", str(error)))
    if f"{request.scope['path']}/".startswith((f"/apis/{GROUP}/", "/version/")):
        return await _answer_error(request, path_not_found())
    return routes.index_document(request.app, 404)


async def _answer_error(request: Request, error: Exception) -> Response:
    known = error if isinstance(error, StatusError) else internal_error()
    scope = request.scope
    media_type, body = encode_error(known, read_headers(scope["headers"]), scope["query_string"])
    return Response(body, known.code, {"Content-Type": media_type})


async def _answer_fault(request: Request, _: Exception) -> Response:
    """Answer for a broken handler; Starlette raises the exception again, and ``__call__`` logs it."""
    return await _answer_error(request, internal_error())
