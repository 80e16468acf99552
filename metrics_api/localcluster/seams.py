"""What the API server asks of the aggregation layer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Protocol

from metrics_api.localcluster.stored import JsonObject
from metrics_api.localcluster.users import User

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Aggregator(Protocol):
    """Serves the API groups that APIService objects hand to extension servers.

    The API server has authenticated and authorized a request before it hands it over, and leaves the response to
    the aggregator. ``scope`` is the client's, with its headers as sent; its ``state["audit_id"]`` is the audit id.
    """

    def claims(self, path: str) -> bool:
        """Whether requests for this path go to an extension server: ``/apis/<g>/<v>`` and below, their OpenAPI v3."""
        ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send, user: User) -> None:
        """Serve one request of this user."""
        ...

    def groups(self) -> Sequence[JsonObject]:
        """Return the extension servers' APIGroup objects (no kind, no apiVersion) for ``/apis``, available or not."""
        ...

    def aggregated_groups(self) -> Sequence[JsonObject]:
        """Return their APIGroupDiscovery items of ``apidiscovery.k8s.io/v2``; broken versions have freshness Stale."""
        ...

    def openapi_v2(self) -> JsonObject | None:
        """Return one Swagger 2.0 document with the ``paths`` and ``definitions`` of all, ``None`` without any."""
        ...

    def openapi_v3_paths(self) -> JsonObject:
        """Return their part of ``/openapi/v3``: key -> ``{"serverRelativeURL": …}``."""
        ...
