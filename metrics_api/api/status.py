"""Errors as clients see them: the ``Status`` document of the generic API server, and its wording for what can go wrong.

Texts: apiserver and apimachinery v0.36, checked against metrics-server v0.9.0. People and programs read them, so they
are the same to the letter, oddities included (a missing Node is of kind ``node``, in the singular).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from metrics_api.api.group import GROUP, NODES, PODS, Resource
from metrics_api.errors import StatusError
from metrics_api.gotext import quote


class FieldFault(NamedTuple):
    """What is wrong with one field of a request's options."""

    field: str
    reason: str
    message: str


def status_document(error: StatusError) -> dict[str, Any]:
    """Return the error as a ``Status``, its keys in order."""
    document: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": _without_empty({"continue": error.continue_token}),
        "status": "Failure",
        "message": error.message.encode(errors="replace").decode(),
    }
    if error.reason:
        document["reason"] = error.reason
    if error.has_details:
        document["details"] = _details(error)
    document["code"] = error.code
    return document


def _details(error: StatusError) -> dict[str, Any]:
    causes = [
        _without_empty({"reason": reason, "message": message, "field": field})
        for reason, message, field in error.causes
    ]
    name = error.name.encode(errors="replace").decode()
    return _without_empty(
        {
            "name": name,
            "group": error.group,
            "kind": error.kind,
            "causes": causes,
            "retryAfterSeconds": error.retry_after,
        }
    )


def _without_empty(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}


def node_not_found(name: str) -> StatusError:
    """404: there is no such Node."""
    return StatusError(404, "NotFound", f"node {quote(name)} not found", name=name, kind="node")


def pod_not_found(name: str) -> StatusError:
    """404: there is no such running Pod."""
    return StatusError(404, "NotFound", f"pods {quote(name)} not found", name=name, kind=PODS.name)


def node_metrics_not_found(name: str, why: str | None = None) -> StatusError:
    """404: the Node exists, and nothing usable is known of it yet; ``why`` in words where that is known."""
    return _metrics_not_found(NODES, name, why)


def pod_metrics_not_found(namespace: str, name: str, why: str | None = None) -> StatusError:
    """404: the Pod runs, and nothing usable is known of it yet; ``why`` in words where that is known."""
    return _metrics_not_found(PODS, f"{namespace}/{name}", why)


def _metrics_not_found(resource: Resource, name: str, why: str | None) -> StatusError:
    """Return metrics-server's text, and behind it, where it disturbs nobody who looks for that, the reason."""
    kind = resource.kind.lower()
    message = f"{kind}.{GROUP} {quote(name)} not found"
    if why is None:
        return StatusError(404, "NotFound", message, name=name, group=GROUP, kind=kind)
    causes = [("MetricsNotAvailable", why, "")]
    return StatusError(404, "NotFound", f"{message}: {why}", name=name, group=GROUP, kind=kind, causes=causes)


def path_not_found() -> StatusError:
    """404: a path below the group that is nothing."""
    return StatusError(404, "NotFound", "the server could not find the requested resource", has_details=True)


def method_not_allowed() -> StatusError:
    """405: anything but GET."""
    message = "the server does not allow this method on the requested resource"
    return StatusError(405, "MethodNotAllowed", message, has_details=True)


def watch_not_supported(resource: Resource) -> StatusError:
    """405: metrics can be got and listed only."""
    message = f"watch is not supported on resources of kind {quote(resource.qualified_name)}"
    return StatusError(405, "MethodNotAllowed", message, group=GROUP, kind=resource.name)


def bad_request(message: str) -> StatusError:
    """400: the request cannot be understood."""
    return StatusError(400, "BadRequest", message)


def continue_expired(following: str) -> StatusError:
    """410: the list has to be begun anew, or goes on in another state of it; words of apiserver ``storage/etcd3``.

    Args:
        following: The token with which it goes on.
    """
    message = (
        "The provided continue parameter is too old to display a consistent list result. You can start a new list "
        "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
        "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
        "modified, or deleted between the time the first chunk was returned and now may show up in the list."
    )
    return StatusError(410, "Expired", message, continue_token=following)


def list_too_old() -> StatusError:
    """410: just that version of a list is not to be had. The words are those of apiserver ``storage/etcd3``."""
    return StatusError(410, "Expired", "The resourceVersion for the provided list is too old.")


def version_too_old(version: int, oldest: int) -> StatusError:
    """410: what changed since a version is not known. The words are those of apiserver ``storage/cacher``."""
    return StatusError(410, "Expired", f"too old resource version: {version} ({oldest})")


def not_acceptable(media_types: Sequence[str]) -> StatusError:
    """406: none of what the client accepts can be written."""
    message = f"only the following media types are accepted: {', '.join(media_types)}"
    return StatusError(406, "NotAcceptable", message)


def no_representation(media_types: Sequence[str]) -> StatusError:
    """406: no clause of ``Accept`` names a type there is; the words are those of the router, go-restful."""
    message = f"406: Not Acceptable\n\nAvailable representations: {', '.join(media_types)}"
    return StatusError(406, "NotAcceptable", message, has_details=True)


def unsupported_media_type() -> StatusError:
    """415: a body of a type that is not read; the words are those of the router, go-restful."""
    return StatusError(415, "UnsupportedMediaType", "415: Unsupported Media Type", has_details=True)


def wrong_transform(wanted: str, found: str) -> StatusError:
    """406: a list was asked for where an object is, or the other way round."""
    return StatusError(406, "NotAcceptable", f"you requested {wanted}, but the requested object is {found}")


def invalid_table_option(value: str) -> StatusError:
    """400: what is to come with the rows of a Table is none of the choices."""
    fault = f"includeObject: Invalid value: {quote(value)}: must be 'Metadata', 'Object', 'None', or empty"
    return bad_request(f"Unable to convert to Table as requested: {fault}")


def invalid_list_options(faults: Sequence[FieldFault]) -> StatusError:
    """422: options of a list that contradict each other or have no such value."""
    said = [f"{fault.field}: {fault.message}" for fault in faults]
    joined = said[0] if len(said) == 1 else f"[{', '.join(said)}]"
    return StatusError(
        422,
        "Invalid",
        f'ListOptions.meta.k8s.io "" is invalid: {joined}',
        group="meta.k8s.io",
        kind="ListOptions",
        causes=[(fault.reason, fault.message, fault.field) for fault in faults],
    )


def internal_error() -> StatusError:
    """500: a fault of ours. The log says which, the client is not told."""
    return StatusError(500, "InternalError", "Internal error occurred")
