"""May this user do this? ``system:masters`` may; for all others kube-apiserver is asked by a SubjectAccessReview.

A list with selectors is first asked for as if it had none: who may see everything may see a part, and one answer does
for all selectors, of which every HorizontalPodAutoscaler has its own. Only who may not is asked for once more, in full.
"""

from __future__ import annotations

from typing import Any

import msgspec

from metrics_api.auth.identity import MASTERS, User
from metrics_api.auth.review_cache import ReviewCache
from metrics_api.auth.reviews import Reviewer
from metrics_api.auth.selectors import field_requirements, label_requirements
from metrics_api.clock import Clock

_PATH = "/apis/authorization.k8s.io/v1/subjectaccessreviews?timeout=10s"
_CACHE_SIZE = 8192
_LONGEST_CACHED = 10_000


class Attributes(msgspec.Struct, frozen=True, gc=False):
    """What is asked for: a resource, or (``resource`` empty) another path."""

    verb: str
    path: str = ""
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    field_selector: str = ""
    """As the client wrote it; so the next."""
    label_selector: str = ""

    @property
    def has_selectors(self) -> bool:
        """Whether some of what is listed is picked out."""
        return bool(self.field_selector or self.label_selector)

    def without_selectors(self) -> Attributes:
        """Return the same for all objects."""
        return msgspec.structs.replace(self, field_selector="", label_selector="")


class Decision(msgspec.Struct, frozen=True, gc=False):
    """Whether it is allowed, and the reason given, if any."""

    allowed: bool
    reason: str = ""


class _Status(msgspec.Struct):
    allowed: bool = False
    denied: bool = False
    reason: str = ""
    evaluation_error: str = msgspec.field(default="", name="evaluationError")


class _SubjectAccessReview(msgspec.Struct):
    status: _Status = msgspec.field(default_factory=_Status)


_ALLOWED = Decision(True)


class Authorizer:
    """Decides, and remembers decisions for a while.

    Args:
        reviewer: Asks kube-apiserver.
        clock: Time.
        allowed_lifetime: Seconds that a yes is used again (``--authorization-webhook-cache-authorized-ttl``).
        denied_lifetime: Seconds that a no is used again (``--authorization-webhook-cache-unauthorized-ttl``).
    """

    def __init__(self, reviewer: Reviewer, clock: Clock, *, allowed_lifetime: float, denied_lifetime: float) -> None:
        self._reviewer = reviewer
        self.cache: ReviewCache[tuple[User, Attributes], Decision] = ReviewCache(
            clock,
            size=_CACHE_SIZE,
            lifetime=lambda decision: allowed_lifetime if decision.allowed else denied_lifetime,
        )
        """What is remembered; for counting it."""

    def remembered(self, user: User, attributes: Attributes) -> Decision | None:
        """Return the decision when it is known without asking."""
        if MASTERS in user.groups:
            return _ALLOWED
        if not attributes.has_selectors:
            return self.cache.peek((user, attributes))
        of_all = self.cache.peek((user, attributes.without_selectors()))
        return of_all if of_all is None or of_all.allowed else self.cache.peek((user, attributes))

    async def authorize(self, user: User, attributes: Attributes) -> Decision:
        """Return the decision.

        Raises:
            KubeError: kube-apiserver could not be asked; the request must then fail, never pass.
        """
        if MASTERS in user.groups:
            return _ALLOWED
        if attributes.has_selectors:
            of_all = await self._ask(user, attributes.without_selectors())
            if of_all.allowed or not _selectors(attributes):
                return of_all
        return await self._ask(user, attributes)

    async def _ask(self, user: User, attributes: Attributes) -> Decision:
        if _size(user, attributes) > _LONGEST_CACHED:
            return await self._review(user, attributes)
        return await self.cache.get((user, attributes), lambda: self._review(user, attributes))

    async def _review(self, user: User, attributes: Attributes) -> Decision:
        body = msgspec.json.encode(
            {
                "kind": "SubjectAccessReview",
                "apiVersion": "authorization.k8s.io/v1",
                "metadata": {},
                "spec": _spec(user, attributes),
            }
        )
        status = (await self._reviewer.review(_PATH, body, _SubjectAccessReview)).status
        return Decision(status.allowed and not status.denied, status.reason)


def _spec(user: User, attributes: Attributes) -> dict[str, Any]:
    spec: dict[str, Any] = {}
    if attributes.resource:
        fields = {
            "namespace": attributes.namespace,
            "verb": attributes.verb,
            "group": attributes.group,
            "version": attributes.version,
            "resource": attributes.resource,
            "subresource": attributes.subresource,
            "name": attributes.name,
        }
        told: dict[str, Any] = {key: value for key, value in fields.items() if value}
        spec["resourceAttributes"] = told | _selectors(attributes)
    else:
        spec["nonResourceAttributes"] = {"path": attributes.path, "verb": attributes.verb}
    spec["user"] = user.name
    if user.groups:
        spec["groups"] = user.groups
    if user.extra:
        spec["extra"] = dict(user.extra)
    if user.uid:
        spec["uid"] = user.uid
    return spec


def _selectors(attributes: Attributes) -> dict[str, Any]:
    """Return the selectors in a review's terms. What cannot be read is left out: less is asked for than is told."""
    told = {
        "fieldSelector": field_requirements(attributes.field_selector),
        "labelSelector": label_requirements(attributes.label_selector),
    }
    return {key: {"requirements": requirements} for key, requirements in told.items() if requirements}


def _size(user: User, attributes: Attributes) -> int:
    """Return the characters that a client chose freely; what is huge is not worth remembering."""
    return sum(map(len, msgspec.structs.astuple(attributes))) + len(user.name)
