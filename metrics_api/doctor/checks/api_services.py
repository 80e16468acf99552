"""The APIService objects: are there any, whom do they lead to, and does kube-apiserver get an answer there?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from metrics_api.doctor.facts import GROUP, Facts, Unknown
from metrics_api.doctor.findings import Finding, error, info, warning
from metrics_api.doctor.objects import ApiService, Condition

_NETWORK = (
    "kube-apiserver cannot reach the server's pod. Look for the CNI on control-plane nodes, a firewall or security "
    "group for the pod's port, a NetworkPolicy, and on control planes without kube-proxy --enable-aggregator-routing"
)
_REMEDIES = {
    "ServiceNotFound": "Create the Service, or let spec.service of the APIService name the right one",
    "ServicePortError": "Let spec.service.port of the APIService be one of the Service's ports",
    "EndpointsNotFound": "No pod has ever matched the Service's selector: compare it with the labels of the pods",
    "MissingEndpoints": "No pod behind the Service is ready: see the findings on endpoints and pods",
    "ServiceAccessError": "See kube-apiserver's log",
    "EndpointsAccessError": "See kube-apiserver's log",
}
_REFUSES = (
    "The server ends the connection: it refuses kube-apiserver's certificate (see the findings on the front proxy), or "
    "it is starting or overloaded (see its log)"
)
_BY_WORDS = (
    ("bad status from", "401", "The server does not believe kube-apiserver: see the findings on the front proxy"),
    ("bad status from", "403", "The server forbids kube-apiserver its discovery: see the findings on rights"),
    ("bad status from", "404", "What answers there does not serve this API version"),
    ("bad status from", "", "See the server's log"),
    ("remote error: tls", "", _REFUSES),
    ("EOF", "", _REFUSES),
    ("x509", "", "The server's certificate does not fit caBundle of the APIService: renew one of them"),
    ("proxy", "", "A proxy answered instead of the server: add the cluster's networks to NO_PROXY of kube-apiserver"),
)


def missing(facts: Facts) -> Iterator[Finding]:
    """Nobody serves the group."""
    if not isinstance(facts.api_services, Unknown) and not any(facts.api_services.values()):
        yield error(
            "apiservice-missing",
            f"no APIService of {GROUP}: the cluster has no metrics API",
            remedy="Install a metrics server: kubectl apply -k manifests/overlays/release",
        )


def owner(facts: Facts) -> Iterator[Finding]:
    """Whom the group belongs to. It is never assumed to be us."""
    found = _services(facts)
    owners = {name: _owner(each, facts) for name, each in found.items()}
    if len({each.spec.service for each in found.values()}) > 1:
        yield error(
            "apiservice-split",
            f"the versions of {GROUP} lead to different servers",
            *(f"{name}: {who}" for name, who in owners.items()),
            remedy="Let one server have all versions; delete the APIService that was left behind",
        )
        return
    for name, each in found.items():
        reference = each.spec.service
        if facts.named_target and reference is not None and reference != facts.target:
            yield warning(
                "apiservice-foreign",
                f"{name} leads to {reference.namespace}/{reference.name}, "
                f"not to {facts.target.namespace}/{facts.target.name}",
                f"{name}: {owners[name]}",
                remedy="One server can own it at a time: point spec.service to the other, or remove one of them",
            )
            return
    if owners:
        name, who = next(iter(owners.items()))
        yield info("apiservice-owner", f"{', '.join(owners)}: {who}")


def unchecked(facts: Facts) -> Iterator[Finding]:
    """kube-apiserver has not looked at the server."""
    names = [name for name, each in _services(facts).items() if each.available is None]
    if names:
        yield warning(
            "apiservice-unchecked",
            f"kube-apiserver has not looked at {', '.join(names)} yet",
            remedy="Wait some seconds. If it stays so, see kube-apiserver's log: aggregation does not run",
        )


def unavailable(facts: Facts) -> Iterator[Finding]:
    """What kube-apiserver itself says of the server; both versions usually have the same to say."""
    groups: dict[tuple[str, str], dict[str, str]] = {}
    for name, each in _services(facts).items():
        condition = each.available
        if condition is not None and condition.status != "True" and not _lacks_version(name, condition):
            groups.setdefault((condition.reason, _remedy(condition)), {})[name] = condition.message
    for (reason, remedy), messages in groups.items():
        are = "is" if len(messages) == 1 else "are"
        yield error(
            "apiservice-unavailable",
            f"{', '.join(messages)} {are} not Available: {reason}",
            *(f"{name}: {message}" for name, message in messages.items()),
            remedy=remedy,
        )


def version_without_backend(facts: Facts) -> Iterator[Finding]:
    """An APIService v1 before a server that has v1beta1 only, as metrics-server up to 0.9 has."""
    for name, each in _services(facts).items():
        condition = each.available
        if condition is not None and condition.status != "True" and _lacks_version(name, condition):
            yield error(
                "apiservice-version-unserved",
                f"the server behind {name} does not serve that version, and clients prefer it",
                condition.message,
                remedy=f"kubectl delete apiservice {name}, or put a server there that has it",
            )


def trust(facts: Facts) -> Iterator[Finding]:
    """How kube-apiserver tells the server from somebody in between."""
    insecure = [name for name, each in _services(facts).items() if each.spec.insecure_skip_tls_verify]
    if insecure:
        yield warning(
            "apiservice-insecure",
            "kube-apiserver does not verify the server's certificate",
            *(f"{name}: insecureSkipTLSVerify: true" for name in insecure),
            remedy="Serve with a certificate of an authority you keep, and name that in caBundle (docs/install.md). "
            "This has nothing to do with --kubelet-insecure-tls",
        )


def _services(facts: Facts) -> Mapping[str, ApiService]:
    if isinstance(facts.api_services, Unknown):
        return {}
    return {f"{version}.{GROUP}": each for version, each in facts.api_services.items() if each is not None}


def _owner(api_service: ApiService, facts: Facts) -> str:
    reference = api_service.spec.service
    if reference is None:
        return "served by kube-apiserver itself"
    where = f"Service {reference.namespace}/{reference.name}"
    annotations = api_service.metadata.annotations or {}
    release = annotations.get("meta.helm.sh/release-name")
    by = f", of Helm release {annotations.get('meta.helm.sh/release-namespace', '?')}/{release}" if release else ""
    return f"{where}{by}, {_program(facts)}"


def _program(facts: Facts) -> str:
    if not isinstance(facts.status, Unknown):
        return f"which is metrics-api {facts.status.version}"
    images = [] if isinstance(facts.pods, Unknown) else _images(facts)
    if any("metrics-server" in image for image in images):
        return f"which seems to be metrics-server ({images[0]})"
    return f"whose image is {images[0]}" if images else "whose program is not known"


def _images(facts: Facts) -> list[str]:
    pods = () if isinstance(facts.pods, Unknown) else facts.pods
    return [container.image for pod in pods for container in pod.spec.containers or () if container.image]


def _lacks_version(name: str, condition: Condition) -> bool:
    return name.startswith("v1.") and "bad status from" in condition.message and condition.message.endswith("404")


def _remedy(condition: Condition) -> str:
    if condition.reason in _REMEDIES:
        return _REMEDIES[condition.reason]
    for words, end, remedy in _BY_WORDS:
        if words in condition.message and condition.message.rstrip().endswith(end):
            return remedy
    return _NETWORK
