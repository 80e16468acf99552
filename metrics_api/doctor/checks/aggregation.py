"""The aggregation layer: how kube-apiserver proves to the server that it is kube-apiserver."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

from metrics_api.doctor.checks.telling import when_told
from metrics_api.doctor.facts import Facts, Unknown, known
from metrics_api.doctor.findings import Finding, Severity, error, some, warning
from metrics_api.pki import load_bundle
from metrics_api.reports import StatusReport

_NAME = "kube-system/extension-apiserver-authentication"
_FRONT_PROXY = "requestheader-client-ca-file"
_ENABLING = (
    "Start kube-apiserver with --requestheader-client-ca-file, --requestheader-allowed-names, "
    "--requestheader-username-headers=X-Remote-User, --requestheader-group-headers=X-Remote-Group, "
    "--requestheader-extra-headers-prefix=X-Remote-Extra-, --proxy-client-cert-file and --proxy-client-key-file; "
    "on control planes without kube-proxy also --enable-aggregator-routing"
)


def not_enabled(facts: Facts) -> Iterator[Finding]:
    """Without a front proxy's authority nobody can come through kube-apiserver."""
    data = facts.authentication
    if isinstance(data, Unknown):
        return
    if data is None:
        yield error(
            "authentication-config-missing",
            f"ConfigMap {_NAME} does not exist",
            remedy="kube-apiserver writes it at its start; see its log, and who deleted it",
        )
    elif not data.get(_FRONT_PROXY):
        yield error(
            "front-proxy-authority-missing",
            f"the aggregation layer is not enabled: {_NAME} has no {_FRONT_PROXY}",
            f"it has: {', '.join(sorted(data)) or 'nothing'}",
            remedy=_ENABLING,
        )


def authority(facts: Facts) -> Iterator[Finding]:
    """The front proxy's authority."""
    pem = (known(facts.authentication) or {}).get(_FRONT_PROXY, "")
    if not pem:
        return
    try:
        found = load_bundle(pem.encode())
    except ValueError as problem:
        yield error(
            "front-proxy-authority-broken",
            f"{_FRONT_PROXY} in {_NAME} holds no certificates",
            str(problem),
            remedy="Correct the file that kube-apiserver's flag of that name leads to",
        )
        return
    now = datetime.fromtimestamp(facts.now, UTC)
    if all(each.not_valid_after_utc <= now for each in found):
        yield error(
            "front-proxy-authority-expired",
            "the front proxy's authority has expired",
            *(f"{each.subject.rfc4514_string()}: until {each.not_valid_after_utc:%Y-%m-%d}" for each in found),
            remedy="Renew it with the control plane's certificates (kubeadm certs renew), and restart kube-apiserver",
        )


def allowed_names(facts: Facts) -> Iterator[Finding]:
    """The common names a front proxy may have."""
    text = (known(facts.authentication) or {}).get("requestheader-allowed-names", "")
    try:
        names = json.loads(text) if text else []
    except ValueError:
        names = None
    if not isinstance(names, list):
        yield error(
            "front-proxy-names-broken",
            f"requestheader-allowed-names in {_NAME} is no JSON list",
            text[:200],
            remedy="Correct kube-apiserver's flag --requestheader-allowed-names",
        )


@when_told
def believed(status: StatusReport, facts: Facts) -> Iterator[Finding]:
    """What the server has made of it."""
    trust = status.trust
    if trust.fault:
        yield error(
            "server-trust-broken",
            "the server cannot use the authentication configuration, and goes on with the old one",
            trust.fault,
            remedy=f"Correct ConfigMap {_NAME}, or the server's flags of that name",
        )
    elif not trust.front_proxy_authorities and not status.flags.get("authentication-skip-lookup"):
        yield error(
            "server-trusts-no-front-proxy",
            "the server knows no front proxy's authority, so it believes kube-apiserver nothing",
            f"the server has {'' if trust.config_map_found else 'not '}seen the ConfigMap",
            remedy=_ENABLING,
        )
    expired = [each for each in trust.front_proxy_authorities if each.not_after <= facts.now]
    if expired and len(expired) < len(trust.front_proxy_authorities):
        yield warning(
            "front-proxy-authority-old",
            "one of the front proxy's authorities has expired",
            *(each.subject for each in expired),
            remedy="A kube-apiserver that was not restarted after a renewal still shows its certificate: restart it",
        )


@when_told
def refused(status: StatusReport, facts: Facts) -> Iterator[Finding]:
    """Certificates that the server refused, perhaps kube-apiserver's own."""
    if not status.trust.refused:
        return
    services = (known(facts.api_services) or {}).values()
    conditions = [each.available for each in services if each is not None]
    broken = any(each is not None and each.status != "True" for each in conditions)
    yield Finding(
        "front-proxy-refused",
        Severity.ERROR if broken else Severity.WARNING,
        "the server refused client certificates" + (", and kube-apiserver gets no answer" if broken else ""),
        some(status.trust.refused),
        f"If they are kube-apiserver's: the front proxy's authority in {_NAME} is another one, or "
        "requestheader-allowed-names lacks their name. A kube-apiserver that was not restarted after a renewal shows "
        "the old one",
    )
