"""What the settings must be to make sense together.

The first words of a message are metrics-server's where it has the rule (``cmd/metrics-server/app/options`` and
apiserver ``pkg/server/options`` at v0.9.0); what to do follows them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Set
from typing import Any, NamedTuple

from metrics_api.settings.cipher_suites import TLS12_SUITES, TLS13_SUITES
from metrics_api.settings.flags import FLAGS, FRONT_PROXY_RULES
from metrics_api.settings.kinds import show
from metrics_api.settings.quoting import quote
from metrics_api.settings.values import Settings


class Rule(NamedTuple):
    """A sentence about some flags."""

    flags: tuple[str, ...]
    """Names; the rule is left out when one of them could not be read."""
    fault: Callable[[Settings], str | None]
    """What is wrong, ``None`` when nothing is."""


def find_faults(settings: Settings, unreadable: Set[str]) -> Iterator[str]:
    """Yield what is wrong with settings that were read.

    Args:
        settings: Parsed values.
        unreadable: Names of flags whose value could not be parsed; ``settings`` has their defaults.
    """
    for rule in _RULES:
        if unreadable.isdisjoint(rule.flags) and (fault := rule.fault(settings)) is not None:
            yield fault


def _resolution_long_enough(settings: Settings) -> str | None:
    if settings.metric_resolution >= 10:
        return None
    return (
        "metric-resolution should be a time duration at least 10s, but value "
        f"{show(settings.metric_resolution)} provided: kubelets measure every 10 to 15 s, set 15s"
    )


def _resolution_above_timeout(settings: Settings) -> str | None:
    if settings.metric_resolution * 9 / 10 >= settings.kubelet_request_timeout:
        return None
    return (
        "metric-resolution should be larger than kubelet-request-timeout, but metric-resolution value "
        f"{show(settings.metric_resolution)} kubelet-request-timeout value "
        f"{show(settings.kubelet_request_timeout)} provided: the timeout may be at most nine tenths of the resolution"
    )


def _age_above_resolution(settings: Settings) -> str | None:
    if settings.max_metric_age > settings.metric_resolution:
        return None
    return (
        f"max-metric-age should be larger than metric-resolution, but max-metric-age value "
        f"{show(settings.max_metric_age)} metric-resolution value {show(settings.metric_resolution)} provided: "
        "metrics would vanish between two scrapes"
    )


def _timeout_positive(settings: Settings) -> str | None:
    return None if settings.kubelet_request_timeout > 0 else "kubelet-request-timeout should be positive"


def _kubelet_pair(settings: Settings) -> str | None:
    if bool(settings.kubelet_client_key) == bool(settings.kubelet_client_certificate):
        return None
    return "need both --kubelet-client-key and --kubelet-client-certificate"


def _verified_once(settings: Settings) -> str | None:
    verify = settings.kubelet_tls_verify
    if settings.kubelet_insecure_tls and verify != "none":
        return (
            f"cannot use both --kubelet-insecure-tls and --kubelet-tls-verify={verify}: the first is "
            "--kubelet-tls-verify=none"
        )
    if settings.deprecated_kubelet_completely_insecure and verify != "full" and not settings.kubelet_insecure_tls:
        return f"cannot use both --{_INSECURE} and --kubelet-tls-verify={verify}: without TLS nothing is verified"
    return None


def _authority_of_use(settings: Settings) -> str | None:
    verify = settings.kubelet_tls_verify
    if not settings.kubelet_certificate_authority or verify in ("full", "node-name") or settings.kubelet_insecure_tls:
        return None
    return (
        f"cannot use both --kubelet-certificate-authority and --kubelet-tls-verify={verify}: no authority is asked "
        "then; full and node-name ask one"
    )


def _address_types(settings: Settings) -> str | None:
    if not settings.kubelet_preferred_address_types:
        return "--kubelet-preferred-address-types needs at least one type, such as InternalIP"
    for word in settings.kubelet_preferred_address_types:
        if not word or any(c.isspace() for c in word):
            return (
                f"--kubelet-preferred-address-types: {quote(word)} is no address type; "
                "write them with commas between: InternalIP,ExternalIP,Hostname"
            )
    return None


def _serving_pair(settings: Settings) -> str | None:
    if bool(settings.tls_cert_file) == bool(settings.tls_private_key_file):
        return None
    return "need both --tls-cert-file and --tls-private-key-file, or neither for a self-signed certificate"


def _verified_service(settings: Settings) -> str | None:
    if not settings.verified_tls or _SERVICE.fullmatch(settings.verified_tls):
        return None
    return (
        f"--verified-tls: {quote(settings.verified_tls)} is not namespace/name of a Service, such as "
        "kube-system/metrics-server"
    )


def _sni_files(settings: Settings) -> str | None:
    if all(pair.certificate_file and pair.key_file for pair in settings.tls_sni_cert_key):
        return None
    return "--tls-sni-cert-key: expected comma separated certificate and key file paths, one is empty"


def _known_suites(settings: Settings) -> str | None:
    unknown = [name for name in settings.tls_cipher_suites if name not in TLS12_SUITES and name not in TLS13_SUITES]
    if not unknown:
        return None
    return f"Cipher suite {quote(unknown[0])} not supported or doesn't exist: --tls-cipher-suites takes Go's names"


def _allowed_paths(settings: Settings) -> str | None:
    for path in settings.authorization_always_allow_paths:
        if "*" in path[:-1]:
            return f"--authorization-always-allow-paths: only trailing * allowed in {quote(path)}"
    return None


def _peer_key(settings: Settings) -> str | None:
    if settings.peer_key_file or not settings.peer_service:
        return None
    return "--peer-service needs --peer-key-file, the key by which replicas know each other"


def _exclusive(first: str, second: str) -> Rule:
    def fault(settings: Settings) -> str | None:
        both = _value(settings, first) and _value(settings, second)
        return f"cannot use both --{first} and --{second}" if both else None

    return Rule((first, second), fault)


def _not_negative(name: str, message: str) -> Rule:
    def fault(settings: Settings) -> str | None:
        return message if _number(settings, name) < 0 else None

    return Rule((name,), fault)


def _port(name: str, lowest: int) -> Rule:
    def fault(settings: Settings) -> str | None:
        number = _number(settings, name)
        return None if lowest <= number <= 65535 else f"--{name} {number} must be between {lowest} and 65535, inclusive"

    return Rule((name,), fault)


def _full_words(name: str) -> Rule:
    def fault(settings: Settings) -> str | None:
        if all(word.strip() for word in _value(settings, name)):
            return None
        return f"empty value in {quote(name)}: an entry of the list is empty"

    return Rule((name,), fault)


def _value(settings: Settings, name: str) -> Any:
    return getattr(settings, FLAGS[name].field)


def _number(settings: Settings, name: str) -> float:
    number: float = _value(settings, name)
    return number


_INSECURE = "deprecated-kubelet-completely-insecure"

_DNS_LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_SERVICE = re.compile(f"{_DNS_LABEL}/{_DNS_LABEL}")

_NEVER_NEGATIVE = (
    "max-requests-inflight",
    "max-watchers",
    "request-timeout",
    "shutdown-delay-duration",
    "authentication-token-webhook-cache-ttl",
    "authorization-webhook-cache-authorized-ttl",
    "authorization-webhook-cache-unauthorized-ttl",
    "v",
)

_RULES = (
    _exclusive("kubelet-certificate-authority", "kubelet-insecure-tls"),
    Rule(("kubelet-client-key", "kubelet-client-certificate"), _kubelet_pair),
    _exclusive("kubelet-client-key", _INSECURE),
    _exclusive("kubelet-client-certificate", _INSECURE),
    _exclusive("kubelet-insecure-tls", _INSECURE),
    _exclusive("kubelet-certificate-authority", _INSECURE),
    Rule(("kubelet-insecure-tls", "kubelet-tls-verify", _INSECURE), _verified_once),
    Rule(("kubelet-insecure-tls", "kubelet-tls-verify", "kubelet-certificate-authority"), _authority_of_use),
    Rule(("kubelet-request-timeout",), _timeout_positive),
    Rule(("metric-resolution",), _resolution_long_enough),
    Rule(("metric-resolution", "kubelet-request-timeout"), _resolution_above_timeout),
    Rule(("max-metric-age", "metric-resolution"), _age_above_resolution),
    Rule(("kubelet-preferred-address-types",), _address_types),
    _port("kubelet-port", 1),
    _port("secure-port", 0),
    Rule(("tls-cert-file", "tls-private-key-file"), _serving_pair),
    Rule(("verified-tls",), _verified_service),
    _exclusive("verified-tls", "tls-cert-file"),
    Rule(("tls-sni-cert-key",), _sni_files),
    Rule(("tls-cipher-suites",), _known_suites),
    Rule(("authorization-always-allow-paths",), _allowed_paths),
    Rule(("peer-service", "peer-key-file"), _peer_key),
    *map(_full_words, FRONT_PROXY_RULES),
    *(_not_negative(name, f"--{name} can not be negative value") for name in _NEVER_NEGATIVE),
)
