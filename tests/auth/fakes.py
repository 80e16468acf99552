"""A kube-apiserver that reviews from tables."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson

from metrics_api.errors import KubeError


class FakeReviews:
    """Answers TokenReviews and SubjectAccessReviews; remembers each body that was posted."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, dict[str, Any]]] = []
        self.users: dict[str, dict[str, Any]] = {}
        """Token -> ``status.user``."""
        self.allowed: set[tuple[str, str]] = set()
        """(user, verb) that is allowed."""
        self.allows: Callable[[dict[str, Any]], bool] = lambda spec: False
        """Review's spec -> whether it is allowed without being in ``allowed``."""
        self.reason = ""
        self.errors: list[KubeError] = []
        """Raised first, one a call."""
        self.gate: asyncio.Event | None = None
        """When set, answers wait for it."""
        self.answer: bytes | None = None
        """When set, the answer to everything."""

    async def post(self, path: str, body: bytes, *, timeout: float) -> bytes:  # noqa: ASYNC109 - the protocol's
        review = orjson.loads(body)
        self.posted.append((path, orjson.loads(body)))
        if self.gate is not None:
            await self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        if self.answer is not None:
            return self.answer
        spec = review["spec"]
        if "token" in spec:
            user = self.users.get(spec["token"])
            review["status"] = {"user": {}, "error": "[invalid bearer token]"}
            if user is not None:
                review["status"] = {"authenticated": True, "user": user}
        else:
            attributes = spec.get("resourceAttributes") or spec["nonResourceAttributes"]
            allowed = (spec["user"], attributes["verb"]) in self.allowed or self.allows(spec)
            review["status"] = {"allowed": allowed, "reason": self.reason}
        return orjson.dumps(review)

    @property
    def specs(self) -> list[dict[str, Any]]:
        return [review["spec"] for _, review in self.posted]
