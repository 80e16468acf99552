"""Questions about users: who a token belongs to, and who may do what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from metrics_api.clock import Clock
from metrics_api.localcluster import statuses
from metrics_api.localcluster.attributes import Attributes
from metrics_api.localcluster.authentication import API_AUDIENCE, Tokens
from metrics_api.localcluster.faults import Faults, hold_up
from metrics_api.localcluster.rbac import Authorizer
from metrics_api.localcluster.requests import Request
from metrics_api.localcluster.resources import (
    SELF_SUBJECT_ACCESS_REVIEWS,
    SELF_SUBJECT_REVIEWS,
    SUBJECT_ACCESS_REVIEWS,
    TOKEN_REVIEWS,
    Resource,
)
from metrics_api.localcluster.responses import Response, json_response
from metrics_api.localcluster.shapes import check_type
from metrics_api.localcluster.stored import JsonObject
from metrics_api.localcluster.users import User

_ONE_OF = "exactly one of nonResourceAttributes or resourceAttributes must be specified"

Ask = Callable[[Request, JsonObject], JsonObject]


class Reviews:
    """Answers the reviews; nothing of them is stored."""

    def __init__(self, tokens: Tokens, authorizer: Authorizer, clock: Clock, faults: Faults) -> None:
        self._tokens = tokens
        self._authorizer = authorizer
        self._clock = clock
        self._faults = faults
        self._answers: dict[Resource, Ask] = {
            TOKEN_REVIEWS: self._token,
            SUBJECT_ACCESS_REVIEWS: self._access,
            SELF_SUBJECT_ACCESS_REVIEWS: self._own_access,
            SELF_SUBJECT_REVIEWS: self._own_name,
        }

    def handler(self, resource: Resource) -> Callable[[Request], Awaitable[Response]] | None:
        """Return what answers a POST of this resource, ``None`` when it is no review."""
        answer = self._answers.get(resource)
        if answer is None:
            return None

        async def handle(request: Request) -> Response:
            await hold_up(self._clock, self._faults.review_delay, request.time_limit())
            if self._faults.review_hold is not None:
                await self._faults.review_hold.wait()
            if self._faults.reviews_fail:
                raise statuses.internal("reviews are switched off")
            document = await request.document(resource.kind)
            check_type(resource, document)
            spec = document.get("spec", {})
            answered = {
                "kind": resource.kind,
                "apiVersion": resource.group_version,
                "metadata": {},
                **({"spec": spec} if resource != SELF_SUBJECT_REVIEWS else {}),
                "status": answer(request, spec),
            }
            return json_response(answered, 201)

        return handle

    def _token(self, _: Request, spec: JsonObject) -> JsonObject:
        token = spec.get("token")
        if not token:
            raise statuses.bad_request("token is required for TokenReview in authentication")
        found = self._tokens.review(token, spec.get("audiences") or [API_AUDIENCE])
        if found is None:
            return {"user": {}, "error": "invalid bearer token"}
        user, meant = found
        return {"authenticated": True, "user": user_info(user), "audiences": meant}

    def _access(self, _: Request, spec: JsonObject) -> JsonObject:
        name, groups = spec.get("user", ""), spec.get("groups") or ()
        wanted = _wanted(SUBJECT_ACCESS_REVIEWS, spec)
        if not name and not groups:
            why = 'Invalid value: "": at least one of user or group must be specified'
            raise _invalid(SUBJECT_ACCESS_REVIEWS, "spec.user", why)
        extra = {key: tuple(values) for key, values in (spec.get("extra") or {}).items()}
        return self._decide(User(name, spec.get("uid", ""), tuple(groups), extra), wanted)

    def _own_access(self, request: Request, spec: JsonObject) -> JsonObject:
        return self._decide(request.user, _wanted(SELF_SUBJECT_ACCESS_REVIEWS, spec))

    def _own_name(self, request: Request, _: JsonObject) -> JsonObject:
        return {"userInfo": user_info(request.user)}

    def _decide(self, user: User, wanted: Attributes) -> JsonObject:
        decision = self._authorizer.authorize(user, wanted)
        status: JsonObject = {"allowed": decision.allowed}
        if decision.reason:
            status["reason"] = decision.reason
        if decision.evaluation_error:
            status["evaluationError"] = decision.evaluation_error
        return status


def user_info(user: User) -> JsonObject:
    """Return a user as ``userInfo`` of ``authentication.k8s.io``."""
    info: dict[str, Any] = {"username": user.name, "uid": user.uid, "groups": list(user.groups)}
    info["extra"] = {key: list(values) for key, values in user.extra.items()}
    return {key: value for key, value in info.items() if value}


def _wanted(resource: Resource, spec: JsonObject) -> Attributes:
    questions = [spec[key] for key in ("resourceAttributes", "nonResourceAttributes") if key in spec]
    if len(questions) != 1:
        raise _invalid(resource, "spec.resourceAttributes", f"Invalid value: {_ONE_OF}")
    [question] = questions
    if "nonResourceAttributes" in spec:
        return Attributes(question.get("verb", ""), path=question.get("path", ""))
    keys = ("verb", "group", "version", "resource", "subresource", "namespace", "name")
    return Attributes(**{key: question.get(key, "") for key in keys})


def _invalid(resource: Resource, field: str, message: str) -> Exception:
    return statuses.invalid(resource.group, resource.kind, "", ("FieldValueInvalid", message, field))
