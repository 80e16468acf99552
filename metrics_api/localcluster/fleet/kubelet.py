"""One simulated kubelet: which document answers which request, and which requests are refused.

Texts and codes are those of the kubelet's server (go-restful for ``/stats``, promhttp for ``/metrics/resource``).
"""

from __future__ import annotations

import gzip
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from metrics_api.clock import Clock
from metrics_api.localcluster.fleet.authorization import Authorizer, Forbidden, Subject
from metrics_api.localcluster.fleet.behaviour import Behaviour, forbidden
from metrics_api.localcluster.fleet.exchange import Answer, Exchange, Request
from metrics_api.localcluster.fleet.inventory import FleetNode
from metrics_api.localcluster.fleet.resource import ResourceWriter
from metrics_api.localcluster.fleet.summary import SummaryWriter

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
_SUMMARY_METHODS = ("GET", "POST")
_GZIP_LEVEL = 1  # Go's default is slower and ten percent smaller; many kubelets share one core here


@dataclass(slots=True)
class Counts:
    """What one kubelet has seen."""

    connections: int = 0
    """TLS connections made."""
    received: Counter[str] = field(default_factory=Counter)
    """Path -> requests, answered or not."""
    answered: Counter[tuple[str, int]] = field(default_factory=Counter)
    """(Path, status) -> answers."""


class Kubelet:
    """Answers for one node.

    Args:
        node: Whose.
        summary: Writes ``/stats/summary``.
        resource: Writes ``/metrics/resource``.
        authorizer: Asked before anything else.
        clock: The time of the documents.
    """

    def __init__(
        self,
        node: FleetNode,
        *,
        summary: SummaryWriter,
        resource: ResourceWriter,
        authorizer: Authorizer,
        clock: Clock,
    ) -> None:
        self.node = node
        self.counts = Counts()
        self.behaviour: Behaviour | None = None
        """What goes wrong here; ``None`` when nothing does."""
        self._summary = summary
        self._resource = resource
        self._authorizer = authorizer
        self.clock = clock

    async def serve(self, exchange: Exchange) -> None:
        """Answer one request, or do what the behaviour does instead."""
        self.counts.received[exchange.request.path] += 1
        if self.behaviour is not None:
            await self.behaviour.serve(exchange)
        else:
            await exchange.send(await exchange.answer())

    async def answer(self, request: Request, certificate_subject: Subject | None) -> Answer:
        """Return what a healthy kubelet answers; authorization comes first, even for paths that are not there."""
        subresource = request.subresource
        decision = await self._authorizer.allows(request.token, certificate_subject, self.node.name, subresource)
        if isinstance(decision, Forbidden):
            return forbidden(decision.user, request.method, subresource)
        if decision != "ok":
            return Answer(401, b"Unauthorized")
        match request.path.removesuffix("/"):
            case "/stats/summary":
                return self._stats_summary(request)
            case "/metrics/resource":
                return self._metrics_resource(request)
            case "/healthz":
                return Answer(200, b"ok")
        return Answer(404, b"404: Page Not Found")

    def _stats_summary(self, request: Request) -> Answer:
        if request.method not in _SUMMARY_METHODS:
            allow = ("Allow", ", ".join(_SUMMARY_METHODS))
            return Answer(405, b"405: Method Not Allowed", headers=(allow,))
        if not _accepts_json(request.accept):
            return Answer(406, b"406: Not Acceptable\n\nAvailable representations: application/json")
        document = self._summary.document(self.clock.now(), full=not _only_cpu_and_memory(request.query))
        return Answer(200, document, "application/json", streamed=True)

    def _metrics_resource(self, request: Request) -> Answer:
        body = self._resource.document(self.clock.now())
        headers = [("Process-Start-Time-Unix", f"{self.node.created:.0f}")]
        if _accepts_gzip(request.accept_encoding):
            headers.append(("Content-Encoding", "gzip"))
            body = gzip.compress(body, _GZIP_LEVEL, mtime=0)
        return Answer(200, body, _METRICS_TYPE, headers, streamed=True)


def _accepts_json(accept: str | None) -> bool:
    return accept is None or any(
        media.partition(";")[0].strip() in ("application/json", "*/*") for media in accept.split(",")
    )


def _accepts_gzip(accept_encoding: str) -> bool:
    codings = [coding.partition(";") for coding in accept_encoding.split(",")]
    return any(name.strip() == "gzip" and parameter.strip() != "q=0" for name, _, parameter in codings)


def _only_cpu_and_memory(query: str) -> bool:
    """Return whether the parameter is given once and is exactly ``true``; everything else means the full document."""
    if query == "only_cpu_and_memory=true":
        return True
    return parse_qs(query, keep_blank_values=True).get("only_cpu_and_memory") == ["true"]
