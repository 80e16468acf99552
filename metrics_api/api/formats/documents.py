"""Small documents of any format: Status and discovery."""

from __future__ import annotations

from typing import Any

from metrics_api.api.formats import json_text, messages, yaml_text
from metrics_api.api.formats.format import PROTOBUF, YAML, Format


def encode_document(document: dict[str, Any], wanted: Format) -> bytes:
    """Return a document as the body of an answer.

    Args:
        document: As JSON has it, with its keys in order. As protobuf only what ``messages`` knows can be written.
        wanted: Of which the media type matters, and ``pretty``.
    """
    if wanted.media_type == PROTOBUF:
        return messages.encode(document)
    if wanted.media_type == YAML:
        return yaml_text.document(document)
    return json_text.indented(document) if wanted.pretty else json_text.compact(document)
