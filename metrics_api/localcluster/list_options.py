"""The query parameters that say from when on and how much: resourceVersion, limit, continue and their kin.

Rules: apimachinery ``pkg/apis/meta/internalversion/validation``, apiserver ``pkg/storage`` (continue tokens).
"""

from __future__ import annotations

import base64
import binascii
from typing import NamedTuple

import orjson

from metrics_api.errors import StatusError
from metrics_api.localcluster import statuses
from metrics_api.localcluster.attributes import flag
from metrics_api.localcluster.requests import Request
from metrics_api.localcluster.stored import Key

_TOKEN_FORMAT = "meta.k8s.io/v1"  # noqa: S105 - the name of a format
_NOT_OLDER = "NotOlderThan"
_EXACT = "Exact"


def check_list_options(request: Request) -> None:
    """Check a list's parameters.

    Raises:
        StatusError: 422.
    """
    match = request.parameter("resourceVersionMatch")
    version = request.parameter("resourceVersion")
    faults = []
    if match:
        if not version:
            faults.append(_forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided"))
        if request.parameter("continue"):
            faults.append(_forbidden("resourceVersionMatch is forbidden when continue is provided"))
        if match not in (_EXACT, _NOT_OLDER):
            faults.append(_unsupported(match, f'"{_EXACT}", "{_NOT_OLDER}", ""'))
        if match == _EXACT and version == "0":
            why = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
            faults.append(_forbidden(why))
    if initial_events(request) is not None:
        faults.append(_forbidden("sendInitialEvents is forbidden for list", "sendInitialEvents"))
    if faults:
        raise statuses.invalid("meta.k8s.io", "ListOptions", "", *faults)


def check_watch_options(request: Request, *, streaming_lists: bool) -> None:
    """Check a watch's parameters.

    Raises:
        StatusError: 422; also for ``sendInitialEvents`` when streaming lists are not served.
    """
    match = request.parameter("resourceVersionMatch")
    initial = initial_events(request) is not None
    faults = []
    if initial and match != _NOT_OLDER:
        faults.append(_forbidden(f"sendInitialEvents requires setting resourceVersionMatch to {_NOT_OLDER}"))
    if initial and not streaming_lists:
        why = "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"
        faults.append(_forbidden(why, "sendInitialEvents"))
    if match and not initial:
        faults.append(_forbidden("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"))
    if match and match != _NOT_OLDER:
        faults.append(_unsupported(match, f'"{_NOT_OLDER}"'))
    if faults:
        raise statuses.invalid("meta.k8s.io", "ListOptions", "", *faults)


def _forbidden(why: str, field: str = "resourceVersionMatch") -> tuple[str, str, str]:
    return ("FieldValueForbidden", f"Forbidden: {why}", field)


def _unsupported(value: str, supported: str) -> tuple[str, str, str]:
    message = f'Unsupported value: "{value}": supported values: {supported}'
    return ("FieldValueNotSupported", message, "resourceVersionMatch")


def initial_events(request: Request) -> bool | None:
    """Return what ``sendInitialEvents`` says, ``None`` when it is absent."""
    return flag(request.query, "sendInitialEvents")


def version_of_list(request: Request, current: int) -> int | None:
    """Return the resourceVersion that a list asks for, ``None`` for none or ``0`` (any).

    Raises:
        StatusError: 400, it is no number; 504, it lies in the future.
    """
    try:
        version = _version(request)
    except ValueError as error:
        raise statuses.bad_request(f"invalid resource version: {error}") from error
    if version is not None and version > current:
        raise statuses.future_version(version, current)
    return version


def version_of_watch(request: Request) -> int | None:
    """Return the resourceVersion that a watch begins after, ``None`` for none or ``0``; it may lie in the future.

    Raises:
        StatusError: 500, it is no number.
    """
    try:
        return _version(request)
    except ValueError as error:
        raise StatusError(500, "", str(error)) from error  # Kubernetes has no reason for it either


def _version(request: Request) -> int | None:
    text = request.parameter("resourceVersion")
    if text in ("", "0"):
        return None
    if not text.isascii() or not text.isdigit():
        why = f'strconv.ParseUint: parsing "{text}": invalid syntax'
        raise ValueError(f'resourceVersion: Invalid value: "{text}": {why}')
    return int(text)


class Position(NamedTuple):
    """Where a page of a list begins."""

    version: int
    """The resourceVersion of the first page: all pages show the state of that moment."""
    after: Key
    """The last object of the page before."""


def encode_position(position: Position) -> str:
    """Return the ``continue`` token."""
    path = "/".join(("", *filter(None, position.after)))
    token = orjson.dumps({"v": _TOKEN_FORMAT, "rv": position.version, "start": path + "\0"})
    return base64.urlsafe_b64encode(token).rstrip(b"=").decode()


def decode_position(token: str) -> Position:
    """Return what a ``continue`` token says.

    Raises:
        StatusError: 400.
    """
    try:
        document = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        if document["v"] != _TOKEN_FORMAT or not isinstance(document["rv"], int):
            raise ValueError("it is in another format")
        namespace, _, name = document["start"].removeprefix("/").removesuffix("\0").rpartition("/")
    except (binascii.Error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _bad_token(error) from error
    return Position(document["rv"], (namespace, name))


def _bad_token(error: Exception) -> StatusError:
    return statuses.bad_request(f"invalid continue token: continue key is not valid: {error}")
