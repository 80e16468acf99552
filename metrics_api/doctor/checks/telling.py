"""Checks that judge by what the server says of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps

from metrics_api.doctor.facts import Facts, Unknown
from metrics_api.doctor.findings import Finding
from metrics_api.reports import StatusReport


def when_told(
    check: Callable[[StatusReport, Facts], Iterator[Finding]],
) -> Callable[[Facts], Iterator[Finding]]:
    """Make a check of one that takes the server's report as well; it finds nothing where the server does not report."""

    @wraps(check)
    def checking(facts: Facts) -> Iterator[Finding]:
        if not isinstance(facts.status, Unknown):
            yield from check(facts.status, facts)

    return checking
