"""One HTTP request, taken apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import orjson
import yaml

from metrics_api.localcluster import protobuf, statuses
from metrics_api.localcluster.attributes import Attributes, attributes_of, time_limit_of
from metrics_api.localcluster.seams import Receive, Scope
from metrics_api.localcluster.shapes import check_nesting
from metrics_api.localcluster.users import ANONYMOUS, User

_BODY_LIMIT = 3 * 1024 * 1024
_TIME_LIMIT = 60.0
_BODY_TYPES = "application/json, application/yaml, application/vnd.kubernetes.protobuf"


@dataclass(slots=True)
class Request:
    """What handlers are given."""

    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, Sequence[str]]
    """Lower-case name -> values, in the order sent."""
    attributes: Attributes
    receive: Receive
    user: User = ANONYMOUS
    """Who it is made as; known once it is authenticated."""
    _body: bytes | None = None

    @classmethod
    def of(cls, scope: Scope, receive: Receive) -> Request:
        """Return the request of an ASGI scope."""
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        method, path = scope["method"], scope["path"]
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        return cls(method, path, query, headers, attributes_of(method, path, query), receive)

    def parameter(self, name: str) -> str:
        """Return the first value of a query parameter, empty when it is absent."""
        values = self.query.get(name)
        return values[0] if values else ""

    def header(self, name: str) -> str:
        """Return all values of a header joined by commas, empty when it is absent."""
        return ",".join(self.headers.get(name, ()))

    def integer(self, name: str) -> int | None:
        """Return a query parameter as a number, ``None`` when it is absent.

        Raises:
            StatusError: 400.
        """
        text = self.parameter(name)
        if not text:
            return None
        try:
            return int(text)
        except ValueError:
            raise statuses.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None

    def time_limit(self) -> float:
        """Return the seconds that it may take when it is not long-running: the parameter ``timeout``, 60 at most.

        Raises:
            StatusError: 400, the parameter is no duration.
        """
        try:
            return time_limit_of(self.query, _TIME_LIMIT)
        except ValueError as error:
            raise statuses.bad_request(f"invalid timeout specified in the request URL - {error}") from error

    async def body(self) -> bytes:
        """Return the request's body.

        Raises:
            StatusError: 413, it is longer than Kubernetes takes.
        """
        if self._body is not None:
            return self._body
        body = bytearray()
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise statuses.bad_request("the request ended before its body")
            body += message.get("body", b"")
            if len(body) > _BODY_LIMIT:
                raise statuses.too_large(_BODY_LIMIT)
            if not message.get("more_body"):
                self._body = bytes(body)
                return self._body

    async def document(self, kind: str) -> dict[str, Any]:
        """Return the object in the body: JSON, YAML, or protobuf for some kinds.

        Args:
            kind: What it should be, for messages.

        Raises:
            StatusError: 400, 413, 415.
        """
        content_type = self.header("content-type").partition(";")[0].strip().lower()
        body = await self.body()
        try:
            match content_type:
                case "" | "application/json":
                    document = orjson.loads(body)
                case "application/yaml":
                    document = parse_yaml(body)
                case protobuf.MEDIA_TYPE:
                    document = protobuf.decode_object(body)
                    if document is None:
                        raise statuses.unsupported_media_type(_BODY_TYPES)
                case _:
                    raise statuses.unsupported_media_type(_BODY_TYPES)
        except ValueError as error:
            raise _unrecognized(kind, str(error)[:200]) from error
        if not isinstance(document, dict):
            raise _unrecognized(kind, "the document is no object")
        check_nesting(document)
        return document


def parse_yaml(body: bytes) -> Any:
    """Return a YAML document as what its JSON would be.

    Raises:
        ValueError: It is no YAML, or has no JSON.
    """
    try:
        return orjson.loads(orjson.dumps(yaml.load(body, _Loader), option=orjson.OPT_NON_STR_KEYS))  # noqa: S506 - a safe one
    except (yaml.YAMLError, TypeError, RecursionError) as error:
        raise ValueError(str(error)) from error


class _Loader(yaml.SafeLoader):
    """Takes no aliases: a few lines of them stand for gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not taken")
        return super().compose_node(parent, index)


def _unrecognized(kind: str, why: str) -> Exception:
    message = f"the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; "
    return statuses.bad_request(f"{message}json parse error: {why}")
