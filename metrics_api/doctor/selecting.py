"""Label selectors of objects (``matchLabels``, ``matchExpressions``): a dozen objects at a time, so plainly."""

from __future__ import annotations

from collections.abc import Mapping

from metrics_api.doctor.objects import LabelRequirement, LabelSelector


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Return whether labels match; an empty selector matches all."""
    return (selector.match_labels or {}).items() <= labels.items() and all(
        _meets(each, labels) for each in selector.match_expressions or ()
    )


def selector_text(selector: LabelSelector) -> str:
    """Return a selector as a query parameter takes it."""
    parts = [f"{key}={value}" for key, value in (selector.match_labels or {}).items()]
    for each in selector.match_expressions or ():
        values = ",".join(each.values or ())
        words = {
            "In": f"{each.key} in ({values})",
            "NotIn": f"{each.key} notin ({values})",
            "Exists": each.key,
            "DoesNotExist": f"!{each.key}",
        }
        parts.append(words.get(each.operator, ""))
    return ",".join(part for part in parts if part)


def _meets(requirement: LabelRequirement, labels: Mapping[str, str]) -> bool:
    present, values = requirement.key in labels, requirement.values or ()
    match requirement.operator:
        case "In":
            return present and labels[requirement.key] in values
        case "NotIn":
            return not present or labels[requirement.key] not in values
        case "Exists":
            return present
        case "DoesNotExist":
            return not present
    return False
