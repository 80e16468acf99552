"""Before anything is installed or replaced: is the cluster ready for it, and whose is the API now?"""

from __future__ import annotations

from collections.abc import Iterator

from metrics_api.doctor.checks import api_services
from metrics_api.doctor.facts import GROUP, Facts, Unknown, known
from metrics_api.doctor.findings import Finding, Severity, error, info, some, warning

_SIGNER = "kubernetes.io/kubelet-serving"
_INSTALLED_TYPES = ("InternalIP", "ExternalIP", "Hostname")


def owner(facts: Facts) -> Iterator[Finding]:
    """Whose the API is, which an installation takes over."""
    if isinstance(facts.api_services, Unknown):
        return
    claimed = {version: each for version, each in facts.api_services.items() if each is not None}
    if not claimed:
        yield info("preflight-free", f"nobody serves {GROUP}: the way is free")
        return
    yield from api_services.owner(facts)
    ours = [each.spec.service for each in claimed.values() if each.spec.service is not None]
    if any((each.namespace, each.name) != ("kube-system", "metrics-server") for each in ours):
        yield warning(
            "preflight-taken",
            f"{GROUP} belongs to another Service than kube-system/metrics-server, which the manifests have",
            *(f"{each.namespace}/{each.name}" for each in dict.fromkeys(ours)),
            remedy="Applying the manifests points the APIService to the new server; uninstalling the other one later "
            "may delete it. Take it out of the other's release first (docs/migration.md)",
        )
    if "v1" in claimed:
        yield info(
            "preflight-v1",
            f"there is an APIService v1.{GROUP}: going back to metrics-server means deleting it first",
        )


def rights(facts: Facts) -> Iterator[Finding]:
    """Whether who asks may install."""
    if isinstance(facts.own_rights, Unknown):
        return
    lacking = [str(right) for right, allowed in facts.own_rights.items() if not allowed]
    if lacking:
        yield error(
            "preflight-rights",
            "you may not create all that the manifests have",
            *(f"may not {right}" for right in lacking),
            remedy="Install as an administrator of the cluster",
        )


def service_account(facts: Facts) -> Iterator[Finding]:
    """Rights that the manifests bring."""
    if isinstance(facts.rights, Unknown):
        return
    lacking = [str(right) for right, allowed in facts.rights.items() if not allowed]
    if lacking:
        yield info(
            "preflight-rbac",
            "the manifests bring rights that the service account does not have yet",
            *lacking,
        )


def kubelet_certificates(facts: Facts) -> Iterator[Finding]:
    """Whether kubelets have certificates that can be verified."""
    if isinstance(facts.signing_requests, Unknown) or isinstance(facts.nodes, Unknown):
        return
    issued = [each for each in facts.signing_requests if each.spec.signer_name == _SIGNER and each.status.certificate]
    if not issued and facts.nodes:
        yield warning(
            "preflight-kubelet-certificates",
            "no approved request for a kubelet's serving certificate is to be seen: kubelets may sign their own",
            "requests are kept for an hour after they are approved, so an older cluster may still be well",
            remedy="Set serverTLSBootstrap: true in the kubelets' configuration and approve their requests; or install "
            "with --kubelet-certificate-authority; or with --kubelet-tls-verify=node-name where certificates lack "
            "addresses, =pin where kubelets sign their own. --kubelet-insecure-tls is for tests",
        )


def addresses(facts: Facts) -> Iterator[Finding]:
    """Whether every node has an address of a type that is asked for."""
    nodes = known(facts.nodes)
    if nodes is None:
        return
    without = [
        f"{node.metadata.name}: {', '.join(sorted({each.type for each in node.status.addresses or ()})) or 'none'}"
        for node in nodes
        if not any(each.type in _INSTALLED_TYPES for each in node.status.addresses or ())
    ]
    if without:
        yield Finding(
            "preflight-addresses",
            Severity.WARNING,
            f"{len(without)} of {len(nodes)} nodes have no address of type {', '.join(_INSTALLED_TYPES)}",
            some(without),
            "Name their types in --kubelet-preferred-address-types",
        )


def ready(facts: Facts) -> Iterator[Finding]:
    """What cluster this is."""
    nodes = known(facts.nodes)
    version = known(facts.kubernetes)
    if version is not None and nodes is not None:
        unready = sum(not node.ready for node in nodes)
        yield info("preflight-cluster", f"Kubernetes {version}, {len(nodes)} nodes, {unready} of them not Ready")
