"""Which objects a list or watch is for: namespace, name, label selector, field selector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from metrics_api.errors import SelectorError
from metrics_api.localcluster import statuses
from metrics_api.localcluster.requests import Request
from metrics_api.localcluster.resources import Resource
from metrics_api.localcluster.stored import Stored, has_own_fields, selectable_fields
from metrics_api.selectors import FieldSelector, LabelSelector, parse_field_selector, parse_label_selector


@dataclass(frozen=True, slots=True)
class Selection:
    """The question, ready to be put to objects."""

    namespace: str
    """Empty for every namespace."""
    labels: LabelSelector
    fields: FieldSelector

    @property
    def is_everything(self) -> bool:
        """Whether no selector narrows it (the namespace may)."""
        return self.labels.is_empty and self.fields.is_empty

    def matches(self, stored: Stored) -> bool:
        """Whether an object is among those asked for."""
        return (not self.namespace or stored.namespace == self.namespace) and self._selects(stored)

    def filter(self, objects: Sequence[Stored]) -> Sequence[Stored]:
        """Return those of a list that the selectors match; the namespace is not looked at."""
        return objects if self.is_everything else [stored for stored in objects if self._selects(stored)]

    def _selects(self, stored: Stored) -> bool:
        return self.labels.matches(stored.labels) and (self.fields.is_empty or self.fields.matches(stored.fields))


def selection_of(request: Request, resource: Resource) -> Selection:
    """Return what a request asks for.

    Raises:
        StatusError: 400, a selector cannot be understood or names a field that cannot be selected by.
    """
    try:
        labels = parse_label_selector(request.parameter("labelSelector"))
        fields = parse_field_selector(request.parameter("fieldSelector"))
    except SelectorError as error:
        raise statuses.bad_request(str(error)) from error
    known = selectable_fields(resource)
    for requirement in fields.requirements:
        if requirement.key not in known:
            raise _unknown_field(resource, requirement.key)
    namespace = request.attributes.namespace if resource.namespaced else ""
    return Selection(namespace, labels, fields)


def _unknown_field(resource: Resource, field: str) -> Exception:
    if has_own_fields(resource):
        return statuses.bad_request(f"field label not supported: {field}")
    always = '"metadata.name", "metadata.namespace"'
    return statuses.bad_request(f'"{field}" is not a known field selector: only {always}')
