"""Kubelets' requests for serving certificates, which nobody approves by himself, and the server's own certificate."""

from __future__ import annotations

from collections.abc import Iterator

from metrics_api.doctor.checks.telling import when_told
from metrics_api.doctor.facts import Facts, Unknown
from metrics_api.doctor.findings import Finding, counted, error, some, warning
from metrics_api.reports import StatusReport
from metrics_api.timetext import parse_rfc3339

_SIGNER = "kubernetes.io/kubelet-serving"
_SOON = 7 * 86_400.0


def pending(facts: Facts) -> Iterator[Finding]:
    """Requests that wait."""
    if isinstance(facts.signing_requests, Unknown):
        return
    found = [each for each in facts.signing_requests if each.spec.signer_name == _SIGNER and each.pending]
    if found:
        found.sort(key=lambda each: each.metadata.creation_timestamp)
        names = [each.metadata.name for each in found]
        yield error(
            "csr-pending",
            f"{counted(len(found), 'request')} for a kubelet's serving certificate Pending, the oldest "
            f"{_age(found[0].metadata.creation_timestamp, facts.now)}",
            *some([f"{each.metadata.name}: {each.spec.username}" for each in found]),
            remedy=f"Nothing approves them by itself. kubectl certificate approve {' '.join(names[:5])}"
            + (" …" if len(names) > 5 else ""),
        )


@when_told
def own(status: StatusReport, _: Facts) -> Iterator[Finding]:
    """The server's serving certificate."""
    if status.serving_certificate is None:
        return
    certificate = status.serving_certificate
    left = certificate.not_after - status.time
    if left <= 0:
        yield error(
            "serving-certificate-expired",
            "the server's serving certificate has expired",
            f"{certificate.subject}, issued by {certificate.issuer}",
            remedy="Renew it; the server reads new files within a minute. A self-signed one is renewed by a restart",
        )
    elif left < _SOON:
        yield warning(
            "serving-certificate-expiring",
            f"the server's serving certificate expires in {left / 86_400:.1f} days",
            f"{certificate.subject}, issued by {certificate.issuer}",
            remedy="Renew it; the server reads new files within a minute. A self-signed one is renewed by a restart",
        )


def _age(created: str, now: float) -> str:
    try:
        seconds = now - parse_rfc3339(created)
    except ValueError:
        return "of unknown age"
    return f"{seconds / 3600:.0f} h old" if seconds >= 3600 else f"{max(seconds, 0) / 60:.0f} min old"
