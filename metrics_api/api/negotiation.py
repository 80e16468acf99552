"""Which format a client gets: from its ``Accept`` header, the ``pretty`` parameter, and who it is.

Rules: apiserver ``pkg/endpoints/handlers/negotiation`` and ``handlers/response.go``; the texts of refusals are its and
go-restful's. One leniency: ``application/*`` is understood, where upstream's router refuses it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from metrics_api.api.accept import ANYTHING, MediaRange, parse_accept
from metrics_api.api.formats.format import (
    JSON,
    MEDIA_TYPES,
    META_GROUP,
    META_VERSIONS,
    PARTIAL,
    PARTIAL_LIST,
    PROTOBUF,
    TABLE,
    YAML,
    Format,
)
from metrics_api.api.group import Resource
from metrics_api.api.query import parse_query, remember
from metrics_api.api.requestheaders import RequestHeaders
from metrics_api.api.status import (
    invalid_table_option,
    no_representation,
    not_acceptable,
    unsupported_media_type,
    wrong_transform,
)

_STREAMS = (f"{JSON};stream=watch", f"{PROTOBUF};stream=watch")
_PEOPLE = (b"curl", b"Wget", b"Mozilla/5.0")
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_INCLUDED = frozenset({"", "Metadata", "Object", "None"})


class Wishes(NamedTuple):
    """What an ``Accept`` header comes to."""

    resource: Format | None
    """For nodes and pods; ``None`` when nothing that is accepted can be written."""
    document: Format | None
    """For what has no other form than its own: the legacy discovery."""
    error: Format | None
    """For a Status. ``*``, which the router takes for no type, stands for anything by then."""
    names_known_type: bool
    """Whether any clause names a media type there is, whatever it asks for besides."""


@remember
def read_accept(header: bytes) -> Wishes:
    """Return what an ``Accept`` header comes to; an empty one stands for none."""
    clauses = parse_accept(header.decode("latin-1"))
    pairs = [(clause, name) for clause in clauses for name in MEDIA_TYPES if clause.includes(name)]
    resource = (_resource_format(clause.parameters, name) for clause, name in pairs)
    document = map(plain_format, clauses)
    error = map(plain_format, (ANYTHING if clause.media_type == "*" else clause for clause in clauses))
    return Wishes(_first(resource), _first(document), _first(error), bool(pairs))


def _first(formats: Iterable[Format | None]) -> Format | None:
    return next(filter(None, formats), None)


def plain_format(clause: MediaRange) -> Format | None:
    """Return the format that one clause means for what has no other form than its own, ``None`` for none."""
    if clause.parameters.get("sv", "") or _asks_for_a_kind(clause.parameters):
        return None
    return _first(_untransformed(clause.parameters, name) for name in MEDIA_TYPES if clause.includes(name))


def _resource_format(parameters: Mapping[str, str], media_type: str) -> Format | None:
    if parameters.get("sv", "") not in ("", "v1"):
        return None
    plain = _untransformed(parameters, media_type)
    if plain is None or not _asks_for_a_kind(parameters):
        return plain
    kind, version = parameters.get("as", ""), parameters.get("v", "")
    if parameters.get("g") != META_GROUP or version not in META_VERSIONS:
        return None
    if kind in (PARTIAL, PARTIAL_LIST) or (kind == TABLE and media_type != PROTOBUF):
        return plain._replace(kind=kind, version=version)
    return None


def _untransformed(parameters: Mapping[str, str], media_type: str) -> Format | None:
    stream = parameters.get("stream", "")
    if stream and (stream != "watch" or media_type == YAML):
        return None
    return Format(media_type, pretty=media_type == JSON and parameters.get("pretty") == "1")


def _asks_for_a_kind(parameters: Mapping[str, str]) -> bool:
    return any(parameters.get(name) for name in ("as", "g", "v"))


def resource_format(headers: RequestHeaders, query_string: bytes, *, is_list: bool) -> Format:
    """Return the format for nodes or pods.

    Raises:
        StatusError: 406 when the client accepts nothing that can be written.
    """
    wishes = read_accept(headers.get(b"accept", b""))
    wanted = wishes.resource
    if wanted is None:
        raise (
            not_acceptable(MEDIA_TYPES)
            if wishes.names_known_type
            else no_representation((*MEDIA_TYPES, *_STREAMS) if is_list else MEDIA_TYPES)
        )
    return _prettified(wanted, headers, query_string)


def watch_format(headers: RequestHeaders, query_string: bytes, resource: Resource) -> Format:
    """Return the format for a watch of nodes or pods: what has an end only as a whole, as YAML, cannot be used.

    Raises:
        StatusError: 406 when the client accepts nothing that can be written as a stream; what ``check_transform`` says.
    """
    wishes = read_accept(headers.get(b"accept", b""))
    wanted = wishes.resource
    if wanted is None and not wishes.names_known_type:
        raise no_representation((*MEDIA_TYPES, *_STREAMS))
    if wanted is None or wanted.media_type == YAML:
        raise not_acceptable(_STREAMS)
    return check_transform(wanted._replace(pretty=False), resource, query_string, is_list=False)


def document_format(headers: RequestHeaders, query_string: bytes) -> Format:
    """Return the format for a discovery document.

    Raises:
        StatusError: 415 for a body of another type, though nobody reads it; 406 when the client accepts nothing that
            can be written.
    """
    check_body_type(headers, MEDIA_TYPES)
    wishes = read_accept(headers.get(b"accept", b""))
    if wishes.document is None:
        raise not_acceptable(MEDIA_TYPES) if wishes.names_known_type else no_representation(MEDIA_TYPES)
    return _prettified(wishes.document, headers, query_string)


def check_body_type(headers: RequestHeaders, media_types: Sequence[str]) -> None:
    """Check what a request says its body is, which the router does whether there is one or not.

    Raises:
        StatusError: 415.
    """
    given = headers.get(b"content-type")
    if given and not any(each.partition(";")[0].strip() in media_types for each in given.decode("latin-1").split(",")):
        raise unsupported_media_type()


def check_json_is_accepted(headers: RequestHeaders) -> None:
    """Check that JSON will do, in any form, for a path where the router knows nothing else.

    Raises:
        StatusError: 415 for a body of another type, 406 when the client does not accept JSON.
    """
    check_body_type(headers, (JSON,))
    if not any(clause.includes(JSON) for clause in parse_accept(headers.get(b"accept", b"").decode("latin-1"))):
        raise no_representation((JSON,))


def error_format(headers: RequestHeaders, query_string: bytes) -> Format:
    """Return the format for a Status: indented JSON when the client accepts nothing that it can be written in."""
    wanted = read_accept(headers.get(b"accept", b"")).error
    return Format(JSON, pretty=True) if wanted is None else _prettified(wanted, headers, query_string)


def check_transform(wanted: Format, resource: Resource, query_string: bytes, *, is_list: bool) -> Format:
    """Return the format, completed by the query, in which what was found can be written.

    Raises:
        StatusError: 406 when the wanted kind is one for lists and this is none, or the other way round; 400 when the
            query says no proper thing about the rows of a Table.
    """
    if wanted.kind == TABLE:
        return wanted._replace(include_object=_included(query_string))
    if wanted.kind == PARTIAL and is_list:
        raise wrong_transform(PARTIAL, f"a list (*metrics.{resource.kind}List)")
    if wanted.kind == PARTIAL_LIST and not is_list:
        raise wrong_transform(PARTIAL_LIST, f"not a list (*metrics.{resource.kind})")
    return wanted


def _included(query_string: bytes) -> str:
    value = parse_query(query_string).get("includeObject", ("",))[0]
    if value not in _INCLUDED:
        raise invalid_table_option(value)
    return value or "Metadata"


def _prettified(wanted: Format, headers: RequestHeaders, query_string: bytes) -> Format:
    if wanted.media_type == JSON and _wants_pretty(headers, query_string):
        return wanted._replace(pretty=True)
    return wanted


def _wants_pretty(headers: RequestHeaders, query_string: bytes) -> bool:
    """Tell whether a person reads: the parameter ``pretty`` says so, or when it is silent the client's name."""
    if b"pretty" in query_string and (text := parse_query(query_string).get("pretty", ("",))[0]):
        return text in _TRUE
    return headers.get(b"user-agent", b"").startswith(_PEOPLE)


@remember
def accepts_gzip(header: bytes) -> bool:
    """Tell whether an ``Accept-Encoding`` header names gzip, and does not refuse it."""
    clauses = parse_accept(header.decode("latin-1"))
    return MediaRange("gzip", {}) in clauses
