"""What could not be looked at: said, so that no silence is taken for health."""

from __future__ import annotations

from collections.abc import Iterator

from metrics_api.doctor.facts import LOOKED_AT, NOT_ASKED, Facts, Unknown
from metrics_api.doctor.findings import BLIND, Finding, error, info, warning

_DENIED = (401, 403)


def not_looked(facts: Facts) -> Iterator[Finding]:
    """Each thing that was refused or did not answer."""
    missed = [(what, getattr(facts, field)) for field, what in LOOKED_AT.items()]
    unknown = [(what, value) for what, value in missed if isinstance(value, Unknown) and value is not NOT_ASKED]
    yield from _blind(facts)
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


def _blind(facts: Facts) -> Iterator[Finding]:
    """Nothing at all was seen but perhaps the version, which anybody may read: no finding then means nothing."""
    values = [getattr(facts, field) for field in LOOKED_AT if field != "kubernetes"]
    unknown = [value for value in values if isinstance(value, Unknown)]
    asked = [value for value in unknown if value is not NOT_ASKED and not value.follows]
    if len(unknown) < len(values) or not asked:
        return
    what = "nothing of the cluster could be looked at, so nothing is known of its metrics"
    if all(value.code in _DENIED for value in asked):
        yield warning(BLIND, what, asked[0].why, remedy="Ask as somebody who may read the cluster")
    else:
        why = next(value.why for value in asked if value.code not in _DENIED)
        yield error(BLIND, what, why, remedy="See to kube-apiserver, or to what answers in its place")


def part_only(facts: Facts) -> Iterator[Finding]:
    """Lists that were cut."""
    if facts.more_nodes and not isinstance(facts.nodes, Unknown):
        yield info("not-looked-all", f"the cluster has more than {len(facts.nodes)} nodes: only these were looked at")
