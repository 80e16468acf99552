"""Kubernetes' own wording for what can go wrong, and the ``Status`` document that carries it.

Texts: apimachinery ``pkg/api/errors`` and ``pkg/util/validation/field``.
"""

from __future__ import annotations

from typing import Any

import orjson

from metrics_api.errors import StatusError
from metrics_api.localcluster.resources import Resource


def status_document(error: StatusError) -> dict[str, Any]:
    """Return the ``Status`` object of a failure."""
    document: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": error.message,
    }
    if error.reason:
        document["reason"] = error.reason
    if error.has_details:
        document["details"] = _details(error)
    document["code"] = error.code
    return document


def _details(error: StatusError) -> dict[str, Any]:
    details: dict[str, Any] = {
        key: value for key, value in (("name", error.name), ("group", error.group), ("kind", error.kind)) if value
    }
    if error.causes:
        details["causes"] = [
            {key: value for key, value in (("reason", reason), ("message", message), ("field", path)) if value}
            for reason, message, path in error.causes
        ]
    if error.retry_after is not None:
        details["retryAfterSeconds"] = error.retry_after
    return details


def encode_status(error: StatusError) -> bytes:
    """Return the JSON of :func:`status_document` with the newline that Kubernetes ends its bodies with."""
    return orjson.dumps(status_document(error)) + b"\n"


def bad_request(message: str) -> StatusError:
    """400: the request cannot be understood."""
    return StatusError(400, "BadRequest", message)


def unauthorized() -> StatusError:
    """401: credentials were given and none was accepted."""
    return StatusError(401, "Unauthorized", "Unauthorized")


def not_found(resource: Resource, name: str) -> StatusError:
    """404: no object of that name."""
    message = f'{resource.qualified} "{name}" not found'
    return StatusError(404, "NotFound", message, name=name, group=resource.group, kind=resource.plural)


def unknown_path() -> StatusError:
    """404: nothing is served there."""
    return StatusError(404, "NotFound", "the server could not find the requested resource", has_details=True)


def method_not_allowed() -> StatusError:
    """405: the resource is known, the verb is not among its verbs."""
    message = "the server does not allow this method on the requested resource"
    return StatusError(405, "MethodNotAllowed", message, has_details=True)


def already_exists(resource: Resource, name: str) -> StatusError:
    """409: an object of that name is there."""
    message = f'{resource.qualified} "{name}" already exists'
    return StatusError(409, "AlreadyExists", message, name=name, group=resource.group, kind=resource.plural)


def conflict(resource: Resource, name: str, why: str) -> StatusError:
    """409: the write was made against another state of the object."""
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return StatusError(409, "Conflict", message, name=name, group=resource.group, kind=resource.plural)


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"
"""Why a write with an old resourceVersion is refused."""


def expired(message: str) -> StatusError:
    """410: the resourceVersion or the continue token is too old."""
    return StatusError(410, "Expired", message)


def unsupported_media_type(accepted: str) -> StatusError:
    """415: the body, or the patch, is in a format that is not understood."""
    message = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
    return StatusError(415, "UnsupportedMediaType", message)


def unsupported_patch() -> StatusError:
    """415: a patch of an unknown type. Its route refuses it, before anybody who would know the types is asked."""
    return StatusError(415, "UnsupportedMediaType", "415: Unsupported Media Type", has_details=True)


def invalid(group: str, kind: str, name: str, *causes: tuple[str, str, str]) -> StatusError:
    """422: the document is well-formed and its content is not allowed.

    Args:
        group: The API group of the kind.
        kind: ``Pod``, ``ListOptions``.
        name: The object's name, may be empty.
        causes: (reason such as ``FieldValueInvalid``, message, field path).
    """
    texts = [f"{path}: {message}" for _, message, path in causes]
    listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    full_kind = f"{kind}.{group}" if group else kind
    message = f'{full_kind} "{name}" is invalid: {listed}'
    return StatusError(422, "Invalid", message, name=name, group=group, kind=kind, causes=causes)


def future_version(version: int, current: int) -> StatusError:
    """504: the resourceVersion asked for has not happened yet."""
    return StatusError(
        504,
        "Timeout",
        f"Timeout: Too large resource version: {version}, current: {current}",
        causes=[("ResourceVersionTooLarge", "Too large resource version", "")],
        retry_after=1,
    )


def forbidden(message: str, *, name: str = "", group: str = "", kind: str = "") -> StatusError:
    """403: authenticated (or anonymous), and not allowed."""
    return StatusError(403, "Forbidden", message, name=name, group=group, kind=kind, has_details=True)


def internal(message: str) -> StatusError:
    """500: the server could not do its part."""
    return StatusError(500, "InternalError", f"Internal error occurred: {message}", has_details=True)


def not_acceptable(accepted: str) -> StatusError:
    """406: no format that the client accepts can be made."""
    return StatusError(406, "NotAcceptable", f"only the following media types are accepted: {accepted}")


def no_representation(available: str) -> StatusError:
    """406: no format that the client accepts is known at all; go-restful's words."""
    message = f"406: Not Acceptable\n\nAvailable representations: {available}"
    return StatusError(406, "NotAcceptable", message, has_details=True)


def too_large(limit: int) -> StatusError:
    """413: the body is longer than ``limit`` bytes."""
    return entity_too_large(f"limit is {limit}")


def entity_too_large(why: str) -> StatusError:
    """413: the request asks for more than it may."""
    return StatusError(413, "RequestEntityTooLarge", f"Request entity too large: {why}")
