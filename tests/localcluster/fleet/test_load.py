from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from metrics_api.localcluster.fleet.load import IDLE, MIB, ContainerLoad, CpuCurve, draw_cpu_curve, draw_memory_curve
from metrics_api.localcluster.fleet.load_sum import LoadSum

EPOCH = 1_767_225_600.0
STILL = ((0.0, 60.0, 0.0), (0.0, 60.0, 0.0))


def make_load(
    *, seed: int = 1, idle: bool = False, started: float = EPOCH - 5000, every: float | None = None
) -> ContainerLoad:
    rng = Random(seed)
    curve = IDLE if idle else draw_cpu_curve(rng, 20e6)
    memory = draw_memory_curve(rng, 50 * MIB)
    return ContainerLoad(curve, memory, startup=30_000_000, started=started, epoch=EPOCH, restart_every=every)


def test_constant_usage_integrates_to_usage_times_time() -> None:
    curve = CpuCurve(5e6, STILL, None)

    assert curve.integral(100.0) - curve.integral(40.0) == 300e6


def test_a_burst_adds_its_height_for_its_length_in_each_period() -> None:
    curve = CpuCurve(0.0, STILL, (2e6, 10.0, 60.0, 0.0))

    used = [curve.integral(end) - curve.integral(0.0) for end in (5.0, 10.0, 59.0, 60.0, 64.0, 180.0)]

    assert used == [10e6, 20e6, 20e6, 20e6, 28e6, 60e6]


@pytest.mark.parametrize("seed", range(20))
def test_usage_is_never_negative_never_above_its_peak_and_moves(seed: int) -> None:
    curve = draw_cpu_curve(Random(seed), 20e6)

    rates = [(curve.integral(t + 1.0) - curve.integral(t)) for t in range(-600, 600)]

    assert 0 < min(rates) < max(rates) <= curve.peak
    assert max(rates) > 1.2 * min(rates)


def test_an_idle_container_s_counter_stands_still_at_what_its_start_cost() -> None:
    load = make_load(idle=True)

    assert {load.counter(EPOCH + t, load.created) for t in range(0, 90_000, 977)} == {30_000_000}


def test_a_restart_starts_the_counter_again_and_keeps_the_total() -> None:
    load = make_load()
    before = load.total(EPOCH + 100)

    load.restart(EPOCH + 100)

    assert load.life_start(EPOCH + 99) == EPOCH - 5000
    assert load.life_start(EPOCH + 100) == EPOCH + 100
    assert load.counter(EPOCH + 100, EPOCH + 100) == 30_000_000
    assert load.total(EPOCH + 100) == before + 30_000_000
    assert load.lives(EPOCH + 99) == 1
    assert load.lives(EPOCH + 101) == 2


def test_a_restart_before_the_last_start_is_refused() -> None:
    load = make_load()

    with pytest.raises(ValueError, match="would lie before the start"):
        load.restart(EPOCH - 6000)


def test_a_container_that_restarts_by_itself_begins_a_life_at_each_period() -> None:
    load = make_load(started=EPOCH, every=600.0)

    assert [load.life_start(EPOCH + t) - EPOCH for t in (0, 599, 600, 1900)] == [0, 0, 600, 1800]
    assert [load.lives(EPOCH + t) for t in (-1, 0, 599, 600, 1900)] == [0, 1, 1, 2, 4]


def test_periods_begin_anew_at_a_restart_that_was_asked_for() -> None:
    load = make_load(started=EPOCH, every=600.0)

    load.restart(EPOCH + 700)

    assert [load.life_start(EPOCH + t) - EPOCH for t in (650, 700, 1299, 1300)] == [600, 700, 700, 1300]
    assert load.lives(EPOCH + 1300) == 4


def test_before_its_first_life_a_container_has_used_nothing() -> None:
    load = make_load(started=EPOCH)

    assert load.total(EPOCH - 1) == 0
    assert load.working_set(EPOCH - 1) == 0


def test_the_working_set_is_whole_pages_and_moves_slowly() -> None:
    load = make_load()

    sizes = [load.working_set(EPOCH + 10 * step) for step in range(1000)]

    assert all(size % 4096 == 0 for size in sizes)
    assert len(set(sizes)) > 100
    assert max(abs(b - a) for a, b in pairwise(sizes)) < 0.03 * max(sizes)


@pytest.mark.parametrize("at", [-20.0, 0.0, 250.0, 5000.0], ids=["before some start", "epoch", "later", "much later"])
def test_a_sum_of_loads_is_what_they_are_together(at: float) -> None:
    loads = [
        make_load(seed=1),
        make_load(seed=2, started=EPOCH - 10),
        make_load(seed=3, idle=True),
        make_load(seed=4, every=77.0),
        make_load(seed=5),
    ]
    loads[4].restart(EPOCH + 200)
    together = LoadSum(loads)

    assert together.cpu(EPOCH + at) == pytest.approx(sum(load.total(EPOCH + at) for load in loads), abs=10)
    assert together.memory(EPOCH + at) == pytest.approx(
        sum(load.working_set(EPOCH + at) for load in loads), abs=4096 * len(loads)
    )


def test_a_sum_of_nothing_is_zero() -> None:
    assert LoadSum([]).cpu(EPOCH) == 0
    assert LoadSum([]).memory(EPOCH) == 0
