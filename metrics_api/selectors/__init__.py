"""Label and field selectors: the grammar, the matching and the error texts of the generic API server.

Users read these errors through kubectl, so every text is upstream's. Rules: apimachinery ``pkg/labels`` and
``pkg/fields``, checked against answers of metrics-server v0.9.0 (``tests/data/metrics-server/selector-cases.json``).
"""

from metrics_api.selectors.fields import FieldRequirement, FieldSelector, parse_field_selector
from metrics_api.selectors.labels import LabelRequirement, LabelSelector, parse_label_selector

__all__ = [
    "FieldRequirement",
    "FieldSelector",
    "LabelRequirement",
    "LabelSelector",
    "parse_field_selector",
    "parse_label_selector",
]
