"""What could not be looked at: said, so that no silence is taken for health."""

from __future__ import annotations

from collections.abc import Iterator

from metrics_api.doctor.facts import LOOKED_AT, NOT_ASKED, Facts, Unknown
from metrics_api.doctor.findings import Finding, info

_DENIED = (401, 403)


def not_looked(facts: Facts) -> Iterator[Finding]:
    """Each thing that was refused or did not answer."""
    missed = [(what, getattr(facts, field)) for field, what in LOOKED_AT.items()]
    unknown = [(what, value) for what, value in missed if isinstance(value, Unknown) and value is not NOT_ASKED]
    refused = [what for what, value in unknown if value.code in _DENIED]
    if refused:
        yield info(
            "not-looked-forbidden",
            f"could not look at {', '.join(refused)}: you may not",
            *(value.why for what, value in unknown if what in refused),
            remedy="Ask as somebody who may read them",
        )
    for what, value in unknown:
        if value.code not in (*_DENIED, 404) and not value.follows:
            yield info("not-looked-failed", f"could not look at {what}", value.why)


def part_only(facts: Facts) -> Iterator[Finding]:
    """Lists that were cut."""
    if facts.more_nodes and not isinstance(facts.nodes, Unknown):
        yield info("not-looked-all", f"the cluster has more than {len(facts.nodes)} nodes: only these were looked at")
