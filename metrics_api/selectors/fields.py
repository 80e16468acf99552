"""Field selectors: ``key=value`` on the few fields that a resource offers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from metrics_api.errors import SelectorError
from metrics_api.gotext import quote
from metrics_api.selectors.bounds import check_bounds

FieldOperator = Literal["=", "!="]


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    """One condition on one field, unescaped."""

    key: str
    operator: FieldOperator
    value: str


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """A conjunction of requirements, in upstream's order: sorted by the text of the terms."""

    requirements: tuple[FieldRequirement, ...] = ()

    @property
    def is_empty(self) -> bool:
        """True when there is no requirement, so that everything matches."""
        return not self.requirements

    def require_supported(self, *keys: str) -> None:
        """Check that only these fields are asked for.

        Raises:
            SelectorError: naming the first that is not, and all that are.
        """
        for requirement in self.requirements:
            if requirement.key not in keys:
                known = ", ".join(map(quote, keys))
                raise SelectorError(f"{quote(requirement.key)} is not a known field selector: only {known}")

    def exact(self, key: str) -> str | None:
        """Return the value that ``key`` must equal, ``None`` when the selector does not say."""
        return next((one.value for one in self.requirements if one.key == key and one.operator == "="), None)

    def matches(self, fields: Mapping[str, str]) -> bool:
        """Tell whether an object with these fields is selected; a field it lacks is the empty string."""
        return all((fields.get(one.key, "") == one.value) == (one.operator == "=") for one in self.requirements)


def parse_field_selector(text: str) -> FieldSelector:
    r"""Return the selector that ``text`` writes: ``key=value``, ``==`` or ``!=``, joined by commas, escaped with ``\``.

    A term of an operator alone, such as ``=``, says nothing, as upstream.
    Which keys make sense is the resource's business: see ``FieldSelector.require_supported``.

    Raises:
        SelectorError: with the generic API server's message, or for what is too long, which that does not mind.
    """
    check_bounds(text)
    requirements = (_field_requirement(text, term) for term in sorted(_field_terms(text)) if term)
    return FieldSelector(tuple(one for one in requirements if one.key or one.value))


def _field_terms(text: str) -> list[str]:
    r"""Split at the commas that no ``\`` precedes."""
    return re.findall(r"(?:^|,)((?:\\.|\\\Z|[^\\,])*)", text, re.DOTALL)


def _field_requirement(selector: str, term: str) -> FieldRequirement:
    found = re.search(r"!=|==|=", term)
    if found is None:
        raise SelectorError(f"invalid selector: '{selector}'; can't understand '{term}'")
    operator: FieldOperator = "!=" if found[0] == "!=" else "="
    return FieldRequirement(term[: found.start()], operator, _unescape(term[found.end() :]))


def _unescape(text: str) -> str:
    for escaped in re.finditer(r"\\(.?)|([,=])", text, re.DOTALL):
        if escaped[2]:
            raise SelectorError(f"invalid field selector: unescaped character in value: {ord(escaped[2])}")
        if escaped[1] not in ("\\", ",", "=") or not escaped[1]:
            raise SelectorError(f"invalid field selector: invalid escape sequence: \\{escaped[1]}")
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
