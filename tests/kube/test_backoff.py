from __future__ import annotations

import random

from metrics_api.kube.backoff import Backoff


class _AlwaysMost(random.Random):
    def uniform(self, a: float, b: float) -> float:
        return b


def test_the_bound_doubles_up_to_the_most_and_starts_again_after_a_reset() -> None:
    backoff = Backoff(_AlwaysMost())

    assert [backoff.next() for _ in range(8)] == [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]
    backoff.reset()
    assert backoff.next() == 0.8


def test_the_jitter_is_full() -> None:
    waits = [Backoff(random.Random(seed)).next() for seed in range(200)]

    assert min(waits) < 0.1
    assert max(waits) > 0.7
