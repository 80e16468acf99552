"""The Service, and whether anything ready is behind it."""

from __future__ import annotations

from collections.abc import Iterator

from metrics_api.doctor.facts import Facts, Unknown
from metrics_api.doctor.findings import Finding, error, some


def missing(facts: Facts) -> Iterator[Finding]:
    """The Service that the APIService names."""
    if facts.service is None and _claimed(facts):
        yield error(
            "service-missing",
            f"Service {facts.target.namespace}/{facts.target.name} does not exist",
            remedy="Create it, or let spec.service of the APIService name the right one",
        )


def port(facts: Facts) -> Iterator[Finding]:
    """Its port."""
    service, target = facts.service, facts.target
    if service is None or isinstance(service, Unknown) or service.spec.type == "ExternalName":
        return
    ports = [each.port for each in service.spec.ports or ()]
    if target.port not in ports:
        yield error(
            "service-port",
            f"Service {target.namespace}/{target.name} has no port {target.port}, which the APIService names",
            f"its ports: {ports}",
            remedy="Let spec.service.port of the APIService be one of them",
        )


def endpoints(facts: Facts) -> Iterator[Finding]:
    """Its endpoints."""
    service, slices = facts.service, facts.slices
    if service is None or isinstance(service, Unknown) or isinstance(slices, Unknown):
        return
    if service.spec.type == "ExternalName":
        return
    found = [endpoint for each in slices for endpoint in each.endpoints or ()]
    where = f"Service {facts.target.namespace}/{facts.target.name}"
    if not found:
        selector = ",".join(f"{key}={value}" for key, value in (service.spec.selector or {}).items())
        yield error(
            "endpoints-missing",
            f"{where} has no endpoints",
            f"its selector: {selector or 'none'}",
            remedy="Compare the Service's selector with the labels of the server's pods, and see whether they run",
        )
    elif not any(endpoint.ready for endpoint in found):
        yield error(
            "endpoints-not-ready",
            f"none of the {len(found)} endpoints of {where} is ready",
            *some([f"{address}: not ready" for each in found for address in each.addresses or ()]),
            remedy="See why the server's pods are not ready: kubectl describe pod, and what /readyz says in their log",
        )


def _claimed(facts: Facts) -> bool:
    return not isinstance(facts.api_services, Unknown) and any(facts.api_services.values())
