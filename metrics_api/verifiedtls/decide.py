"""What is to be done next, from what was seen. No I/O, no clock, no randomness: the tests are tables.

Whoever leads takes one step, looks again, and takes the next. The rule under all of them: never let kube-apiserver
trust less than what a ready endpoint shows, and never let a replica show what kube-apiserver does not trust yet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from metrics_api.objects import WRITTEN, APIServiceState, Endpoint, ObjectName
from metrics_api.verifiedtls.material import (
    Change,
    Lifetimes,
    Material,
    believes,
    certificates_of,
    expiry,
    is_signed_by,
    server_name,
)

API_SERVICES = ("v1beta1.metrics.k8s.io", "v1.metrics.k8s.io")
"""Every APIService that may be ours; the rights go by these names."""
SWITCH = "metrics-api/verified-tls"
"""Annotation of an APIService: ``off`` keeps this program away from it. Of the Secret: ``managed`` says it is ours."""
OFF, MANAGED = "off", "managed"
ROTATE = "metrics-api/rotate"
"""Annotation of the Secret, of any value: a person wants another authority now. Taken away when that is made."""
_INJECTORS = ("cert-manager.io/inject-", "service.beta.openshift.io/inject-cabundle")


@dataclass(frozen=True, slots=True)
class Presented:
    """What a ready endpoint showed when it was asked."""

    endpoint: Endpoint
    certificate: bytes | None
    """Its certificate in DER; ``None`` when there was no handshake."""
    fault: str = ""
    """Why there was none."""


@dataclass(frozen=True, slots=True)
class Observed:
    """All that a decision rests on."""

    service: ObjectName
    """Our Service."""
    now: float
    has_secret: bool
    """Whether the Secret exists, empty or not."""
    material: Material | None
    """What it holds; ``None`` when that is nothing, or of no use."""
    api_services: Sequence[APIServiceState]
    """Those of our API group that exist."""
    endpoints: Sequence[Presented]
    """Every ready endpoint of our Service."""
    settled: float
    """Seconds since which the material and every caBundle of ours have been as ``is_published`` wants them."""
    is_managed: bool = False
    """Whether the Secret says that we wrote it."""
    is_rotation_wanted: bool = False
    """Whether the Secret says that its authority is to be replaced although it is not due."""
    fault: str = ""
    """Why what the Secret holds is of no use; empty when it is not."""
    remembered: Material | None = None
    """What this replica serves with."""


@dataclass(frozen=True, slots=True)
class Write:
    """Change the Secret."""

    change: Change


@dataclass(frozen=True, slots=True)
class Publish:
    """Let kube-apiserver verify: set this bundle and clear ``insecureSkipTLSVerify`` in one patch."""

    api_service: APIServiceState
    bundle: bytes
    why: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Something is wanted that cannot be yet."""

    why: str


@dataclass(frozen=True, slots=True)
class Rest:
    """All is as it should be."""


Step = Write | Publish | Wait | Rest


def decide(seen: Observed, lifetimes: Lifetimes, settle: float) -> Step:
    """Return the next step.

    Args:
        seen: What there is.
        lifetimes: When to renew.
        settle: Seconds that a new authority stays published before it signs, and an old one after.
    """
    if not seen.has_secret:
        return Wait("the Secret is gone; apply the manifest again, and what is in use will be written back")
    if seen.fault and not seen.is_managed:
        return Wait(f"the Secret is not ours and of no use ({seen.fault}); empty it, and it will be filled")
    if seen.material is None:
        return Write(Change.MAKE if _is_over(seen.remembered, seen.now) else Change.RESTORE)
    if _is_over(seen.material, seen.now):
        return Write(Change.MAKE)
    return _renewal(seen, seen.material, lifetimes, settle) or _publication(seen, seen.material)


def is_published(seen_services: Iterable[APIServiceState], service: ObjectName, material: Material) -> bool:
    """Return whether every APIService that verifies us trusts all authorities of the material."""
    wanted = certificates_of(material.bundle)
    return all(wanted <= certificates_of(each.ca_bundle) for each in seen_services if verifies(each, service))


def verifies(api_service: APIServiceState, service: ObjectName) -> bool:
    """Return whether kube-apiserver verifies our certificate for this APIService."""
    return api_service.service == service and not api_service.is_insecure


class Trust(Enum):
    """How a certificate that might be shown next stands with kube-apiserver."""

    NOTHING_TO_LOSE = 1
    """What is shown now is verified by nobody, or believed by nobody who verifies."""
    MISSING = 2
    """What is shown now is believed, and this one would not be."""
    GIVEN = 3
    """Whoever believes what is shown now believes this one too."""


def trust_in(
    leaf: bytes, shown: bytes | None, api_services: Iterable[APIServiceState], service: ObjectName, now: float
) -> Trust:
    """Return what would become of the trust in a replica that shows another certificate.

    Args:
        leaf: The other certificate, DER.
        shown: What it shows now, DER; ``None`` for one that nobody verifies.
        api_services: Those of our group.
        service: Our Service.
        now: Unix seconds.
    """
    name = server_name(service)
    bundles = [each.ca_bundle for each in api_services if verifies(each, service)]
    believing = [bundle for bundle in bundles if believes(bundle, shown, name, now)]
    if not believing:
        return Trust.NOTHING_TO_LOSE
    return Trust.GIVEN if all(believes(bundle, leaf, name, now) for bundle in believing) else Trust.MISSING


def findings(seen: Observed) -> Mapping[str, str]:
    """Return what an operator should hear: name of the object -> sentence."""
    said = {each.name: _finding(each, seen) for each in seen.api_services}
    return {name: text for name, text in said.items() if text}


def digest(bundle: bytes) -> str:
    """Return the value of ``WRITTEN`` for a bundle."""
    return f"sha256:{hashlib.sha256(bundle).hexdigest()}"


def _is_over(material: Material | None, now: float) -> bool:
    return material is None or expiry(material.signing.certificate) <= now


def _renewal(seen: Observed, material: Material, lifetimes: Lifetimes, settle: float) -> Step | None:
    """Return the change of the Secret that is due; ``None`` when none is, or the caBundle has to follow first."""
    leaf_ends, authority_ends = expiry(material.leaf.certificate), expiry(material.signing.certificate)
    is_stale = not is_signed_by(material.leaf, material.signing)
    # Another leaf of the same authority would live no longer than one that ends with it
    if is_stale or (leaf_ends - seen.now <= lifetimes.leaf_renewal and leaf_ends < authority_ends):
        return Write(Change.RENEW_LEAF)
    if material.next is not None:
        return Write(Change.PROMOTE) if seen.settled >= settle else None
    if material.previous is not None:
        return Write(Change.RETIRE) if seen.settled >= settle and _has_moved(seen, material) else None
    is_due = seen.is_rotation_wanted or authority_ends - seen.now <= lifetimes.authority_renewal
    return Write(Change.ADD_NEXT) if is_due else None


def _has_moved(seen: Observed, material: Material) -> bool:
    """Whether every ready endpoint shows a leaf of the authority that signs now."""
    return bool(seen.endpoints) and not _unbelieved(seen, material.signing.certificate)


def _publication(seen: Observed, material: Material) -> Step:
    waiting = ""
    for api_service in seen.api_services:
        if not _may_be_ours(api_service, seen.service):
            continue
        why = _why_publish(api_service, material)
        if not why:
            continue
        obstacle = _obstacle(api_service, seen, material)
        if not obstacle:
            return Publish(api_service, material.bundle, why)
        if _is_replaced(api_service, material):
            # Both are trusted until every endpoint shows a certificate of the new ones
            return Publish(api_service, api_service.ca_bundle + material.bundle, "the Secret has other authorities now")
        waiting = waiting or f"{api_service.name} is not verified by the present authorities yet: {obstacle}"
    if waiting:
        return Wait(waiting)
    if material.next is not None:
        return Wait("the next certificate authority signs when every caBundle has had it for a while")
    if material.previous is not None:
        return Wait("the previous certificate authority goes when no replica shows a certificate of it any more")
    return Rest()


def _may_be_ours(api_service: APIServiceState, service: ObjectName) -> bool:
    return (
        api_service.service == service and api_service.annotations.get(SWITCH) != OFF and _injector(api_service) is None
    )


def _injector(api_service: APIServiceState) -> str | None:
    return next((key for key in api_service.annotations if key.startswith(_INJECTORS)), None)


def _why_publish(api_service: APIServiceState, material: Material) -> str:
    if api_service.is_insecure or not api_service.ca_bundle:
        return "kube-apiserver verifies this server from now on"
    wanted, found = certificates_of(material.bundle), certificates_of(api_service.ca_bundle)
    if _is_as_written(api_service):
        return "" if found == wanted else "the certificate authorities have changed"
    return "" if wanted <= found else "somebody else changed the caBundle, and authorities in use were not in it"


def _is_as_written(api_service: APIServiceState) -> bool:
    return api_service.annotations.get(WRITTEN) == digest(api_service.ca_bundle)


def _is_replaced(api_service: APIServiceState, material: Material) -> bool:
    """Whether the Secret was exchanged for another: a bundle that is ours lacks authorities in use."""
    wanted, found = certificates_of(material.bundle), certificates_of(api_service.ca_bundle)
    return not api_service.is_insecure and _is_as_written(api_service) and bool(found) and not wanted <= found


def _obstacle(api_service: APIServiceState, seen: Observed, material: Material) -> str:
    """Return why the bundle may not be published; empty when it may.

    An APIService that is not verified yet becomes so only when every ready endpoint would be believed. In one that is
    verified no endpoint may be lost that is believed now.
    """
    unbelieved = _unbelieved(seen, material.bundle)
    if verifies(api_service, seen.service):
        lost = [each for each in unbelieved if _is_believed(seen, api_service.ca_bundle, each)]
        if lost:
            return f"it trusts {_shown(lost[0])} by another authority; undo verified TLS first"
        return ""
    if not seen.endpoints:
        return "no endpoint is ready"
    return f"{_shown(unbelieved[0])} shows no certificate of theirs" if unbelieved else ""


def _unbelieved(seen: Observed, bundle: bytes) -> list[Presented]:
    return [each for each in seen.endpoints if not _is_believed(seen, bundle, each)]


def _is_believed(seen: Observed, bundle: bytes, presented: Presented) -> bool:
    return believes(bundle, presented.certificate, server_name(seen.service), seen.now)


def _shown(presented: Presented) -> str:
    return f"endpoint {presented.endpoint}" + (f" ({presented.fault})" if presented.fault else "")


def _finding(api_service: APIServiceState, seen: Observed) -> str:
    if api_service.service != seen.service:
        owner = "kube-apiserver itself" if api_service.service is None else f"Service {api_service.service}"
        return f"it belongs to {owner}, not to Service {seen.service}: left alone"
    if api_service.annotations.get(SWITCH) == OFF:
        return f"verified TLS was undone here ({SWITCH}: {OFF}): left alone until metrics-api verified-tls allow"
    if (injector := _injector(api_service)) is not None:
        return f"its caBundle is set by whoever {injector} names: left alone"
    written = api_service.annotations.get(WRITTEN)
    if seen.material is not None and written and api_service.ca_bundle and not _is_as_written(api_service):
        return "its caBundle was changed by another hand; it stays as long as it holds the authorities in use"
    return ""
