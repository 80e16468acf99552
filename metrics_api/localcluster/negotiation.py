"""In which form a client wants its answer: the Accept header of Kubernetes' clients.

Protobuf is not made here: every client that asks for it accepts JSON as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from metrics_api.localcluster import statuses

MEDIA_TYPES = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
"""What objects can be encoded in, as Kubernetes' messages name it."""

_STREAMED = ", application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
_JSON = ("application/json", "*/*")
_YAML = "application/yaml"


class Shape(Enum):
    """What is made of the stored object."""

    OBJECT = "the object"
    METADATA = "PartialObjectMetadata"
    TABLE = "Table"


class Call(Enum):
    """What kind of call it is, which decides what may be asked for."""

    ONE = "PartialObjectMetadata"
    LIST = "PartialObjectMetadataList"
    DISCOVERY = "nothing but the document itself"


@dataclass(frozen=True, slots=True)
class Format:
    """What was agreed on."""

    shape: Shape = Shape.OBJECT
    yaml: bool = False
    version: str = "v1"
    """Of ``meta.k8s.io``, for Table and PartialObjectMetadata."""


@dataclass(frozen=True, slots=True)
class _Clause:
    media_type: str
    parameters: dict[str, str]


@lru_cache(maxsize=256)
def clauses(accept: str) -> tuple[_Clause, ...]:
    """Return the clauses of an Accept header, best first; a missing header accepts everything."""
    weighted = []
    for part in (accept or "*/*").split(","):
        media_type, *rest = (piece.strip() for piece in part.split(";"))
        parameters = {key.strip(): value.strip() for key, _, value in (piece.partition("=") for piece in rest)}
        weighted.append((_quality(parameters.pop("q", "1")), _Clause(media_type.lower(), parameters)))
    weighted.sort(key=lambda pair: -pair[0])
    return tuple(clause for _, clause in weighted)  # Kubernetes takes what has the weight 0, too, as the last


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0


def negotiate(accept: str, call: Call) -> Format:
    """Return the first form the client accepts and the call can be answered in.

    Raises:
        StatusError: 406.
    """
    understood = False
    for clause in clauses(accept):
        if clause.media_type not in (*_JSON, _YAML):
            continue
        understood = True
        shape = _shape(clause.parameters, call)
        if shape is not None:
            return Format(shape, clause.media_type == _YAML, clause.parameters.get("v", "v1"))
    if understood:
        raise statuses.not_acceptable(MEDIA_TYPES)
    raise statuses.no_representation(MEDIA_TYPES + (_STREAMED if call is Call.LIST else ""))


def _shape(parameters: dict[str, str], call: Call) -> Shape | None:
    wanted = parameters.get("as")
    if wanted is None:
        return Shape.OBJECT
    if call is Call.DISCOVERY:
        return None
    if parameters.get("g") != "meta.k8s.io" or parameters.get("v") not in ("v1", "v1beta1"):
        return None
    if wanted == "Table":
        return Shape.TABLE
    return Shape.METADATA if wanted == call.value else None


def negotiate_discovery(accept: str, *, offered: bool = True) -> Format | None:
    """Return in which form discovery is to be the old document, ``None`` when it is to be the aggregated one.

    Args:
        accept: What the client accepts.
        offered: Whether there is an aggregated one.

    Raises:
        StatusError: 406, neither is accepted.
    """
    for clause in clauses(accept):
        if clause.media_type not in (*_JSON, "application/*", _YAML):
            continue
        wanted = clause.parameters
        if "as" not in wanted:
            return Format(yaml=clause.media_type == _YAML)
        if offered and wanted == {**wanted, "g": "apidiscovery.k8s.io", "v": "v2", "as": "APIGroupDiscoveryList"}:
            return None
    raise statuses.not_acceptable(MEDIA_TYPES)


def accepts_json(accept: str) -> bool:
    """Whether plain JSON is among what a client accepts."""
    return any(clause.media_type in _JSON for clause in clauses(accept))
