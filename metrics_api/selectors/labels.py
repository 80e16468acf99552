"""Label selectors: a grammar of its own, with sets, existence and comparison."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from metrics_api.errors import SelectorError
from metrics_api.gotext import quote
from metrics_api.selectors.bounds import check_bounds
from metrics_api.selectors.labelsyntax import key_faults, value_faults

LabelOperator = Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]

_TOKEN = re.compile(r"[ \t\r\n]*(==|!=|[=!(),<>]|[^ \t\r\n=!(),<>\0]+\0?)")
_MOST_FAULTS = 20  # each is told in some 240 characters, and two of a selector's are enough to make one
_SYMBOLS = frozenset(("==", "!=", "=", "!", "(", ")", ",", "<", ">"))
_END = ""
_OPERATORS = ("in", "notin", "=", "==", "!=", ">", "<")


@dataclass(frozen=True, slots=True, order=True)
class LabelRequirement:
    """One condition on one label, in canonical form: ``a=b`` and ``a in (b)`` are the same requirement."""

    key: str
    operator: LabelOperator
    values: tuple[str, ...] = ()
    """Sorted and distinct; empty for Exists and DoesNotExist, one integer for Gt and Lt."""

    @property
    def is_equality(self) -> bool:
        """True for ``key=value``."""
        return self.operator == "In" and len(self.values) == 1

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether an object with these labels fulfils the condition."""
        value = labels.get(self.key)
        match self.operator:
            case "In":
                return value in self.values
            case "NotIn":
                return value not in self.values
            case "Exists":
                return value is not None
            case "DoesNotExist":
                return value is None
        number = None if value is None else _parse_int64(value)
        bound = _parse_int64(self.values[0])
        if number is None or bound is None:
            return False
        return number > bound if self.operator == "Gt" else number < bound


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """A conjunction of requirements, sorted and distinct, so that equal selectors compare and hash equal."""

    requirements: tuple[LabelRequirement, ...] = ()
    _equalities: tuple[tuple[str, str], ...] = field(init=False, repr=False, compare=False)
    _others: tuple[LabelRequirement, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        canonical = tuple(sorted(set(self.requirements)))
        object.__setattr__(self, "requirements", canonical)
        # Nearly every selector is a Deployment's matchLabels, all `key=value`, and each list tests hundreds of pods.
        equal = tuple((one.key, one.values[0]) for one in canonical if one.is_equality)
        object.__setattr__(self, "_equalities", equal)
        object.__setattr__(self, "_others", tuple(one for one in canonical if not one.is_equality))

    @property
    def is_empty(self) -> bool:
        """True when there is no requirement, so that everything matches."""
        return not self.requirements

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether an object with these labels is selected."""
        for key, value in self._equalities:
            if labels.get(key) != value:
                return False
        # A plain loop: `all()` with a generator costs more than the tests themselves.
        for requirement in self._others:  # noqa: SIM110
            if not requirement.matches(labels):
                return False
        return True


def parse_label_selector(text: str) -> LabelSelector:
    """Return the selector that ``text`` writes; blank text selects everything.

    Raises:
        SelectorError: with the generic API server's message, or for what is too long, which that does not mind.
    """
    check_bounds(text)
    return LabelSelector(tuple(_LabelParser(text).selector()))


class _LabelParser:
    """Recursive descent with one token of lookahead, over all tokens at once."""

    def __init__(self, text: str) -> None:
        self._tokens = _label_tokens(text)
        self._position = 0

    def _peek(self) -> str:
        return self._tokens[self._position]

    def _next(self) -> str:
        word = self._tokens[self._position]
        if word != _END:
            self._position += 1
        return word

    def selector(self) -> Iterable[LabelRequirement]:
        while (word := self._peek()) != _END:
            if not _is_identifier(word) and word != "!":
                raise SelectorError(f"found '{word}', expected: !, identifier, or 'end of string'")
            try:
                requirement = self._requirement()
            except SelectorError as error:
                raise SelectorError(f"unable to parse requirement: {error}") from None
            yield requirement
            word = self._next()
            if word == _END:
                return
            if word != ",":
                raise SelectorError(f"found '{word}', expected: ',' or 'end of string'")
            word = self._peek()
            if not _is_identifier(word) and word != "!":
                raise SelectorError(f"found '{word}', expected: identifier after ','")

    def _requirement(self) -> LabelRequirement:
        key = self._next()
        negated = key == "!"
        if negated:
            key = self._next()
        if not _is_identifier(key):
            raise SelectorError(f"found '{key}', expected: identifier")
        if faults := key_faults(key):
            raise SelectorError(f"<nil>: Invalid value: {quote(key)}: {'; '.join(faults)}")
        if negated:
            return LabelRequirement(key, "DoesNotExist")
        if self._peek() in (_END, ","):
            return LabelRequirement(key, "Exists")
        operator = self._next()
        if operator not in _OPERATORS:
            raise SelectorError(f"found '{operator}', expected: in, notin, =, ==, !=, gt, lt")
        values = self._value_set() if operator in ("in", "notin") else [self._value()]
        return _label_requirement(key, operator, sorted(set(values)))

    def _value(self) -> str:
        if self._peek() in (_END, ","):
            return ""
        word = self._next()
        if not _is_identifier(word):
            raise SelectorError(f"found '{word}', expected: identifier")
        return word

    def _value_set(self) -> list[str]:
        word = self._next()
        if word != "(":
            raise SelectorError(f"found '{word}' expected: '('")
        word = self._peek()
        if word not in (",", ")") and not _is_identifier(word):
            raise SelectorError(f"found '{word}', expected: ',', ')' or identifier")
        # A value may be blank: "()" and "(,)" hold the empty string, "(a,)" holds it too.
        values = [self._next() if _is_identifier(self._peek()) else ""]
        while (word := self._next()) == ",":
            word = self._peek()
            if word not in (",", ")") and not _is_identifier(word):
                raise SelectorError(f"found '{word}', expected: ',', or identifier")
            values.append(self._next() if _is_identifier(word) else "")
        if word != ")":
            raise SelectorError(f"found '{word}', expected: ',' or ')'")
        return values


def _label_tokens(text: str) -> list[str]:
    """Cut a selector into tokens, the last of them ``_END``; a NUL byte ends the text as it does upstream."""
    tokens = []
    position = 0
    while found := _TOKEN.match(text, position):
        tokens.append(found[1].rstrip("\0"))
        position = found.end()
    return [*tokens, _END]


def _is_identifier(word: str) -> bool:
    return word != _END and word not in _SYMBOLS


def _label_requirement(key: str, operator: str, values: list[str]) -> LabelRequirement:
    faults = []
    if operator in ("<", ">") and _parse_int64(values[0]) is None:
        rule = "for 'Gt', 'Lt' operators, the value must be an integer"
        faults.append(f"values[0]: Invalid value: {quote(values[0])}: {rule}")
    for index, value in enumerate(values):
        if broken := value_faults(value):
            if len(faults) == _MOST_FAULTS:
                faults.append("...")
                break
            faults.append(f"values[{index}][{key}]: Invalid value: {quote(value)}: {'; '.join(broken)}")
    if faults:
        raise SelectorError(faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]")
    names: dict[str, LabelOperator] = {">": "Gt", "<": "Lt", "!=": "NotIn", "notin": "NotIn"}
    return LabelRequirement(key, names.get(operator, "In"), tuple(values))


def _parse_int64(text: str) -> int | None:
    found = re.fullmatch(r"([+-]?)0*([0-9]{1,19})", text)
    if found is None:
        return None
    number = int(found[1] + found[2])
    return number if -(2**63) <= number < 2**63 else None
