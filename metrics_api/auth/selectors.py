"""What a SubjectAccessReview is told of a request's selectors, for authorizers that allow what is picked and not all.

Rules: apiserver ``plugin/pkg/authorizer/webhook``. A selector only narrows what is asked for, so a requirement that a
review has no word for, or a selector that cannot be read, is left out; the request is then judged as a broader one.
"""

from __future__ import annotations

from typing import Any

from metrics_api.errors import SelectorError
from metrics_api.selectors import parse_field_selector, parse_label_selector

_NO_WORD = ("Gt", "Lt")
"""Label operators that reviews do not know."""


def field_requirements(selector: str) -> list[dict[str, Any]]:
    """Return the requirements of a field selector (``key``, ``operator`` In or NotIn, one value), none for none."""
    try:
        requirements = parse_field_selector(selector).requirements
    except SelectorError:
        return []
    return [
        {"key": one.key, "operator": "In" if one.operator == "=" else "NotIn", "values": [one.value]}
        for one in requirements
        if one.key  # a review without one is refused, and the request would fail for another reason than its own
    ]


def label_requirements(selector: str) -> list[dict[str, Any]]:
    """Return the requirements of a label selector (``key``, ``operator`` and, but for existence, ``values``)."""
    try:
        requirements = parse_label_selector(selector).requirements
    except SelectorError:
        return []
    return [
        {"key": one.key, "operator": one.operator} | ({"values": list(one.values)} if one.values else {})
        for one in requirements
        if one.operator not in _NO_WORD
    ]
