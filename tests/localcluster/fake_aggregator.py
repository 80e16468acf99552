"""An aggregation layer that only claims and answers, for tests of the API server before it."""

from __future__ import annotations

from collections.abc import Sequence

from metrics_api.localcluster.seams import Receive, Scope, Send
from metrics_api.localcluster.stored import JsonObject
from metrics_api.localcluster.users import User

GROUP = {"name": "metrics.k8s.io", "versions": [{"groupVersion": "metrics.k8s.io/v1beta1", "version": "v1beta1"}]}


class FakeAggregator:
    """Claims metrics.k8s.io/v1beta1 and answers with who asked."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, User, str]] = []
        self.freshness = "Current"

    def claims(self, path: str) -> bool:
        return path.startswith("/apis/metrics.k8s.io/v1beta1")

    async def __call__(self, scope: Scope, receive: Receive, send: Send, user: User) -> None:
        self.seen.append((scope["path"], user, scope["state"]["audit_id"]))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"date", b"now")]})
        await send({"type": "http.response.body", "body": b"from the extension server"})

    def groups(self) -> Sequence[JsonObject]:
        return [{**GROUP, "preferredVersion": {"groupVersion": "metrics.k8s.io/v1beta1", "version": "v1beta1"}}]

    def aggregated_groups(self) -> Sequence[JsonObject]:
        versions = [{"version": "v1beta1", "resources": [], "freshness": self.freshness}]
        return [{"metadata": {"name": "metrics.k8s.io"}, "versions": versions}]

    def openapi_v2(self) -> JsonObject | None:
        return {"swagger": "2.0", "paths": {}}

    def openapi_v3_paths(self) -> JsonObject:
        return {"apis/metrics.k8s.io/v1beta1": {"serverRelativeURL": "/openapi/v3/apis/metrics.k8s.io/v1beta1"}}
