"""What the server tells of itself at ``/debug/status`` and ``/debug/nodes``: written by ``app``, read by ``doctor``.

In JSON the names are in camel case. Times are Unix seconds, durations seconds; ``null`` is *not known*. Nothing secret
is in it, but names and addresses of a whole cluster are: reading it needs a right of its own.
"""

from __future__ import annotations

import msgspec

STATUS = "status"
NODES = "nodes"
"""The names of both documents: ``/debug/<name>``, and ``/apis/metrics.k8s.io/<version>/debug/<name>`` behind
kube-apiserver."""

SKEWED = 5.0
"""Seconds that a node's clock is from ours before it is told of."""
MOST_REFUSED = 10
"""Refused certificates that are told of."""
MOST_NODES = 500
"""Nodes that one page holds at most."""


class CertificateReport(msgspec.Struct, frozen=True, rename="camel"):
    """One certificate."""

    subject: str
    issuer: str
    not_after: float
    names: tuple[str, ...] = ()
    """DNS names and IP addresses that it is for."""


class WatchReport(msgspec.Struct, frozen=True, rename="camel"):
    """One watched resource."""

    synced: bool
    """Whether a list has been completed."""
    objects: int
    restarts: int
    relists: int
    skipped: int
    """Objects that could not be understood."""
    last_contact: float | None
    fault: str
    """What went wrong since then; empty when nothing did."""


class RowsReport(msgspec.Struct, frozen=True, rename="camel"):
    """The rows of one resource."""

    expected: int
    served: int
    stale: int
    oldest: float
    """Seconds."""
    lacking: dict[str, int]
    """Why rows are lacking -> how many."""


class TrustReport(msgspec.Struct, frozen=True, rename="camel"):
    """Whom the server believes."""

    config_map_found: bool
    front_proxy_authorities: tuple[CertificateReport, ...]
    client_authorities: tuple[CertificateReport, ...]
    allowed_names: tuple[str, ...]
    """Common names that a front proxy may have; empty: any."""
    fault: str
    """Why what is configured is not in force; empty when it is."""
    refused: tuple[str, ...] = ()
    """Some certificates of clients that were refused, or prove less than they seem to, and why."""


class LagReport(msgspec.Struct, frozen=True, rename="camel"):
    """How late the event loop wakes up, since the start; upper bounds in seconds."""

    median: float
    p99: float


class StatusReport(msgspec.Struct, frozen=True, rename="camel"):
    """How the server stands. Of several replicas it is the one that answered."""

    version: str
    instance: str
    """The machine's name; in a cluster, the pod's."""
    time: float
    uptime: float
    flags: dict[str, str | int | float | bool | None]
    """Flags that matter, by name."""
    proxies: tuple[str, ...]
    """Names of proxy variables in the environment. They are not used."""
    unready: dict[str, str]
    """Failing check of ``/readyz`` -> why; empty when ready."""
    watches: dict[str, WatchReport]
    rows: dict[str, RowsReport]
    standings: dict[str, int]
    """``new``, ``ok``, ``retrying``, ``backing_off`` -> nodes."""
    scrapes: dict[str, int]
    """``ok`` or why they failed -> scrapes that ended."""
    dropped: dict[str, int]
    """Why points of kubelets' documents were not used -> how many."""
    answered: dict[str, int]
    """Route -> requests that were answered."""
    trust: TrustReport
    serving_certificate: CertificateReport | None
    """``None`` when its file cannot be read just now."""
    lag: LagReport
    memory: int | None = None
    """Resident bytes of the process; ``None`` where the system does not say."""


class PodReport(msgspec.Struct, frozen=True, rename="camel"):
    """A pod without metrics."""

    namespace: str
    name: str
    why: str


class NodeReport(msgspec.Struct, frozen=True, rename="camel"):
    """One node that is scraped."""

    name: str
    ready: bool | None
    """Its condition Ready; ``None`` when that is Unknown."""
    address: str
    """What was dialled last, ``<ip>:<port>``; empty when nothing was."""
    host: str
    """The node's address behind that; its certificate must name it."""
    endpoint: str | None
    """``summary`` or ``resource``, whichever was answered last."""
    lost: tuple[str, ...]
    """What the resource document does not say and Summary would."""
    served: bool
    failures: int
    """Failed scrapes in a row."""
    recent: int
    """How many of the latest scrapes are remembered."""
    recent_failures: int
    """How many of those failed."""
    reason: str | None
    """The class of the last scrape's fault; ``None`` when it went well."""
    message: str
    since_answer: float | None
    since_asked: float | None
    until_next: float | None
    """``None`` while a scrape is under way."""
    took: float
    """What the last scrape took."""
    deadline: float
    """What the next one is given."""
    sample_age: float | None
    skew: float
    """Our clock minus the node's; positive when the node is behind."""
    pods: int
    """Running pods, as the API server says."""
    pods_served: int
    lacking: dict[str, int]
    """Why pods are lacking -> how many."""
    examples: tuple[PodReport, ...]
    """Some of them."""


class NodesReport(msgspec.Struct, frozen=True, rename="camel"):
    """A page of nodes, by name."""

    items: tuple[NodeReport, ...]
    total: int
    """How many nodes are scraped."""
    continued: str = ""
    """Give it as ``continue`` to get the next page; empty at the end."""
