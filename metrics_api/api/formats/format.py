"""The names of what an answer can be written in."""

from __future__ import annotations

from typing import NamedTuple

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
MEDIA_TYPES = (JSON, YAML, PROTOBUF)
"""A wildcard means the first of them that can carry what is asked for."""

META_GROUP = "meta.k8s.io"
META_VERSIONS = ("v1", "v1beta1")
TABLE = "Table"
PARTIAL = "PartialObjectMetadata"
PARTIAL_LIST = "PartialObjectMetadataList"


class Format(NamedTuple):
    """How one answer is to be written."""

    media_type: str
    """One of ``MEDIA_TYPES``."""
    pretty: bool = False
    """Indented; only with JSON."""
    kind: str = ""
    """``Table``, ``PartialObjectMetadata`` or ``PartialObjectMetadataList``; empty for the objects as they are."""
    version: str = ""
    """Of that kind's group, ``meta.k8s.io``; empty without a kind."""
    include_object: str = ""
    """``Metadata``, ``Object`` or ``None``: what comes with a row of a Table; empty without one."""
