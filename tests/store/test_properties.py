"""What holds whatever a kubelet says."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from metrics_api.model import Sample
from tests.store.builders import GIB, MAX_AGE, SECOND, HandClock, new_store, node_info, pod_info, pod_of, sample, scrape

_Said = tuple[float, int | None, int | None, int | None, float | None]
"""Time, counter, rate, working set and start of a container; the times are relative to the scrape's."""

_COUNTERS = st.one_of(st.none(), st.integers(0, 400 * SECOND), st.integers(0, (1 << 64) + 1))
_OFFSETS = st.one_of(
    st.integers(-30, 5), st.integers(-200, 200), st.floats(-1e6, 1e6), st.sampled_from([math.nan, math.inf])
)
_CONTAINERS = st.dictionaries(
    st.sampled_from(["a", "b", "ephemeral", "init"]),
    st.tuples(_OFFSETS, _COUNTERS, _COUNTERS, st.one_of(st.none(), st.integers(0, 1 << 50)), st.none() | _OFFSETS),
)
_SCRAPES = st.lists(
    st.tuples(st.sampled_from([1, 5, 15, 40]), _CONTAINERS, st.none() | _OFFSETS, st.sampled_from([1.0, 0.001])),
    max_size=8,
)


@settings(deadline=None)
@given(_SCRAPES, st.sampled_from([("a", "b"), ("a",), ()]), st.booleans())
def test_whatever_a_kubelet_says(
    scrapes: list[tuple[int, dict[str, _Said], float | None, float]],
    required: tuple[str, ...],
    unstamped: bool,
) -> None:
    clock = HandClock()
    store = new_store(clock)
    store.set_pod(pod_info("web", *required, finished=("init",)))
    before: tuple[object, float] | None = None
    for seconds, containers, ahead, step in scrapes:
        clock.forward(seconds)
        now = clock.now()
        samples = {
            name: Sample(now + time, total, rate, memory, None if start is None else now + start)
            for name, (time, total, rate, memory, start) in containers.items()
        }
        date = None if ahead is None else now + ahead
        document = scrape(clock, pod_of(samples), node=samples.get("a"), step=step, unstamped=unstamped, date=date)
        store.record(node_info(), document)
        store.set_pod(pod_info("web", *required, finished=("init",), started=now))
        store.expire()

        row = store.pod("shop", "web")
        if row is not None:
            names = [usage.name for usage in row.usage.containers]
            assert names == sorted(names), "the order is stable"
            assert names, "there is something in it"
            assert "init" not in names, "a finished container is never served"
            assert set(required) <= set(names), "a pod is served whole"
            assert row.usage.window > 0
            for usage in row.usage.containers:
                assert usage.cpu >= 0
                assert 0 <= usage.memory <= 16 * GIB
            if before is not None and before[0] is row:
                assert row.usage.time >= before[1], "a served time does not go back"
        node = store.node("node-a")
        assert node is None or node.usage.containers[0].memory > 0
        before = None if row is None else (row, row.usage.time)
    clock.forward(MAX_AGE + 120)
    store.expire()
    assert not store.pods(None), "in the end all is too old"
    assert not store.nodes()


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 60), st.integers(0, 9)), min_size=1, max_size=12))
def test_a_rate_of_zero_is_never_served_before_a_second_distinct_sample(scrapes: list[tuple[int, int, int]]) -> None:
    clock = HandClock()
    store = new_store(clock)
    store.set_pod(pod_info("web", "app"))
    times = set()
    for seconds, age, used in scrapes:
        clock.forward(seconds)
        time = clock.now() - age
        store.record(node_info(), scrape(clock, pod_of({"app": sample(time, (100 + used) * SECOND, 0)})))
        times.add(time)
        assert len(times) > 1 or not store.pods(None)
