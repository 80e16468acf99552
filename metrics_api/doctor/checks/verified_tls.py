"""The caBundle that a server with ``--verified-tls`` keeps, and a server without it behind that bundle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from metrics_api.doctor.facts import GROUP, Facts, known
from metrics_api.doctor.findings import Finding, Severity
from metrics_api.doctor.objects import ApiService
from metrics_api.doctor.workloads import Container
from metrics_api.objects import WRITTEN
from metrics_api.settings.flag import environment_name

_FLAG = "verified-tls"
_UNDOING = (
    '{"metadata":{"annotations":{"metrics-api/verified-tls":"off"}},'
    '"spec":{"insecureSkipTLSVerify":true,"caBundle":null}}'
)


def left_behind(facts: Facts) -> Iterator[Finding]:
    """An APIService that is still verified by our authority, before a server that no longer shows its certificate."""
    services = {version: each for version, each in (known(facts.api_services) or {}).items() if each is not None}
    verified = {f"{version}.{GROUP}": each for version, each in services.items() if _is_ours(each)}
    where = _without_flag(facts)
    if not verified or where is None:
        return
    broken = any(each.available is not None and each.available.status != "True" for each in verified.values())
    by_hand = "; ".join(f"kubectl patch apiservice {name} --type=merge -p '{_UNDOING}'" for name in verified)
    yield Finding(
        "verified-tls-left",
        Severity.ERROR if broken else Severity.WARNING,
        f"{', '.join(verified)}: kube-apiserver verifies by the authority of --verified-tls; {where} runs without it",
        (
            *(f"{name}: annotation {WRITTEN} says that its caBundle was set by metrics-api" for name in verified),
            "the next certificate that the server shows is not signed by that authority",
        ),
        f"Undo it first: metrics-api verified-tls undo; by hand: {by_hand}. Or give the server --verified-tls again",
    )


def _is_ours(api_service: ApiService) -> bool:
    spec = api_service.spec
    return (
        bool(spec.ca_bundle)
        and not spec.insecure_skip_tls_verify
        and WRITTEN in (api_service.metadata.annotations or {})
    )


def _without_flag(facts: Facts) -> str | None:
    """Return what it is that runs without the flag; ``None`` when it has it, or nothing is known of it."""
    deployment = known(facts.deployment)
    if deployment is not None:
        found = _has_flag(deployment.spec.template.spec.containers or ())
        return None if found else f"Deployment {facts.target.namespace}/{deployment.metadata.name}"
    pods = known(facts.pods)
    if pods:
        without = (pod for pod in pods if not _has_flag(pod.spec.containers or ()))
        return next((f"pod {pod.key}" for pod in without), None)
    status = known(facts.status)
    return "the server" if status is not None and status.flags.get(_FLAG) == "" else None


def _has_flag(containers: Iterable[Container]) -> bool:
    variable = environment_name(_FLAG)
    for container in containers:
        given = container.flag(_FLAG)
        if given is None:
            given = next((each.value for each in container.env or () if each.name == variable), "")
        if given:
            return True
    return False
