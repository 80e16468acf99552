import math
from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_api.model import NodeInfo, Sample
from metrics_api.store.history import NO_HISTORY, History, Lack, pack, unpack
from metrics_api.store.usage import Span, Terms, advance, most_cpu, most_memory
from tests.store.builders import GIB, SECOND, node_info, sample

T = 1_788_264_000.0
CORE = SECOND  # nanocores
TERMS = Terms(
    most_cpu=1.1 * 4 * CORE,
    most_memory=16 * GIB,
    period=15.0,
    gap=60.0,
    longest=105.0,
    span=Span(T - 10_000, T + 10_000),
    monotonic=1000,
    step=1.0,
    stamped=True,
)
LONG_PERIOD = msgspec.structs.replace(TERMS, period=60.0, gap=105.0, longest=330.0)
FINE = msgspec.structs.replace(TERMS, step=0.001)
NODE = msgspec.structs.replace(TERMS, rate_window=10.0, least_memory=1)
WINDOWS = msgspec.structs.replace(NODE, counts=False)


@dataclass(frozen=True)
class Cpu:
    nanocores: int
    window: float


def at(
    seconds: float, used: float | None = 0.0, rate: int | None = None, start: float | None = None, memory: int = 4096
) -> Sample:
    """Return a sample at T + seconds whose counter stands at 1000 core-seconds + used; ``start`` is relative to T."""
    total = None if used is None else round((1000 + used) * SECOND)
    return sample(T + seconds, total, rate, memory=memory, start=None if start is None else T + start)


def feed(terms: Terms, *samples: Sample) -> History:
    """Take samples in, a period apart by our clock."""
    history = NO_HISTORY
    for turn, new in enumerate(samples):
        history = advance(history, new, msgspec.structs.replace(terms, monotonic=1000 + turn * int(terms.period)))
    return history


def result(history: History) -> Cpu | Lack:
    return Lack(history.lack) if history.lack else Cpu(history.cpu, history.window_ms / 1000)


def begun(seconds: float, age: float, used: float, rate: int | None = None) -> Sample:
    """Return a sample at T + seconds of a container of that age that has used so many core-seconds in its life."""
    return sample(T + seconds, round(used * SECOND), rate, start=T + seconds - age)


@pytest.mark.parametrize(
    ("terms", "first", "expected"),
    [
        pytest.param(TERMS, at(0, rate=248113905), Cpu(248113905, 20), id="a positive rate over the kubelet's window"),
        pytest.param(NODE, at(0, rate=412318774), Cpu(412318774, 10), id="a node's rate over its window"),
        pytest.param(TERMS, at(0, rate=0), Lack.NEW, id="a rate of 0 is unknown"),
        pytest.param(TERMS, at(0), Lack.NEW, id="no rate, no start"),
        pytest.param(TERMS, at(0, rate=4_400_000_000), Cpu(4_400_000_000, 20), id="a rate of 1.1 x the cores"),
        pytest.param(TERMS, at(0, rate=4_400_000_001), Lack.NEW, id="a rate of more"),
        pytest.param(TERMS, at(0, rate=1 << 63), Lack.NEW, id="a rate divided by zero"),
        pytest.param(TERMS, begun(0, 30, 3, rate=18 * 10**17), Cpu(CORE // 10, 30), id="a wrapped rate, but fresh"),
        pytest.param(TERMS, begun(0, 30, 3, rate=5), Cpu(5, 20), id="the rate comes before freshness"),
        pytest.param(TERMS, begun(0, 30, 3, rate=0), Cpu(CORE // 10, 30), id="fresh with a rate of 0"),
        pytest.param(TERMS, begun(0, 9, 3), Lack.NEW, id="9 s old is too young"),
        pytest.param(TERMS, begun(0, 10, 1), Cpu(CORE // 10, 10), id="10 s old is fresh"),
        pytest.param(TERMS, begun(0, 59, 59), Cpu(CORE, 59), id="59 s old is fresh"),
        pytest.param(TERMS, begun(0, 60, 60), Lack.NEW, id="60 s old is not"),
        pytest.param(
            LONG_PERIOD, begun(0, 119, 119), Cpu(CORE, 119), id="fresh is up to two periods when they are long"
        ),
        pytest.param(LONG_PERIOD, begun(0, 120, 120), Lack.NEW, id="and not more"),
        pytest.param(TERMS, begun(0, 10, 49), Lack.NEW, id="fresh with more than the cores can do"),
        pytest.param(TERMS, begun(0, -2, 61), Lack.NEW, id="a start after the sample"),
        pytest.param(TERMS, begun(0, -2, 61, rate=7), Cpu(7, 20), id="a start after the sample does not spoil a rate"),
        pytest.param(TERMS, at(0, None, rate=7), Lack.NO_CPU, id="no counter"),
        pytest.param(TERMS, sample(T, 0, 7), Lack.NO_CPU, id="a counter at 0"),
        pytest.param(TERMS, sample(T, 1 << 64, 7), Lack.NO_CPU, id="a counter beyond 64 bits"),
        pytest.param(TERMS, sample(T, -1, 7), Lack.NO_CPU, id="a negative counter"),
        pytest.param(TERMS, sample(T - 10_001, 5, 7), Lack.STALE, id="too old"),
        pytest.param(TERMS, sample(T + 10_001, 5, 7), Lack.FUTURE, id="ahead of the node's clock"),
        pytest.param(TERMS, sample(math.nan, 5, 7), Lack.FUTURE, id="no time at all"),
        pytest.param(TERMS, at(0, rate=7, memory=17 * GIB), Lack.MEMORY_BOUND, id="more memory than twice the node's"),
        pytest.param(TERMS, at(0, rate=7, memory=16 * GIB), Cpu(7, 20), id="as much memory as that"),
        pytest.param(TERMS, sample(T, 5, 7, memory=None), Lack.NO_MEMORY, id="no working set"),
        pytest.param(TERMS, sample(T, 5, 7, memory=0), Cpu(7, 20), id="a working set of 0 beside a counter"),
        pytest.param(NODE, sample(T, 5, 7, memory=0), Lack.NO_MEMORY, id="a node without memory"),
        pytest.param(WINDOWS, at(0, rate=7), Cpu(7, 10), id="Windows: the rate"),
        pytest.param(WINDOWS, at(0, None, rate=7), Cpu(7, 10), id="Windows: the rate without a counter"),
        pytest.param(WINDOWS, begun(0, 30, 3, rate=0), Lack.NEW, id="Windows: a first 0, though fresh"),
        pytest.param(WINDOWS, begun(0, 30, 3), Lack.NO_CPU, id="Windows: no rate, though fresh"),
        pytest.param(WINDOWS, at(0, rate=1 << 63), Lack.CPU_BOUND, id="Windows: a rate beyond the cores"),
        pytest.param(WINDOWS, sample(T, 0, 0, memory=0), Lack.NO_MEMORY, id="Windows: all zero"),
    ],
)
def test_the_first_sample_gives(terms: Terms, first: Sample, expected: Cpu | Lack) -> None:
    assert result(feed(terms, first)) == expected


# 1.6 core-seconds in 16 s: 0.1 cores; the true distance is between 15 and 17 s.
LOW, MIDDLE, HIGH = 94117648, 100000000, 106666666


@pytest.mark.parametrize(
    ("terms", "samples", "expected"),
    [
        pytest.param(TERMS, [at(0), at(16, 1.6, rate=103)], Cpu(MIDDLE, 16), id="a rate out of bounds is not used"),
        pytest.param(TERMS, [at(0), at(16, 1.6)], Cpu(MIDDLE, 16), id="no rate"),
        pytest.param(TERMS, [at(0), at(16, 1.6, rate=0)], Cpu(MIDDLE, 16), id="a rate of 0 beside a rising counter"),
        pytest.param(TERMS, [at(0), at(16, 1.6, rate=LOW)], Cpu(LOW, 16), id="a rate at the lower bound"),
        pytest.param(TERMS, [at(0), at(16, 1.6, rate=LOW - 1)], Cpu(MIDDLE, 16), id="a rate below it"),
        pytest.param(TERMS, [at(0), at(16, 1.6, rate=HIGH)], Cpu(HIGH, 16), id="a rate at the upper bound"),
        pytest.param(TERMS, [at(0), at(16, 1.6, rate=HIGH + 1)], Cpu(MIDDLE, 16), id="a rate above it"),
        pytest.param(TERMS, [at(0), at(16, 1.6, rate=1 << 63)], Cpu(MIDDLE, 16), id="a rate that is garbage"),
        pytest.param(TERMS, [at(0), at(16, 0, rate=5)], Cpu(0, 16), id="a counter that stands still is 0"),
        pytest.param(TERMS, [at(0), at(16, 0, rate=0)], Cpu(0, 16), id="so it is with a rate of 0"),
        pytest.param(
            TERMS, [at(0), at(1, 0.1, rate=200000000)], Cpu(200000000, 1), id="1 s apart may be half a second"
        ),
        pytest.param(TERMS, [at(0), at(1, 0.1, rate=200000001)], Cpu(MIDDLE, 1), id="but not less"),
        pytest.param(FINE, [at(0), at(15.034, 1.5034)], Cpu(MIDDLE, 15.034), id="milliseconds"),
        pytest.param(FINE, [at(0), at(16, 1.6, rate=HIGH)], Cpu(MIDDLE, 16), id="milliseconds leave a rate no room"),
        pytest.param(FINE, [at(0), at(16, 1.6, rate=100005000)], Cpu(100005000, 16), id="but a millisecond's worth"),
        # Duplicates and steps back
        pytest.param(TERMS, [at(0, rate=7), at(0, rate=8)], Cpu(7, 20), id="a repeated sample"),
        pytest.param(TERMS, [at(0, rate=7), *[at(0, rate=8)] * 9], Cpu(7, 20), id="a sample repeated for long"),
        pytest.param(TERMS, [at(0), at(16, 1.6), at(16, 1.6)], Cpu(MIDDLE, 16), id="a repeated second sample"),
        pytest.param(TERMS, [at(0, rate=7), at(-12, -1, rate=8)], Cpu(7, 20), id="a step back to an older sample"),
        pytest.param(TERMS, [at(0), at(-12, -1)], Lack.NEW, id="a step back brings nothing to know"),
        pytest.param(
            TERMS, [at(0), at(-12, -1), at(16, 1.6)], Cpu(MIDDLE, 16), id="after a step back, the old baseline"
        ),
        pytest.param(
            TERMS, [at(0, rate=7), *[at(-999, -9, rate=8)] * 2], Cpu(7, 20), id="a step back that lasts two periods"
        ),
        pytest.param(
            TERMS,
            [at(0, rate=7), *[at(-999, -9, rate=8)] * 3],
            Cpu(8, 20),
            id="one that lasts longer: the clock was set",
        ),
        pytest.param(
            TERMS,
            [at(0), *[at(-999, -9)] * 3, at(-983, -9 + 1.6)],
            Cpu(MIDDLE, 16),
            id="from then on the new times count",
        ),
        # Restarts
        pytest.param(
            TERMS, [at(0, 0, 7, start=-900), at(21, -999, rate=121400550, start=9)], Cpu(121400550, 20), id="a restart"
        ),
        pytest.param(TERMS, [at(0, 0, 7, start=-900), at(21, -999, start=9)], Cpu(83333333, 12), id="a fresh restart"),
        pytest.param(TERMS, [at(0, 0, 7, start=-900), at(12, -999, start=9)], Lack.NEW, id="a restart 3 s ago"),
        pytest.param(
            TERMS, [at(0, 0, 7, start=-900), at(16, 9, start=15)], Lack.NEW, id="a restart with a high counter"
        ),
        pytest.param(TERMS, [at(0, 0, 7), at(16, -900)], Lack.NEW, id="a counter that falls without a start"),
        pytest.param(TERMS, [at(0, 0, 7), at(16, -900, rate=9)], Cpu(9, 20), id="a counter that falls, with a rate"),
        pytest.param(TERMS, [at(0, 0), at(16, -900), at(32, -898.4)], Cpu(MIDDLE, 16), id="the sample after that"),
        pytest.param(
            TERMS, [at(0, 0, start=-900), at(16, 1.6, start=-899)], Cpu(MIDDLE, 16), id="a start that jitters is none"
        ),
        pytest.param(
            TERMS,
            [at(0, 0, start=-900), at(16, 1.6, start=0)],
            Lack.NEW,
            id="a restart in the very second of the sample",
        ),
        pytest.param(
            TERMS, [at(0, 0, start=0), at(16, 1.6, start=0)], Cpu(MIDDLE, 16), id="a sample in the second of the start"
        ),
        # Samples too near each other
        pytest.param(
            TERMS, [at(0), at(16, 1.6), at(20, 2.4)], Cpu(120000000, 20), id="4 s after: against the one before"
        ),
        pytest.param(TERMS, [at(0), at(16, 1.6), at(21, 2.6)], Cpu(200000000, 5), id="5 s after: against the last"),
        pytest.param(TERMS, [at(0), at(4, 0.8)], Cpu(200000000, 4), id="4 s after the first: against it"),
        pytest.param(
            TERMS, [at(0), at(16, -900), at(20, -899)], Cpu(250000000, 4), id="never against one before a restart"
        ),
        # Gaps
        pytest.param(TERMS, [at(0), at(60, 6, rate=5)], Cpu(MIDDLE, 60), id="a period and 45 s is no gap"),
        pytest.param(TERMS, [at(0), at(61, 6.1, rate=5)], Cpu(5, 20), id="across a gap the rate over its own window"),
        pytest.param(TERMS, [at(0), at(61, 6.1, rate=0)], Cpu(MIDDLE, 61), id="across a gap with a rate of 0"),
        pytest.param(TERMS, [at(0), at(61, 6.1)], Cpu(MIDDLE, 61), id="across a gap without a rate"),
        pytest.param(TERMS, [at(0), at(61, 6.1, rate=1 << 63)], Cpu(MIDDLE, 61), id="across a gap with garbage"),
        pytest.param(NODE, [at(0), at(61, 6.1, rate=5)], Cpu(5, 10), id="across a gap, a node"),
        pytest.param(LONG_PERIOD, [at(0), at(105, 10.5, rate=5)], Cpu(MIDDLE, 105), id="no gap when periods are long"),
        pytest.param(TERMS, [at(0), at(105, 10.5)], Cpu(MIDDLE, 105), id="five periods and 30 s are compared"),
        pytest.param(TERMS, [at(0), at(106, 10.6)], Lack.NEW, id="more is a machine that slept"),
        pytest.param(TERMS, [at(0), at(106, 10.6, rate=5)], Cpu(5, 20), id="it wakes with a rate"),
        pytest.param(TERMS, [at(0), at(3600), at(3616, 1.6)], Cpu(MIDDLE, 16), id="the sample after that is compared"),
        # Bounds
        pytest.param(TERMS, [at(0), at(16, 75)], Lack.CPU_BOUND, id="more than the cores can do"),
        pytest.param(TERMS, [at(0), at(16, 75, rate=5)], Lack.CPU_BOUND, id="more, with a rate"),
        pytest.param(TERMS, [at(0), at(16, 74.8)], Cpu(4675000000, 16), id="as much as they can in a second longer"),
        pytest.param(
            TERMS, [at(0), at(16, 75), at(32, 76.6)], Cpu(MIDDLE, 16), id="the sample after an impossible one"
        ),
        pytest.param(
            TERMS,
            [at(0), at(16, 75), at(16, 75)],
            Lack.CPU_BOUND,
            id="an impossible sample repeated stays without usage",
        ),
        # Memory
        pytest.param(
            TERMS, [at(0, memory=17 * GIB), at(16, 1.6)], Cpu(MIDDLE, 16), id="a counter is kept when memory is absurd"
        ),
        pytest.param(TERMS, [at(0), at(16, 1.6, memory=17 * GIB)], Lack.MEMORY_BOUND, id="absurd memory later"),
        # No data in between
        pytest.param(
            TERMS, [at(0), at(8, None), at(16, 1.6)], Cpu(MIDDLE, 16), id="a scrape without counter in between"
        ),
        pytest.param(TERMS, [at(0, rate=7), at(8, None)], Lack.NO_CPU, id="a counter that goes missing"),
        pytest.param(
            TERMS, [at(0, rate=7), at(8, None), at(0)], Cpu(7, 20), id="a known sample after one without counter"
        ),
        pytest.param(TERMS, [at(0, rate=7), at(20_000, 9)], Lack.FUTURE, id="a sample from the future later"),
        pytest.param(TERMS, [at(0), at(20_000, 9), at(16, 1.6)], Cpu(MIDDLE, 16), id="it does not become the baseline"),
        # Windows nodes
        pytest.param(
            WINDOWS,
            [at(0, rate=1680000000), at(30, 5.04, rate=1680000001)],
            Cpu(1680000001, 10),
            id="Windows: no delta",
        ),
        pytest.param(WINDOWS, [at(0, rate=7), at(15, rate=0)], Cpu(0, 10), id="Windows: a later 0 is 0"),
        pytest.param(WINDOWS, [at(0, rate=7), at(0, rate=8)], Cpu(7, 10), id="Windows: a repeated sample"),
        pytest.param(WINDOWS, [at(0, rate=7), at(-9, rate=8)], Cpu(7, 10), id="Windows: a step back"),
        pytest.param(WINDOWS, [at(0, rate=7), *[at(-99, rate=8)] * 3], Cpu(8, 10), id="Windows: a clock set back"),
        pytest.param(WINDOWS, [at(0, rate=7), at(15)], Lack.NO_CPU, id="Windows: no rate any more"),
        pytest.param(WINDOWS, [at(0, rate=7), at(15, rate=1 << 63)], Lack.CPU_BOUND, id="Windows: garbage"),
        pytest.param(WINDOWS, [at(0, rate=7), at(3600, rate=8)], Cpu(8, 10), id="Windows: a gap means nothing"),
    ],
)
def test_later_samples_give(terms: Terms, samples: list[Sample], expected: Cpu | Lack) -> None:
    assert result(feed(terms, *samples)) == expected


def test_a_known_sample_leaves_the_very_history() -> None:
    history = feed(TERMS, at(0), at(16, 1.6, rate=MIDDLE))

    assert advance(history, at(16, 1.6, rate=MIDDLE), TERMS) is history
    assert advance(history, at(4, 1.1, rate=MIDDLE), TERMS) is history


def test_the_coarser_of_two_endpoints_times_sets_the_bounds() -> None:
    summary, resource = TERMS, FINE
    from_resource = advance(NO_HISTORY, at(0), resource)
    from_summary = advance(NO_HISTORY, at(0), summary)

    assert result(advance(from_resource, at(16, 1.6, rate=HIGH), summary)) == Cpu(HIGH, 16)
    assert result(advance(from_summary, at(16, 1.6, rate=HIGH), resource)) == Cpu(HIGH, 16)
    assert result(advance(from_resource, at(16, 1.6, rate=HIGH), resource)) == Cpu(MIDDLE, 16)


def test_the_older_baseline_brings_its_own_granularity() -> None:
    history = advance(advance(NO_HISTORY, at(0), TERMS), at(14, 1.4), FINE)

    assert result(advance(history, at(16, 1.6, rate=HIGH), FINE)) == Cpu(HIGH, 16)


def test_our_own_times_are_not_compared_with_a_kubelets() -> None:
    ours = msgspec.structs.replace(FINE, stamped=False)
    stamped = advance(NO_HISTORY, at(0, 0, 7), FINE)
    unstamped = advance(stamped, at(16, 1.6), ours)

    assert result(unstamped) is Lack.NEW
    assert result(advance(unstamped, at(32, 3.2), ours)) == Cpu(MIDDLE, 16)
    assert result(advance(unstamped, at(32, 3.2), FINE)) is Lack.NEW


@pytest.mark.parametrize(
    ("node", "cpu", "memory"),
    [
        pytest.param(node_info(cpu_cores=4.0, memory_capacity=8 * GIB), 4.4 * CORE, 16 * GIB, id="known"),
        pytest.param(node_info(cpu_cores=None, memory_capacity=None), 4505.6 * CORE, 1 << 51, id="not known"),
        pytest.param(node_info(cpu_cores=0.0, memory_capacity=0), 4505.6 * CORE, 1 << 51, id="zero"),
        pytest.param(node_info(cpu_cores=1e30, memory_capacity=1 << 80), 4505.6 * CORE, 1 << 51, id="boasting"),
        pytest.param(node_info(cpu_cores=math.nan, memory_capacity=-1), 4505.6 * CORE, 1 << 51, id="nonsense"),
    ],
)
def test_the_bounds_of_a_node(node: NodeInfo, cpu: float, memory: int) -> None:
    assert most_cpu(node) == pytest.approx(cpu)
    assert most_memory(node) == memory


_COUNTERS = st.integers(1, (1 << 64) - 1)
_SAMPLES = st.builds(
    sample,
    st.one_of(st.integers(-200, 200).map(lambda offset: T + offset), st.floats(T - 200, T + 200)),
    st.one_of(st.none(), st.just(0), st.integers(1, 500 * SECOND), _COUNTERS),
    st.one_of(st.none(), st.just(0), st.integers(1, 5 * CORE), _COUNTERS),
    memory=st.one_of(st.none(), st.integers(0, 20 * GIB)),
    start=st.one_of(st.none(), st.integers(-300, 300).map(lambda offset: T + offset)),
)


@given(st.lists(_SAMPLES, max_size=8), st.sampled_from([TERMS, FINE, NODE, WINDOWS, LONG_PERIOD]))
def test_whatever_comes_usage_stays_within_what_the_node_can_do(samples: list[Sample], terms: Terms) -> None:
    history = NO_HISTORY
    for turn, new in enumerate(samples):
        before = history
        history = advance(history, new, msgspec.structs.replace(terms, monotonic=1000 + turn * 15))
        _assert_packs(history)
        if history.lack:
            continue
        window = history.window_ms / 1000
        assert window > 0
        assert 0 <= history.cpu <= terms.most_cpu * (window + terms.step + 0.001) / window
        assert terms.least_memory <= history.memory <= terms.most_memory
        if history.cpu == 0 and history is not before and history.time != before.time:
            assert before.time, "a 0 came of a first sample"


@given(st.lists(st.tuples(st.integers(1, 4_000_000_000), st.integers(5, 60)), min_size=1, max_size=6))
def test_a_steady_load_within_the_cores_is_told_within_the_error_of_whole_seconds(steps: list[tuple[int, int]]) -> None:
    time, total, history = T, 10**12, feed(TERMS, sample(T, 10**12))
    for nanocores, seconds in steps:
        time, total = time + seconds, total + nanocores * seconds
        history = advance(history, sample(time, total, nanocores), TERMS)

        assert result(history) == Cpu(nanocores, seconds)


def _assert_packs(history: History) -> None:
    (stored,) = unpack(pack([history]))
    assert stored.step == pytest.approx(history.step)
    assert stored.prev_step == pytest.approx(history.prev_step)
    assert msgspec.structs.replace(stored, step=history.step, prev_step=history.prev_step) == history
