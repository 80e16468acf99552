"""What is served, and what is lacking, whoever the server is."""

from __future__ import annotations

from collections.abc import Iterator

from metrics_api.doctor.checks.telling import when_told
from metrics_api.doctor.facts import Facts, Unknown, known
from metrics_api.doctor.findings import Finding, counted, error, info, some, warning
from metrics_api.reports import StatusReport

_TRANSIENT = ("first_sample", "not_asked")
_PREFIX = "not found: "


def nodes_missing(facts: Facts) -> Iterator[Finding]:
    """Nodes without metrics, where the server does not say itself how each node stands."""
    served, nodes = known(facts.nodes_with_metrics), known(facts.nodes)
    if served is None or nodes is None or not isinstance(facts.node_reports, Unknown):
        return
    missing = [node for node in nodes if node.metadata.name not in served]
    if missing:
        yield error(
            "node-metrics-missing",
            f"{len(missing)} of {len(nodes)} nodes have no metrics",
            *some([_missing(node.metadata.name, node.ready, facts) for node in missing]),
            remedy="See the server's log for these nodes; metrics-api doctor node NAME says more where the server is "
            "metrics-api",
        )


@when_told
def incomplete(status: StatusReport, facts: Facts) -> Iterator[Finding]:
    """How complete the server's rows are, and why the rest is lacking."""
    for resource, rows in status.rows.items():
        lacking = {reason: count for reason, count in rows.lacking.items() if reason not in _TRANSIENT}
        waiting = sum(count for reason, count in rows.lacking.items() if reason in _TRANSIENT)
        if lacking:
            yield warning(
                f"{resource}-lacking",
                f"{rows.served} of {rows.expected} {resource} have metrics "
                f"({100 * rows.served / max(rows.expected, 1):.1f} %)",
                *(f"{reason}: {count}" for reason, count in sorted(lacking.items(), key=lambda item: -item[1])),
                *_examples(facts, resource),
                remedy="Mend what is said of the nodes; metrics-api doctor pod NAMESPACE/NAME says it of one pod",
            )
        if waiting:
            yield info(
                f"{resource}-expected",
                f"{counted(waiting, resource[:-1])} without metrics yet: they come with the next scrapes",
            )


@when_told
def stale(status: StatusReport, _: Facts) -> Iterator[Finding]:
    """Rows that are old."""
    for resource, rows in status.rows.items():
        if rows.stale:
            yield warning(
                f"{resource}-stale",
                f"{rows.stale} of {rows.served} rows of {resource} are old, the oldest {rows.oldest:.0f} s",
                f"they are served up to --max-metric-age, {status.flags.get('max-metric-age')} s",
                remedy="Mend what is said of the nodes",
            )


@when_told
def dropped(status: StatusReport, _: Facts) -> Iterator[Finding]:
    """Points that could not be used."""
    if status.dropped:
        yield info(
            "points-dropped",
            "some points of kubelets' documents were not used; the rest of them was",
            *(f"{reason}: {count} since the start" for reason, count in sorted(status.dropped.items())),
        )


def _missing(name: str, ready: bool, facts: Facts) -> str:
    said = facts.missing_reasons.get(name, "")
    why = said.partition(_PREFIX)[2] or ("" if ready else "it is NotReady")
    return f"{name}: {why}" if why else name


def _examples(facts: Facts, resource: str) -> tuple[str, ...]:
    if resource != "pods":
        return ()
    found = [
        f"{example.namespace}/{example.name}: {example.why}"
        for report in known(facts.node_reports) or ()
        if report.reason is None and not set(report.lacking) <= set(_TRANSIENT)
        for example in report.examples
    ]
    return some(found) if found else ()
