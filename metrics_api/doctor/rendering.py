"""Findings for people and for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from textwrap import wrap

from metrics_api.doctor.findings import NOT_LOOKED, Finding, Severity, counted, exit_code

_WIDTH = 110
_WELL = "Nothing is wrong"
_WELL_IN_PART = "Nothing is wrong with what could be looked at"
_LONGEST = 2000
_NAMES = {Severity.ERROR: "ERROR", Severity.WARNING: "WARNING", Severity.INFO: "info"}


def as_text(findings: Sequence[Finding]) -> str:
    """Return the findings as paragraphs, and a last line that counts them.

    What others said is printed without what could steer a terminal.
    """
    counts = Counter(finding.severity for finding in findings)
    errors, warnings = counts[Severity.ERROR], counts[Severity.WARNING]
    if errors or warnings:
        verdict = f"{counted(errors, 'error')}, {counted(warnings, 'warning')}"
    else:
        verdict = _WELL_IN_PART if any(each.id.startswith(NOT_LOOKED) for each in findings) else _WELL
    return "\n".join([*(_paragraph(finding) for finding in findings), f"{verdict}."])


def as_json(findings: Sequence[Finding]) -> str:
    """Return ``{"exitCode": n, "findings": [{id, severity, summary, evidence, remedy}]}``, in ASCII."""
    document = {
        "exitCode": exit_code(findings),
        "findings": [
            {
                "id": finding.id,
                "severity": finding.severity.name.lower(),
                "summary": cut(finding.summary),
                "evidence": [cut(line) for line in finding.evidence],
                "remedy": cut(finding.remedy),
            }
            for finding in findings
        ],
    }
    return json.dumps(document, indent=2)


def _paragraph(finding: Finding) -> str:
    lines = [f"{_NAMES[finding.severity]:<8}{plain(finding.summary)}  [{finding.id}]"]
    for text in filter(None, finding.evidence):
        lines += _wrapped(f"- {plain(text)}", indent="        ", hanging="  ")
    if finding.remedy:
        lines += _wrapped(f"> {plain(finding.remedy)}", indent="        ", hanging="  ")
    return "\n".join([*lines, ""])


def _wrapped(text: str, *, indent: str, hanging: str) -> list[str]:
    return wrap(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )


def plain(text: str) -> str:
    """Return a text with everything unprintable escaped, and cut where no message of Kubernetes is as long."""
    text = cut(text)
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


def cut(text: str) -> str:
    """Return a text with at most 2,000 characters and how many there were: what others wrote may be endless."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text)} characters)"
