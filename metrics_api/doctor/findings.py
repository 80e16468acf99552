"""What the doctor finds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum

import msgspec

EXIT_UNAVAILABLE = 69  # EX_UNAVAILABLE of sysexits.h
NOT_LOOKED = "not-looked-"
"""What the ids of findings begin with that say what was not seen."""
BLIND = f"{NOT_LOOKED}blind"
"""The finding that nothing could be looked at; an error where that is no matter of rights."""


class Severity(IntEnum):
    """How bad a finding is; the exit code of a run is that of its worst."""

    INFO = 0
    """Worth knowing."""
    WARNING = 1
    """Metrics come, but not all, not fresh, or not safely; or they will cease to."""
    ERROR = 2
    """Metrics that are wanted do not come."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that was found."""

    id: str
    """Stable, for scripts and for looking it up in ``docs/troubleshooting.md``."""
    severity: Severity
    summary: str
    """One line."""
    evidence: tuple[str, ...] = ()
    """What was seen, a line each, in the words of whoever said it."""
    remedy: str = ""
    """What to do; empty when there is nothing to do."""


def error(id_: str, summary: str, *evidence: str, remedy: str) -> Finding:
    """Return a finding of metrics that do not come."""
    return Finding(id_, Severity.ERROR, summary, evidence, remedy)


def warning(id_: str, summary: str, *evidence: str, remedy: str) -> Finding:
    """Return a finding of what is not as it should be."""
    return Finding(id_, Severity.WARNING, summary, evidence, remedy)


def info(id_: str, summary: str, *evidence: str, remedy: str = "") -> Finding:
    """Return a finding that is worth knowing."""
    return Finding(id_, Severity.INFO, summary, evidence, remedy)


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings by severity; those of one severity as they came, which is from the outside in."""
    return sorted(findings, key=lambda finding: -finding.severity)


def exit_code(findings: Sequence[Finding]) -> int:
    """Return 0, 1 or 2: the worst severity, 0 when nothing was found; 69 when every request to the cluster failed."""
    if any(finding.id == BLIND and finding.severity is Severity.ERROR for finding in findings):
        return EXIT_UNAVAILABLE
    return max((int(finding.severity) for finding in findings), default=0)


def some(texts: Sequence[str], most: int = 3) -> tuple[str, ...]:
    """Return the first texts, and how many more there are: evidence stays readable in a large cluster."""
    rest = len(texts) - most
    return (*texts[:most], f"… and {rest} more") if rest > 0 else tuple(texts)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural where it is one."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
