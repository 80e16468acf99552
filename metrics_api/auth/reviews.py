"""What reviews have in common: where they are sent, and how a passing failure is met.

Rules: the generic API server's delegated mode: five tries with waits from 500 ms growing by 1.5, jitter 0.2, after a
dropped connection, 429, 500, 503 and 504, and 10 s. Those are for all tries together, as there for tokens: a
kube-apiserver that hangs is not asked again, and requests must not pile up behind it.
"""

from __future__ import annotations

import random
from typing import Protocol, TypeVar

import msgspec

from metrics_api.clock import Clock
from metrics_api.errors import KubeError, KubeStatusError, KubeUnreachableError

TIMEOUT = 10.0
"""Seconds for a review, its tries and the waits between them."""
TRIES = 5
_FIRST_WAIT = 0.5
_GROWTH = 1.5
_JITTER = 0.2
_PASSING = frozenset({429, 500, 503, 504})

Document = TypeVar("Document", bound=msgspec.Struct)


class KubePoster(Protocol):
    """Creates objects in kube-apiserver."""

    async def post(self, path: str, body: bytes, *, timeout: float) -> bytes:  # noqa: ASYNC109 - the client's own bound
        """Return the body of a successful answer, or raise ``KubeError``."""
        ...


class Reviewer:
    """Sends reviews and tries again when that may help."""

    def __init__(self, kube: KubePoster, clock: Clock, rng: random.Random | None = None) -> None:
        self._kube = kube
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret

    async def review(self, path: str, body: bytes, kind: type[Document]) -> Document:
        """Return kube-apiserver's answer.

        Raises:
            KubeError: no answer after all tries or in time, a refusal, or an answer that is no review.
        """
        end, wait = self._clock.monotonic() + TIMEOUT, _FIRST_WAIT
        for remaining in range(TRIES - 1, -1, -1):
            try:
                answer = await self._kube.post(path, body, timeout=end - self._clock.monotonic())
            except (KubeUnreachableError, KubeStatusError) as error:
                pause = wait * (1 + _JITTER * self._rng.random())
                if not remaining or not _may_pass(error) or self._clock.monotonic() + pause >= end:
                    raise
                await self._clock.sleep(pause)
                wait *= _GROWTH
                continue
            try:
                return msgspec.json.decode(answer, type=kind)
            except msgspec.DecodeError as error:
                raise KubeError(f"{path} answered with something that is no review: {error}") from error
        raise AssertionError("unreachable: the last try returns or raises")


def _may_pass(error: KubeError) -> bool:
    return not isinstance(error, KubeStatusError) or error.code in _PASSING
