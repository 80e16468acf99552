"""What the aggregation layer needs from the API server it is part of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from metrics_api.localcluster.history import Listener
from metrics_api.localcluster.resources import Resource
from metrics_api.localcluster.seams import Receive, Scope, Send
from metrics_api.localcluster.stored import JsonObject
from metrics_api.localcluster.users import User


class ObjectSource(Protocol):
    """The cluster's objects, of which APIServices, Services and EndpointSlices are read."""

    def get(self, resource: Resource, namespace: str, name: str) -> JsonObject | None:
        """Return a copy of the object, ``None`` when there is none. ``namespace`` is empty for cluster-scoped ones."""
        ...

    def list(self, resource: Resource, namespace: str | None = None) -> Sequence[JsonObject]:
        """Return copies of all objects; ``None`` is every namespace."""
        ...

    def subscribe(self, resource: Resource, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with every change from now on, within the write; return what ends that."""
        ...

    def set_status(self, resource: Resource, namespace: str, name: str, status: JsonObject) -> JsonObject:
        """Give an object this ``status``; raises StatusError 404 when it is gone."""
        ...


Handler = Callable[[Scope, Receive, Send, User | None], Awaitable[None]]
"""Serves one HTTP request of a user; the ASGI form, with who asks beside it."""
