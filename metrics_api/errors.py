"""Every error this program raises on purpose, divided by who handles it.

::

    MetricsApiError
    ├── SettingsError     wrong flags or environment         -> exit code 2, every fault in one message
    ├── StartupError      nothing can run: port in use, ...   -> exit code 1, one message, no traceback
    ├── ScrapeError       one kubelet could not be asked      -> logged and counted by reason, asked again
    │   └── DecodeError   its answer could not be understood
    ├── PeerError         another replica was of no use      -> logged; the next is asked, or the start is a cold one
    ├── KubeError         kube-apiserver did not do as asked  -> logged, retried with back-off
    │   ├── KubeConfigError     no usable credentials         -> exit code 1 at start
    │   ├── KubeUnreachableError  no answer at all
    │   ├── KubeStatusError     an answer that is not a success
    │   └── KubeExpiredError    410: list again
    ├── ServingSecretError  the Secret of the serving certificate is of no use -> logged, the old pair serves on
    ├── SelectorError     a label or field selector is wrong  -> 400 to the client, exit code 2 for a flag
    └── StatusError       answered to the client as a Kubernetes ``Status``

A library's own exceptions are turned into these where the library is called, once, with ``from error``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

ScrapeReason = Literal[
    "no_address",
    "denied_address",
    "dns",
    "refused",
    "unreachable",
    "timeout",
    "reset",
    "tls",
    "no_serving_cert",
    "unauthorized",
    "forbidden",
    "not_found",
    "status",
    "redirect",
    "too_large",
    "protocol",
    "decode",
    "wrong_node",
    "no_data",
]
"""Why a scrape failed: the value of the ``reason`` label in metrics, and the key of the advice in messages."""


class MetricsApiError(Exception):
    """The root of the tree above; caught only to tell our own errors from bugs."""


class SettingsError(MetricsApiError):
    """Flags or environment are wrong.

    Args:
        faults: One sentence for each fault, in the order of the flags.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class StartupError(MetricsApiError):
    """The program cannot run at all; the message says what is wrong and what to do."""


class ScrapeError(MetricsApiError):
    """One kubelet could not be asked, or not in time.

    Args:
        reason: The class of the fault, for counting.
        message: What happened and what to do, without the node's name (the handler knows it).
        status: The HTTP status when there was one.
        retry_after: Seconds the server asked us to wait, when it did.
    """

    def __init__(
        self,
        reason: ScrapeReason,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.status = status
        self.retry_after = retry_after


class DecodeError(ScrapeError):
    """A kubelet answered with something that is not the document asked for."""

    def __init__(self, message: str) -> None:
        super().__init__("decode", message)


class PeerError(MetricsApiError):
    """Another replica could not be asked, did not prove to be one, or gave nothing that can be used."""


class KubeError(MetricsApiError):
    """kube-apiserver did not do as asked."""


class KubeConfigError(KubeError):
    """No usable way to reach kube-apiserver: a broken kubeconfig, no in-cluster environment, a bad file."""


class KubeUnreachableError(KubeError):
    """No answer: connection, TLS or time-out."""


class KubeStatusError(KubeError):
    """kube-apiserver answered with an error.

    Args:
        code: The HTTP status.
        reason: The ``Status`` object's reason, empty when the body was none.
        message: The ``Status`` object's message or the start of the body.
    """

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(f"{code} {reason}: {message}" if reason else f"{code}: {message}")
        self.code = code
        self.reason = reason
        self.message = message


class KubeExpiredError(KubeError):
    """The resourceVersion is too old (410): the list must be made again."""


class ServingSecretError(MetricsApiError):
    """The Secret for the serving certificate holds none that can be used; the message says why."""


class SelectorError(MetricsApiError):
    """A label or field selector cannot be understood; the message is the one the generic API server gives."""


class StatusError(MetricsApiError):
    """An answer to a client that is a ``Status`` with ``status: Failure``.

    Args:
        code: The HTTP status.
        reason: Kubernetes' reason, such as ``NotFound``; empty for none.
        message: The text people see.
        name: ``details.name``; this and the next three are left out of the document when empty.
        group: ``details.group``.
        kind: ``details.kind``.
        causes: ``details.causes``, as (reason, message, field).
        retry_after: ``details.retryAfterSeconds`` and the ``Retry-After`` header.
        has_details: Whether ``details`` is sent at all; the generic server sends ``{}`` for some errors.
        continue_token: ``metadata.continue``: how a list that has expired may go on all the same; empty for none.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        name: str = "",
        group: str = "",
        kind: str = "",
        causes: Sequence[tuple[str, str, str]] = (),
        retry_after: int | None = None,
        has_details: bool = False,
        continue_token: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.name = name
        self.group = group
        self.kind = kind
        self.causes = tuple(causes)
        self.retry_after = retry_after
        self.continue_token = continue_token
        self.has_details = has_details or bool(name or group or kind or causes or retry_after)


class TooManyRequestsError(MetricsApiError):
    """As many requests as allowed are being answered; the client should ask again.

    Args:
        message: What the client is told, as plain text.
        retry_after: Seconds, for the ``Retry-After`` header.
    """

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def first_of_ours(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first of our own errors among the tasks', else the group: then it is a bug and wants its traceback."""
    ours = errors.subgroup(MetricsApiError)
    while isinstance(ours, BaseExceptionGroup):
        found = ours.exceptions[0]
        if not isinstance(found, BaseExceptionGroup):
            return found
        ours = found
    return errors
