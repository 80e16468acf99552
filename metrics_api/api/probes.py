"""``/healthz``, ``/livez`` and ``/readyz``: named checks, and the texts that kubelets and people know.

Texts: apiserver ``pkg/server/healthz``. Why a check fails is told in the log, and to those who ask for that one check,
which unlike the three endpoints needs authorization.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from metrics_api.gotext import quote

_LOG = logging.getLogger(__name__)

Check = tuple[str, Callable[[], str | None]]
"""A name, and a function that returns ``None`` when all is well and else the reason. It must not block."""


class Probes(NamedTuple):
    """The checks of each endpoint, in the order of their output."""

    healthz: Sequence[Check] = ()
    livez: Sequence[Check] = ()
    readyz: Sequence[Check] = ()


PING: Check = ("ping", lambda: None)
"""The process answers."""


class ProbeResult(NamedTuple):
    """Status and text of an answer."""

    code: int
    text: str


class Endpoint:
    """One of the three endpoints.

    Args:
        name: Such as ``readyz``.
        checks: In the order of their output.
    """

    def __init__(self, name: str, checks: Sequence[Check]) -> None:
        self.name = name
        self._checks = dict(checks)
        self._failing: dict[str, str] = {}

    @property
    def check_names(self) -> Sequence[str]:
        """The names of the checks, in order."""
        return tuple(self._checks)

    def all(self, *, verbose: bool, excluded: Sequence[str] = ()) -> ProbeResult:
        """Run every check that is not excluded.

        Args:
            verbose: List the checks also when all is well.
            excluded: Names of checks; those that do not exist are warned of in the list.
        """
        unmatched = set(excluded)
        lines, failing = [], {}
        for name in self._checks:
            if name in unmatched:
                unmatched.remove(name)
                lines.append(f"[+]{name} excluded: ok")
            elif (reason := self._run(name)) is not None:
                failing[name] = reason
                lines.append(f"[-]{name} failed: reason withheld")
            else:
                lines.append(f"[+]{name} ok")
        self._log_change(failing)
        if unmatched:
            names = ",".join(map(quote, sorted(unmatched)))
            lines.append(f"warn: some health checks cannot be excluded: no matches for {names}")
        if failing:
            return ProbeResult(500, "\n".join([*lines, f"{self.name} check failed\n"]))
        return ProbeResult(200, "\n".join([*lines, f"{self.name} check passed\n"]) if verbose else "ok")

    def one(self, name: str) -> ProbeResult:
        """Run one of the checks."""
        reason = self._run(name)
        return ProbeResult(200, "ok") if reason is None else ProbeResult(500, f"internal server error: {reason}\n")

    def _run(self, name: str) -> str | None:
        try:
            return self._checks[name]()
        except Exception as error:  # a broken check must not take the others with it
            if name not in self._failing:
                _LOG.exception("check %s of /%s is broken", name, self.name)
            return f"the check is broken: {error!r}"

    def _log_change(self, failing: dict[str, str]) -> None:
        """Log what fails when it is not what failed before: a kubelet asks every few seconds."""
        if failing.keys() != self._failing.keys():
            if failing:
                reasons = "; ".join(f"{name}: {reason}" for name, reason in failing.items())
                _LOG.warning("/%s fails: %s", self.name, reasons)
            else:
                _LOG.info("/%s passes again", self.name)
        self._failing = failing
