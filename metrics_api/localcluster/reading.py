"""Get and list."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from operator import attrgetter

from metrics_api.clock import Clock
from metrics_api.errors import StatusError
from metrics_api.localcluster import statuses
from metrics_api.localcluster.faults import Faults
from metrics_api.localcluster.history import within
from metrics_api.localcluster.list_options import (
    Position,
    check_list_options,
    decode_position,
    encode_position,
    version_of_list,
    version_of_watch,
)
from metrics_api.localcluster.negotiation import Call, negotiate
from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.presentation import Presenter, check_include
from metrics_api.localcluster.requests import Request
from metrics_api.localcluster.resources import CONFIG_MAPS, Resource
from metrics_api.localcluster.responses import Response, bytes_response
from metrics_api.localcluster.selection import Selection, selection_of
from metrics_api.localcluster.stored import JsonObject, Key, Stored

AUTHENTICATION_CONFIG: Key = ("kube-system", "extension-apiserver-authentication")
"""The ConfigMap that tells extension servers whom to believe."""

_START: Key = ("", "")
_EXPIRED_PAGE = (
    "The provided continue parameter is too old to display a consistent list result. "
    "You must start a new list without the continue parameter."
)


class Reader:
    """Answers get and list from the store."""

    def __init__(self, objects: ObjectStore, clock: Clock, faults: Faults) -> None:
        self._objects = objects
        self._clock = clock
        self._faults = faults

    def presenter(self, request: Request, resource: Resource, call: Call) -> Presenter:
        """Return what encodes the answer as the client wants it.

        Raises:
            StatusError: 400, 406.
        """
        form = negotiate(request.header("accept"), call)
        include = check_include(request.parameter("includeObject"), form.shape)
        return Presenter(resource, form, include, self._clock.now())

    def find(self, resource: Resource, namespace: str, name: str) -> Stored:
        """Return an object.

        Raises:
            StatusError: 404.
        """
        stored = self._objects.find(resource, namespace, name)
        if stored is None or self._is_hidden(stored):
            raise statuses.not_found(resource, name)
        return stored

    def get(self, request: Request, resource: Resource) -> Response:
        """Answer with one object."""
        version_of_watch(request)  # is checked alike; what is newest is never too old
        presenter = self.presenter(request, resource, Call.ONE)
        wanted = request.attributes
        stored = self.find(resource, wanted.namespace if resource.namespaced else "", wanted.name)
        return bytes_response(presenter.one(stored), as_yaml=presenter.form.yaml)

    def list(self, request: Request, resource: Resource) -> Response:
        """Answer with all objects that the request selects, or a page of them."""
        presenter = self.presenter(request, resource, Call.LIST)
        check_list_options(request)
        selection = selection_of(request, resource)
        limit = request.integer("limit") or 0
        request.integer("timeoutSeconds")  # is checked, and limits nothing: a list does not wait
        position = self._position(request, limit)
        objects = self._selected(resource, selection, position)
        metadata: JsonObject = {"resourceVersion": str(position.version)}
        if 0 < limit < len(objects):
            metadata["continue"] = encode_position(Position(position.version, objects[limit - 1].key))
            if selection.is_everything:
                metadata["remainingItemCount"] = len(objects) - limit
            objects = objects[:limit]
        chunks = presenter.many(objects, metadata)
        if presenter.form.yaml:
            return bytes_response(b"".join(chunks), as_yaml=True)
        return Response(200, [*chunks, b"\n"])

    def _position(self, request: Request, limit: int) -> Position:
        if token := request.parameter("continue"):
            if request.parameter("resourceVersion") not in ("", "0"):
                raise statuses.bad_request("specifying resource version is not allowed when using continue")
            return decode_position(token)
        version = version_of_list(request, self._objects.version)
        match = request.parameter("resourceVersionMatch")
        # Kubernetes reads a version with a limit and no match as exact.
        if version is not None and (match == "Exact" or (limit and not match)):
            return Position(version, _START)
        return Position(self._objects.version, _START)

    def _selected(self, resource: Resource, selection: Selection, position: Position) -> Sequence[Stored]:
        try:
            objects = self._objects.stored_at(resource, position.version)
        except StatusError as error:
            if position.after != _START:
                raise statuses.expired(_EXPIRED_PAGE) from error
            raise
        if selection.namespace:
            objects = within(objects, selection.namespace)
        if position.after != _START:
            objects = objects[bisect_right(objects, position.after, key=attrgetter("key")) :]
        objects = selection.filter(objects)
        if self._faults.authentication_config_missing and resource == CONFIG_MAPS:
            return [stored for stored in objects if not self._is_hidden(stored)]
        return objects

    def _is_hidden(self, stored: Stored) -> bool:
        missing = self._faults.authentication_config_missing
        return missing and stored.resource == CONFIG_MAPS and stored.key == AUTHENTICATION_CONFIG
