"""What is kept of one node: its history and row, its clock, and pods that only its kubelet has spoken of so far."""

from __future__ import annotations

import logging
import math

import msgspec

from metrics_api.model import ContainerUsage, NodeInfo, NodeSamples, PodKey, Row, Usage
from metrics_api.store.history import NO_HISTORY, History
from metrics_api.store.pods import PodHistory
from metrics_api.store.usage import NODE_RATE_WINDOW, Span, Terms, most_cpu, most_memory

_log = logging.getLogger(__name__)
FUTURE_TOLERANCE = 60.0
"""Seconds by which a sample may lie ahead of its node's clock."""
_NOTABLE_SKEW = 10.0
"""Seconds from which a node's clock is spoken of: an autoscaler compares served times with those of others."""
GAP_SLACK = 45.0  # the longest spacing of an idle container's samples and half as much again
_END_OF_TIME = 253402300799.0  # 9999-12-31T23:59:59Z, the last that can be written
_LEAST_STRANGERS = 1000


class Node(msgspec.Struct, gc=False):
    """The state of a node that the API server knows."""

    info: NodeInfo
    selected: bool
    history: History = NO_HISTORY
    row: Row | None = None
    row_expiry: float = 0.0
    """Added to the row's time, it gives the monotonic moment after which the row is too old."""
    expiry: float = 0.0
    """The same for what the latest scrape said."""
    skew: float = 0.0
    """Our wall clock minus the node's, by what its answers' ``Date`` allows."""
    dated: bool = False
    """Whether an answer had a ``Date``; else nothing is known of the node's clock."""
    astray: bool = False
    """Whether it has been said that the node's clock is wrong."""
    first_due: float = math.inf
    """No row of the node or its pods gets too old before this monotonic moment has passed."""
    strangers: dict[str | PodKey, PodHistory] = {}
    """Pods of the latest scrape that the API server has not told us of: by uid, or by name where no uid is given."""
    inherited: set[str] = set()
    """What was taken over from another replica and not sampled here since: uids of pods, and the node's own."""

    @property
    def metadata(self) -> tuple[str, str, dict[str, str]]:
        """An empty namespace, name and labels."""
        return "", self.info.name, self.info.labels

    @property
    def most_strangers(self) -> int:
        """How many unknown pods are kept: the limit within which the answer itself is read."""
        return max(2 * (self.info.max_pods or 0), _LEAST_STRANGERS)


def estimate_skew(previous: float, samples: NodeSamples) -> float:
    """Return our clock minus the node's, in seconds.

    The ``Date`` of an answer was written between our asking and our receiving, and has whole seconds: that bounds the
    skew, and the previous estimate is moved no further than into the bounds. Without ``Date`` only a sample from the
    future tells anything, and no more than a minute of it is believed: the sample may be broken.
    """
    if samples.unstamped:
        return 0.0
    date = _date(samples)
    if date is not None:
        return min(max(previous, samples.requested - date - 1), samples.received - date)
    times = [sample.time for pod in samples.pods for sample in pod.containers.values()]
    if samples.node is not None:
        times.append(samples.node.time)
    ahead = max((time for time in times if time < math.inf), default=0.0) + previous - samples.received
    return previous - min(max(ahead, 0.0), FUTURE_TOLERANCE)


def _date(samples: NodeSamples) -> float | None:
    date = samples.server_time
    return date if date is not None and 0 <= date <= _END_OF_TIME else None


def terms_of(node: Node, samples: NodeSamples, *, monotonic: float, period: float, max_age: float) -> Terms:
    """Take a scrape's word on the node's clock, and return the terms for the containers in it."""
    skew = estimate_skew(node.skew, samples)
    if _date(samples) is not None:
        node.skew = skew  # an estimate by samples alone is not kept: told again and again, a lie would become true
        node.dated = True
        if (abs(skew) > _NOTABLE_SKEW) is not node.astray:
            _tell_skew(node)
    here = samples.received - skew
    node.expiry = monotonic - here + max_age
    return Terms(
        most_cpu=most_cpu(node.info),
        most_memory=most_memory(node.info),
        period=period,
        gap=period + GAP_SLACK,
        longest=5 * period + 30,
        span=span_of(node, monotonic=monotonic, max_age=max_age),
        monotonic=math.ceil(monotonic),
        step=samples.time_step,
        stamped=not samples.unstamped,
    )


def _tell_skew(node: Node) -> None:
    """Say that a node's clock has gone astray, or is right again by half of what made it so."""
    if node.astray and abs(node.skew) > _NOTABLE_SKEW / 2:
        return
    node.astray = not node.astray
    fields = {"node": node.info.name, "seconds_ahead": round(-node.skew)}
    if node.astray:
        _log.warning(
            "A node's clock differs from ours: ages are measured here, served times are the node's",
            extra={"fields": fields},
        )
    else:
        _log.info("A node's clock agrees with ours again", extra={"fields": fields})


def span_of(node: Node, *, monotonic: float, max_age: float) -> Span:
    """Return the times of samples that may be served, by what the node's latest scrape said of its clock."""
    oldest = monotonic - node.expiry
    return Span(max(oldest, 0.0), min(oldest + max_age + FUTURE_TOLERANCE, _END_OF_TIME))


def node_terms(node: Node, terms: Terms) -> Terms:
    """Return the terms for the node's own sample."""
    return msgspec.structs.replace(
        terms, rate_window=NODE_RATE_WINDOW, least_memory=1, counts=node.info.operating_system != "windows"
    )


def node_usage(history: History, span: Span) -> Usage | None:
    """Return what is served for a node, ``None`` when its latest sample gave no usage or lies out of ``span``."""
    if history.lack or not span.oldest <= history.time <= span.newest:
        return None
    return Usage(history.time, history.window_ms / 1000, (ContainerUsage("", history.cpu, history.memory),))
