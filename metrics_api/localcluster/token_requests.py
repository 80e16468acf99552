"""Tokens for service accounts, as ``kubectl create token`` asks for them.

Rules: kubernetes ``pkg/registry/core/serviceaccount/storage/token.go``, ``pkg/apis/authentication/validation``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from metrics_api.clock import Clock
from metrics_api.errors import StatusError
from metrics_api.localcluster import statuses
from metrics_api.localcluster.authentication import API_AUDIENCE, Binding, Tokens
from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.requests import Request
from metrics_api.localcluster.resources import NODES, PODS, SECRETS, SERVICE_ACCOUNTS, TOKEN_REQUESTS
from metrics_api.localcluster.responses import Response, json_response
from metrics_api.localcluster.shapes import check_type
from metrics_api.localcluster.stored import JsonObject, Stored
from metrics_api.localcluster.users import service_account
from metrics_api.localcluster.validation import Cause, invalid_value
from metrics_api.timetext import format_rfc3339

_USUAL_SECONDS = 3600
_LEAST_SECONDS = 600
_MOST_SECONDS = 1 << 32
_MAY_BE_BOUND_TO = {each.kind: each for each in (PODS, SECRETS, NODES)}
_EXTRA = "authentication.kubernetes.io/"


class TokenRequests:
    """Answers ``POST …/serviceaccounts/<name>/token``; the tokens are opaque, no JWTs."""

    def __init__(self, objects: ObjectStore, tokens: Tokens, clock: Clock) -> None:
        self._objects = objects
        self._tokens = tokens
        self._clock = clock

    async def create(self, request: Request) -> Response:
        """Issue a token.

        Raises:
            StatusError: 400, 404, 409, 413, 415, 422.
        """
        wanted = request.attributes
        document = await request.document(TOKEN_REQUESTS.kind)
        check_type(TOKEN_REQUESTS, document)
        _check_place(document["metadata"], wanted.namespace, wanted.name)
        account = self._objects.find(SERVICE_ACCOUNTS, wanted.namespace, wanted.name)
        if account is None:
            raise statuses.not_found(SERVICE_ACCOUNTS, wanted.name)
        spec = _defaulted(document.get("spec", {}))
        now = self._clock.now()
        expires = now + spec["expirationSeconds"]
        token = self._issue(account, spec, expires)
        answer = {
            "kind": TOKEN_REQUESTS.kind,
            "apiVersion": TOKEN_REQUESTS.group_version,
            "metadata": {
                "name": account.name,
                "namespace": account.namespace,
                "creationTimestamp": format_rfc3339(now),
            },
            "spec": spec,
            "status": {"token": token, "expirationTimestamp": format_rfc3339(expires)},
        }
        return json_response(answer, 201)

    def _issue(self, account: Stored, spec: JsonObject, expires: float) -> str:
        user = service_account(account.namespace, account.name, account.uid)
        bindings = [_binding(account)]
        if spec["boundObjectRef"] is not None:
            bound = self._bound_object(account, spec["boundObjectRef"])
            bindings.append(_binding(bound))
            user = replace(user, extra=self._extra(bound))
        return self._tokens.issue_bound(user, spec["audiences"], expires, bindings)

    def _bound_object(self, account: Stored, reference: JsonObject) -> Stored:
        kind, version = reference.get("kind", ""), reference.get("apiVersion", "")
        name, uid = reference.get("name", ""), reference.get("uid", "")
        resource = _MAY_BE_BOUND_TO.get(kind)
        if resource is None or "/" in version:
            group, _, bare = version.rpartition("/")
            raise statuses.bad_request(f"cannot bind token to object of type {group}/{bare}, Kind={kind}")
        found = self._objects.find(resource, account.namespace if resource.namespaced else "", name)
        if found is None:
            raise statuses.not_found(resource, name)
        if resource == PODS and (found.fields["spec.serviceAccountName"] or "default") != account.name:
            why = "to pod running with different serviceaccount name."
            raise statuses.bad_request(f'cannot bind token for serviceaccount "{account.name}" {why}')
        if uid not in ("", found.uid):
            why = (
                f"the UID in the bound object reference ({uid}) does not match the UID in record. "
                "The object might have been deleted and then recreated"
            )
            message = f'Operation cannot be fulfilled on {kind} "{name}": {why}'
            raise StatusError(409, "Conflict", message, name=name, kind=kind)
        return found

    def _extra(self, bound: Stored) -> Mapping[str, tuple[str, ...]]:
        """Return what a bound token says beside the service account: its pod and that pod's node, or its node."""
        pod = bound if bound.resource == PODS else None
        node = bound if bound.resource == NODES else None
        if pod is not None:
            node = self._objects.find(NODES, "", pod.fields["spec.nodeName"])
        extra = {}
        for what, each in (("pod", pod), ("node", node)):
            if each is not None:
                extra[f"{_EXTRA}{what}-name"] = (each.name,)
                extra[f"{_EXTRA}{what}-uid"] = (each.uid,)
        return extra


def _binding(stored: Stored) -> Binding:
    return Binding(stored.resource, stored.namespace, stored.name, stored.uid)


def _check_place(metadata: JsonObject, namespace: str, name: str) -> None:
    for field, expected in (("name", name), ("namespace", namespace)):
        given = metadata.get(field)
        if given not in (None, "", expected):
            why = f"must match the service account {field} if specified"
            raise _invalid(name, invalid_value(f"metadata.{field}", given, why))


def _defaulted(spec: JsonObject) -> JsonObject:
    """Return the ``spec`` with what was left out filled in.

    Raises:
        StatusError: 422.
    """
    seconds = spec.get("expirationSeconds", _USUAL_SECONDS)
    if seconds < _LEAST_SECONDS:
        why = "may not specify a duration less than 10 minutes"
        raise _invalid("", invalid_value("spec.expirationSeconds", seconds, why))
    if seconds > _MOST_SECONDS:
        why = "may not specify a duration larger than 2^32 seconds"
        raise _invalid("", invalid_value("spec.expirationSeconds", seconds, why))
    return {
        "audiences": spec.get("audiences") or [API_AUDIENCE],
        "expirationSeconds": seconds,
        "boundObjectRef": spec.get("boundObjectRef"),
    }


def _invalid(name: str, cause: Cause) -> StatusError:
    return statuses.invalid(TOKEN_REQUESTS.group, TOKEN_REQUESTS.kind, name, cause)
