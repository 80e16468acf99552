"""The grammar of flags that Kubernetes' programs share: which words of a command line are flags, and with what value.

Rules: github.com/spf13/pflag ``flag.go`` (``parseArgs``, ``parseLongArg``, ``parseShortArg``) and component-base
``WordSepNormalizeFunc``, which reads ``_`` in a name as ``-``. Unlike there, reading goes on after a fault, so that
all of them can be told at once. Values are only found here; what they mean is the business of ``kinds``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from metrics_api.settings.quoting import cut, one_line, quote


class Grammar(NamedTuple):
    """What must be known of a flag to find its value."""

    is_boolean: Mapping[str, bool]
    """Long name -> whether the flag stands for ``true`` without a value, and never takes the next argument."""
    shorthands: Mapping[str, str]
    """Letter -> long name."""


class Occurrence(NamedTuple):
    """One use of a flag."""

    name: str
    """The long name, with dashes."""
    value: str
    """As written; ``true`` for a boolean without a value."""
    where: str
    """Where it was written, for messages: ``"-l, --node-selector" flag``."""


class Reading(NamedTuple):
    """A whole command line."""

    occurrences: list[Occurrence]
    faults: list[str]


def normalize(name: str) -> str:
    """Return a flag's name with dashes for underscores."""
    return name.replace("_", "-")


def suggest(name: str, known: Mapping[str, object]) -> str:
    """Return the known name that looks most like ``name``, empty when none does."""
    return next(iter(get_close_matches(cut(name), known, n=1)), "")


def read_arguments(arguments: Sequence[str], grammar: Grammar) -> Reading:
    """Return every flag in ``arguments`` with its value, and a sentence for whatever is none."""
    reader = _Reader(arguments, grammar)
    reader.read()
    return Reading(reader.occurrences, reader.faults)


class _Reader:
    def __init__(self, arguments: Sequence[str], grammar: Grammar) -> None:
        self._rest = deque(arguments)
        self._grammar = grammar
        self._letters = {name: letter for letter, name in grammar.shorthands.items()}
        self.occurrences: list[Occurrence] = []
        self.faults: list[str] = []

    def read(self) -> None:
        while self._rest:
            argument = self._rest.popleft()
            if argument == "--":
                self._refuse_positional(*self._rest)
                return
            if argument.startswith("--"):
                self._read_long(argument)
            elif argument.startswith("-") and argument != "-":
                self._read_short(argument)
            else:
                self._refuse_positional(argument)

    def _refuse_positional(self, *arguments: str) -> None:
        self.faults += [
            f"unexpected argument {quote(argument)}: only flags are taken (a boolean's value is written --flag=false)"
            for argument in arguments
        ]

    def _read_long(self, argument: str) -> None:
        written, equals, value = argument[2:].partition("=")
        if not written or written.startswith("-"):
            self.faults.append(f"bad flag syntax: {one_line(argument)}")
            return
        name = normalize(written)
        if name not in self._grammar.is_boolean:
            self._refuse_unknown(written, has_value=bool(equals))
        elif equals:
            self._add(name, value)
        elif self._grammar.is_boolean[name]:
            self._add(name, "true")
        elif self._rest:
            self._add(name, self._rest.popleft())
        else:
            self.faults.append(f"flag needs an argument: --{name}")

    def _refuse_unknown(self, written: str, *, has_value: bool) -> None:
        head = written.split()[0] if written.split() else written
        nearest = suggest(normalize(head), self._grammar.is_boolean)
        hint = ""
        if nearest and nearest == normalize(head):
            hint = f" (there is a space in this argument: write --{nearest}=VALUE, or two arguments)"
        elif nearest:
            hint = f" (did you mean --{nearest}?)"
        self.faults.append(f"unknown flag: --{one_line(written)}{hint}")
        # What follows is most likely the value; it would only be a second fault for the same mistake.
        if not has_value and self._rest and not self._rest[0].startswith("-"):
            self._rest.popleft()

    def _read_short(self, argument: str) -> None:
        letters = argument[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            name = self._grammar.shorthands.get(letter)
            if name is None:
                self.faults.append(f"unknown shorthand flag: {one_line(repr(letter))} in {one_line(argument)}")
                return
            if len(letters) > 1 and letters[0] == "=":
                self._add(name, letters[1:])
                return
            if self._grammar.is_boolean[name]:
                self._add(name, "true")
                continue
            if letters:
                self._add(name, letters)
            elif self._rest:
                self._add(name, self._rest.popleft())
            else:
                self.faults.append(f"flag needs an argument: {letter!r} in {one_line(argument)}")
            return

    def _add(self, name: str, value: str) -> None:
        letter = self._letters.get(name)
        label = f"-{letter}, --{name}" if letter else f"--{name}"
        self.occurrences.append(Occurrence(name, value, f'"{label}" flag'))
