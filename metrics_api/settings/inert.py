"""The flags that are accepted and do nothing, so that no manifest written for metrics-server fails to start.

metrics-server's rules for their values are kept: what it refuses is refused here too.
Rules: apiserver ``pkg/server/options/server_run_options.go`` (``Validate``). Names: metrics-server v0.9.0
``docs/command-line-flags.txt``; for the removed ones its tags v0.2.1 and v0.3.0 to v0.8.1.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from metrics_api.settings import kinds
from metrics_api.settings.kinds import Kind
from metrics_api.settings.quoting import quote

Check = Callable[[object], str | None]
"""A parsed value -> what is wrong with it."""


class InertGroup(NamedTuple):
    """Flags that do nothing for the same reason."""

    title: str
    reason: str
    """The end of the sentence ``--name does nothing here: ...``."""
    booleans: str = ""
    """Names with spaces between."""
    valued: str = ""
    """Names of those that take a value, with spaces between."""


@dataclass(frozen=True, slots=True)
class InertFlag:
    """A flag that does nothing."""

    name: str
    kind: Kind
    reason: str
    check: Check | None = None


GROUPS = (
    InertGroup(
        "Audit log",
        "there is no audit log; kube-apiserver's covers every request that comes through it",
        booleans="audit-log-batch-throttle-enable audit-log-compress audit-log-truncate-enabled "
        "audit-webhook-batch-throttle-enable audit-webhook-truncate-enabled",
        valued="audit-log-batch-buffer-size audit-log-batch-max-size audit-log-batch-max-wait "
        "audit-log-batch-throttle-burst audit-log-batch-throttle-qps audit-log-format audit-log-maxage "
        "audit-log-maxbackup audit-log-maxsize audit-log-mode audit-log-path audit-log-truncate-max-batch-size "
        "audit-log-truncate-max-event-size audit-log-version audit-policy-file audit-webhook-batch-buffer-size "
        "audit-webhook-batch-max-size audit-webhook-batch-max-wait audit-webhook-batch-throttle-burst "
        "audit-webhook-batch-throttle-qps audit-webhook-config-file audit-webhook-initial-backoff audit-webhook-mode "
        "audit-webhook-truncate-max-batch-size audit-webhook-truncate-max-event-size audit-webhook-version",
    ),
    InertGroup(
        "Feature gates and emulated versions",
        "there are no feature gates and no emulated versions",
        booleans="emulation-forward-compatible runtime-config-emulation-forward-compatible",
        valued="emulated-version feature-gates min-compatibility-version",
    ),
    InertGroup(
        "Priority and fairness, Go's profiling",
        "neither exists here, and metrics-server ignores the flag as well",
        booleans="contention-profiling enable-priority-and-fairness profiling",
        valued="debug-socket-path",
    ),
    InertGroup("HTTP/2", "only HTTP/1.1 is spoken", valued="goaway-chance http2-max-streams-per-connection"),
    InertGroup(
        "Browsers",
        "browsers talk to kube-apiserver, not to this server",
        valued="cors-allowed-origins strict-transport-security-directives",
    ),
    InertGroup(
        "Writes, watches, storage",
        "nothing is written here or stored on disk, and watches end when stopping begins",
        valued="max-mutating-requests-inflight min-request-timeout shutdown-watch-termination-grace-period "
        "storage-initialization-timeout",
    ),
    InertGroup(
        "Liveness",
        "/livez waits for nothing that would have to come up first",
        valued="livez-grace-period",
    ),
    InertGroup(
        "The server's own address",
        "nothing is published under it",
        valued="advertise-address external-hostname",
    ),
    InertGroup("TLS curves", "OpenSSL chooses the key exchange", valued="tls-curve-preferences"),
    InertGroup(
        "Log streams",
        "records go to standard error at once, and -v holds for the whole program",
        booleans="log-json-split-stream log-text-split-stream",
        valued="log-flush-frequency log-json-info-buffer-size log-text-info-buffer-size vmodule",
    ),
    InertGroup(
        "Log files of old versions",
        "records go to standard error only; metrics-server has removed the flag",
        booleans="add-dir-header alsologtostderr legacy-stderr-threshold-behavior logtostderr one-output skip-headers "
        "skip-log-headers",
        valued="log-backtrace-at log-dir log-file log-file-max-size stderrthreshold",
    ),
    InertGroup(
        "Other flags of old versions",
        "metrics-server has removed it",
        booleans="audit-dynamic-configuration disable-export enable-swagger-ui experimental-logging-sanitization "
        "kubelet-https",
        valued="heapster-port label-seperator listen-ip max-procs sink source tls-ca-file",
    ),
)


def _not_negative(message: str) -> Check:
    def check(value: object) -> str | None:
        return message if isinstance(value, int | float) and value < 0 else None

    return check


def _goaway_chance(value: object) -> str | None:
    if isinstance(value, float) and not 0 <= value <= 0.02:
        return "--goaway-chance can not be less than 0 or greater than 0.02"
    return None


def _transport_security(value: object) -> str | None:
    for directive in value if isinstance(value, tuple) else ():
        if not directive.strip():
            return "empty value in strict-transport-security-directives"
        if directive not in ("includeSubDomains", "preload") and not re.fullmatch(r"max-age=[^=]*", directive):
            return (
                "--strict-transport-security-directives invalid, allowed values: max-age=expireTime, "
                "includeSubDomains, preload. see https://tools.ietf.org/html/rfc6797#section-6.1 for more information"
            )
    return None


def _cors_origins(value: object) -> str | None:
    for origin in value if isinstance(value, tuple) else ():
        if not origin:
            return "empty value in --cors-allowed-origins"
        if not (("^" in origin or "//" in origin) and ("$" in origin or ":" in origin)):
            return (
                "--cors-allowed-origins has an invalid regular expression: regular expression does not pin to "
                f"start/end of host in the origin header: {quote(origin)}"
            )
    return None


_JUDGED: dict[str, tuple[Kind, Check]] = {
    "livez-grace-period": (kinds.DURATION, _not_negative("--livez-grace-period can not be a negative value")),
    "max-mutating-requests-inflight": (
        kinds.INT,
        _not_negative("--max-mutating-requests-inflight can not be negative value"),
    ),
    "min-request-timeout": (kinds.INT, _not_negative("--min-request-timeout can not be negative value")),
    "storage-initialization-timeout": (
        kinds.DURATION,
        _not_negative("--storage-initialization-timeout can not be negative value"),
    ),
    "shutdown-watch-termination-grace-period": (
        kinds.DURATION,
        _not_negative("shutdown-watch-termination-grace-period, if provided, can not be a negative value"),
    ),
    "goaway-chance": (kinds.FLOAT, _goaway_chance),
    "strict-transport-security-directives": (kinds.STRINGS, _transport_security),
    "cors-allowed-origins": (kinds.STRINGS, _cors_origins),
}


def _inert_flag(name: str, kind: Kind, reason: str) -> InertFlag:
    judged_kind, check = _JUDGED.get(name, (kind, None))
    return InertFlag(name, judged_kind, reason, check)


INERT = {
    name: _inert_flag(name, kind, group.reason)
    for group in GROUPS
    for kind, names in ((kinds.BOOL, group.booleans), (kinds.STRING, group.valued))
    for name in names.split()
}
"""Name -> flag."""
