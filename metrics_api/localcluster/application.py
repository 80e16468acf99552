"""The API server as an ASGI application: who asks, may they, and who answers."""

from __future__ import annotations

import logging
import re
import uuid
from email.utils import formatdate

from metrics_api.clock import Clock
from metrics_api.errors import StatusError
from metrics_api.localcluster import statuses
from metrics_api.localcluster.attributes import Attributes
from metrics_api.localcluster.authentication import Tokens, authenticate
from metrics_api.localcluster.discovery import Discovery
from metrics_api.localcluster.faults import Faults, hold_up
from metrics_api.localcluster.impersonation import impersonated
from metrics_api.localcluster.negotiation import Call
from metrics_api.localcluster.paths import serve_path
from metrics_api.localcluster.rbac import Authorizer, forbidden_message
from metrics_api.localcluster.reading import Reader
from metrics_api.localcluster.requests import Request
from metrics_api.localcluster.resources import Resource, find_resource, is_local_group
from metrics_api.localcluster.responses import Response, error_response, page_not_found, send_response, timed_out
from metrics_api.localcluster.reviews import Reviews
from metrics_api.localcluster.seams import Message, Receive, Scope, Send
from metrics_api.localcluster.token_requests import TokenRequests
from metrics_api.localcluster.users import User
from metrics_api.localcluster.watching import Watches
from metrics_api.localcluster.witness import Seen, Witness
from metrics_api.localcluster.writing import Writer

_log = logging.getLogger(__name__)
_DISCOVERY_DEPTH = 2  # slashes in apis/<group>/<version>
_AUDIT_ID = re.compile(r"[\x21-\x7e]{1,64}")


class Application:
    """Joins the handlers. Authentication comes first, then authorization, and only then whether the path exists."""

    def __init__(
        self,
        *,
        clock: Clock,
        tokens: Tokens,
        authorizer: Authorizer,
        discovery: Discovery,
        reader: Reader,
        watches: Watches,
        writer: Writer,
        reviews: Reviews,
        token_requests: TokenRequests,
        witness: Witness,
        faults: Faults,
    ) -> None:
        self._faults = faults
        self._clock = clock
        self._tokens = tokens
        self._authorizer = authorizer
        self._discovery = discovery
        self._reader = reader
        self._watches = watches
        self._writer = writer
        self._reviews = reviews
        self._token_requests = token_requests
        self._witness = witness

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = Request.of(scope, receive)
        audit_id = request.header("audit-id")
        scope["state"]["audit_id"] = audit_id if _AUDIT_ID.fullmatch(audit_id) else str(uuid.uuid4())
        finishing = _Finishing(send, request, scope["state"]["audit_id"], self._clock.now(), self._witness)
        try:
            response = await self._answer(scope, request, finishing)
        except StatusError as error:
            response = error_response(error)
        except TimeoutError:
            response = timed_out()
        except Exception:
            _log.exception("a bug in the stand-in API server: %s %r", request.method, request.path)
            response = error_response(statuses.internal("a bug in the stand-in API server, see its log"))
        if response is not None and not finishing.started:
            await send_response(finishing, response, accept_encoding=request.header("accept-encoding"))

    async def _answer(self, scope: Scope, request: Request, send: Send) -> Response | None:
        if not request.attributes.is_long_running:
            request.time_limit()  # one that is no duration is refused before anything else
        user = authenticate(request.headers, scope["state"].get("peer_certificate"), self._tokens)
        request.user = user
        request.user = impersonated(request.headers, user, request.attributes, self._require)
        self._require(request.user, request.attributes)
        aggregator = self._discovery.aggregator
        if aggregator is not None and aggregator.claims(request.path):
            if request.path.strip("/").count("/") == _DISCOVERY_DEPTH:
                await hold_up(self._clock, self._faults.discovery_delay, request.time_limit())
            await aggregator(scope, request.receive, send, request.user)
            return None
        if request.attributes.is_resource:
            return await self._resource(request)
        return self._discovery.handle(request) or serve_path(request, aggregator)

    def _require(self, user: User, wanted: Attributes) -> None:
        decision = self._authorizer.authorize(user, wanted)
        if decision.allowed:
            return
        message = forbidden_message(user, wanted)
        raise statuses.forbidden(message, name=wanted.name, group=wanted.group, kind=wanted.resource)

    async def _resource(self, request: Request) -> Response:
        wanted = request.attributes
        resource = find_resource(wanted.group, wanted.version, wanted.resource)
        if resource is None or not _is_placed(resource, request):
            if not is_local_group(wanted.group):
                return page_not_found()
            raise statuses.unknown_path()
        verbs = resource.subresources[wanted.subresource] if wanted.subresource else resource.verbs
        if wanted.verb not in verbs or request.method == "HEAD":
            raise statuses.method_not_allowed()
        review = self._reviews.handler(resource)
        if review is not None:
            return await review(request)
        if wanted.subresource == "token":
            return await self._token_requests.create(request)
        match wanted.verb:
            case "get":
                return self._reader.get(request, resource)
            case "list":
                return self._reader.list(request, resource)
            case "watch":
                return self._watches.open(request, resource, self._reader.presenter(request, resource, Call.ONE))
            case _:
                return await self._write(request, resource)

    async def _write(self, request: Request, resource: Resource) -> Response:
        wanted = request.attributes
        if resource.namespaced and not wanted.namespace:
            raise statuses.method_not_allowed()
        match wanted.verb:
            case "create" if not wanted.name:
                return await self._writer.create(request, resource)
            case "update" if wanted.name:
                return await self._writer.update(request, resource)
            case "patch" if wanted.name:
                return await self._writer.patch(request, resource)
            case "delete":
                return await self._writer.delete(request, resource)
            case "deletecollection":
                return await self._writer.delete_collection(request, resource)
            case _:
                raise statuses.method_not_allowed()


def _is_placed(resource: Resource, request: Request) -> bool:
    """Whether the path has a namespace where there must be one, and a subresource that exists."""
    wanted = request.attributes
    if wanted.subresource and wanted.subresource not in resource.subresources:
        return False
    if not resource.namespaced:
        return not wanted.namespace or resource.plural == "namespaces"
    return bool(wanted.namespace) or not wanted.name or wanted.verb in ("list", "watch")


class _Finishing:
    """Sends on, adding the headers that every answer has, and records the status."""

    def __init__(self, send: Send, request: Request, audit_id: str, now: float, witness: Witness) -> None:
        self._send = send
        self._request = request
        self._audit_id = audit_id
        self._now = now
        self._witness = witness
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self._record(message["status"])
            headers = list(message["headers"])
            present = {name for name, _ in headers}
            headers.append((b"audit-id", self._audit_id.encode("latin-1")))
            for name, value in (
                (b"cache-control", b"no-cache, private"),
                (b"date", formatdate(self._now, usegmt=True).encode()),
            ):
                if name not in present:
                    headers.append((name, value))
            message = {**message, "headers": headers}
        await self._send(message)

    def _record(self, status: int) -> None:
        wanted = self._request.attributes
        qualified = f"{wanted.resource}.{wanted.group}" if wanted.group else wanted.resource
        resource = f"{qualified}/{wanted.subresource}" if wanted.subresource else qualified
        path, user = self._request.path, self._request.user.name
        self._witness.record(Seen(user, wanted.verb, path, resource, wanted.namespace, wanted.name, status))
