"""The short way for ordinary samples says what the rule says, or nothing."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics_api.model import READ_AGAIN, PodKey, Row, Sample
from metrics_api.store.encode import encode_head, encode_pod
from metrics_api.store.history import History, Lack, pack, unpack
from metrics_api.store.pods import whole_usage
from metrics_api.store.steady import Shape, SteadyUsage, follow, ordinary, shape_of
from metrics_api.store.store import Store
from metrics_api.store.usage import Span, Terms, advance
from tests.store.builders import GIB, SECOND, HandClock, node_info, pod_info, pod_of, sample, scrape

T = 1_788_264_000.0
TERMS = Terms(
    most_cpu=4.4 * SECOND,
    most_memory=16 * GIB,
    period=15.0,
    gap=60.0,
    longest=105.0,
    span=Span(T - 90, T + 60),
    monotonic=5_000,
    step=1.0,
    stamped=True,
)
MILLISECONDS = msgspec.structs.replace(TERMS, step=0.001)
NAMES = ("a", "b")


class _Case(msgspec.Struct, frozen=True):
    """A container with a history, and what is said of it next: ordinary but for what a test changes."""

    step: float = 1.0
    base_step: float = 1.0
    last: float = T
    base: int = 10**13
    """The counter before."""
    lack: int = Lack.NOTHING
    stamped: bool = True
    born: bool = False
    elapsed: float = 15.0
    rate: int | None = SECOND // 5
    off: float = 0.0
    """By how many granularities the counter and the rate differ."""
    odd: int = 0
    """Added to the counter."""
    total: int | None = -1
    """The counter, unless negative."""
    memory: int | None = 4096
    started: float | None = -100.0
    """Relative to the last sample."""
    terms: Terms = TERMS

    def history(self) -> History:
        """Return it as it comes back from its packed form, where granularities have single precision."""
        step, before = self.base_step, self.last - 15
        flags = (self.lack, self.stamped, self.born)
        return _packed(History(self.last, self.base, before, 1, 7, 8192, 17_000, step, step, 4_000, *flags))

    def said(self) -> Sample:
        """Return the sample."""
        step = max(self.step, self.base_step)
        used = int((SECOND // 5 if self.rate is None else self.rate) * (self.elapsed + self.off * step)) + self.odd
        total = self.base + used if self.total == -1 else self.total
        start = None if self.started is None else self.last + self.started
        return Sample(self.last + self.elapsed, total, self.rate, self.memory, start)


def _packed(history: History) -> History:
    return unpack(pack([history]))[0]


_DEVIATIONS: dict[str, tuple[object, ...]] = {
    "step": (0.001, 4.0),
    "base_step": (0.001,),
    "last": (T - 0.5, T - 10, T + 46, T - 106, 0.0),
    "base": (0, 1, (1 << 64) - 4 * SECOND),
    "lack": (Lack.NEW,),
    "stamped": (False,),
    "born": (True,),
    "elapsed": (0.0, 0.0004, 1.4, 4.9, 5.0, 15.0006, 19.9994, 60.0, 60.5, 105.0, 106.0, -1.0, -40.0),
    "rate": (None, 0, 1, 4 * SECOND, int(4.4 * SECOND), 5 * SECOND, 1 << 63),
    "off": (1.0, -1.0, 1.5, -1.5, 30.0),
    "odd": (1, -1, -(10**13)),
    "total": (None, 0, 1, 1 << 64),
    "memory": (None, 0, 1, 16 * GIB, 16 * GIB + 1),
    "started": (None, -0.5, 0.0, 1.0, math.nan),
    "terms": (
        msgspec.structs.replace(TERMS, counts=False),
        msgspec.structs.replace(TERMS, least_memory=1),
        msgspec.structs.replace(TERMS, gap=20.0),
        msgspec.structs.replace(TERMS, longest=20.0),
    ),
}


_OTHERS = (_Case(), _Case(elapsed=12.0), _Case(last=T - 2, elapsed=17.0), _Case(elapsed=0.0))
"""What is said of the other container: at the same time, earlier, over another window, nothing new."""


def _cases() -> Iterator[_Case]:
    """Yield what deviates from the ordinary in no way, in every one, and in every two."""
    single = [(name, value) for name, values in _DEVIATIONS.items() for value in values]
    yield _Case()
    for pair in itertools.combinations_with_replacement(single, 2):
        yield msgspec.structs.replace(_Case(), **dict(pair))


def test_what_the_short_way_says_is_what_the_rule_says() -> None:
    shape = shape_of(NAMES, NAMES, ())
    assert shape is not None
    answers: Counter[str] = Counter()
    for case, other in itertools.product(_cases(), _OTHERS):
        terms = msgspec.structs.replace(case.terms, step=case.step)
        histories, samples = [case.history(), other.history()], [case.said(), other.said()]
        usual, packed = ordinary(terms), pack(histories)
        followed = None if usual is None else follow(shape, packed, dict(zip(NAMES, samples, strict=True)), usual)
        answers["none" if followed is None else "same" if followed[0] is packed else "new"] += 1
        if followed is not None:
            _compare(shape, histories, samples, terms, packed, followed)
    assert answers["none"] > 1000
    assert answers["new"] > 1000
    assert answers["same"] > 20


def _compare(
    shape: Shape,
    histories: list[History],
    samples: list[Sample],
    terms: Terms,
    packed: bytes,
    followed: tuple[bytes, float],
) -> None:
    by_rule = [advance(history, said, terms) for history, said in zip(histories, samples, strict=True)]
    expected = [_packed(history) for history in by_rule]
    assert unpack(followed[0]) == expected, (histories, samples, terms)
    assert (followed[0] is packed) == all(new is old for new, old in zip(by_rule, histories, strict=True))
    usage = whole_usage(pod_info("web", *NAMES), NAMES, expected, terms.span)
    assert usage is not None, "each container has usage"
    steady = SteadyUsage(followed[1], shape, followed[0])
    assert (steady.time, steady.usage()) == (usage.time, usage)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1 << 40), st.integers(0, 1 << 40)), min_size=2, max_size=2),
    st.dictionaries(st.text(), st.text(), max_size=3),
)
def test_an_item_made_when_asked_for_is_the_one_that_is_made_of_the_usage(
    quantities: list[tuple[int, int]], labels: dict[str, str]
) -> None:
    shape = shape_of(("a%s<", "b"), (), ())
    assert shape is not None
    packed = pack([History(T, 1, 0.0, 0, cpu, memory, 15_000) for cpu, memory in quantities])
    steady = SteadyUsage(T, shape, packed)
    row = Row("shop", "web", labels, steady, T + 1, None)
    item = encode_pod(encode_head("shop", "web", labels), T + 1, steady.usage())
    assert [(one.cpu, one.memory) for one in row.usage.containers] == quantities
    assert row.item == item
    assert steady.item(row, item) == item


@pytest.mark.parametrize("terms", [TERMS, MILLISECONDS], ids=["whole seconds", "milliseconds"])
@pytest.mark.parametrize(
    ("said", "is_ordinary"),
    [
        pytest.param(sample(T + 15, 103 * SECOND, SECOND // 5, start=T - 50), True, id="a rate that fits"),
        pytest.param(sample(T + 15, 103 * SECOND, SECOND, start=T - 50), True, id="a rate that does not"),
        pytest.param(sample(T + 15, 103 * SECOND, 0), True, id="a rate of zero"),
        pytest.param(sample(T + 15, 103 * SECOND), True, id="no rate"),
        pytest.param(sample(T, 100 * SECOND, 7), True, id="the same again"),
        pytest.param(sample(T + 15, 99 * SECOND), False, id="a counter that fell"),
        pytest.param(sample(T + 15, 103 * SECOND, start=T + 3), False, id="a restart"),
        pytest.param(sample(T + 4, 103 * SECOND), False, id="a near sample"),
        pytest.param(sample(T - 1, 103 * SECOND), False, id="an earlier sample"),
        pytest.param(sample(T + 15, 103 * SECOND, memory=None), False, id="no memory"),
        pytest.param(sample(T + 15, 103 * SECOND, memory=17 * GIB), False, id="too much memory"),
        pytest.param(sample(T + 15, 200 * SECOND), False, id="too much CPU"),
        pytest.param(sample(T + 15, None), False, id="no counter"),
        pytest.param(sample(T + 61, 103 * SECOND), False, id="from the future"),
    ],
)
def test_which_samples_are_ordinary(said: Sample, terms: Terms, is_ordinary: bool) -> None:
    history = History(T, 100 * SECOND, 0.0, 0, 7, 4096, 20_000, terms.step, 0.0, 4_985, 0)
    usual, shape = ordinary(terms), shape_of(("a",), ("a",), ())
    assert usual is not None
    assert shape is not None
    assert (follow(shape, pack([history]), {"a": said}, usual) is not None) == is_ordinary


@pytest.mark.parametrize(
    ("names", "required", "finished", "has_shape"),
    [
        (("a", "b"), ("a", "b"), (), True),
        (("a", "b"), (), (), True),
        (("a", "debugger"), ("a",), (), True),
        (("a",), ("a", "b"), (), False),
        (("a", "i"), ("a",), ("i",), False),
        ((), (), (), False),
        (tuple(f"c{number:02d}" for number in range(17)), (), (), False),
    ],
)
def test_a_pod_has_a_shape_when_all_its_containers_are_served(
    names: tuple[str, ...], required: tuple[str, ...], finished: tuple[str, ...], has_shape: bool
) -> None:
    assert (shape_of(names, required, finished) is not None) == has_shape


def _scrape_again(store: Store, clock: HandClock, turn: int) -> Row:
    clock.forward(15)
    said = sample(clock.now() - 5, (100 + turn) * SECOND, SECOND // 15, start=clock.now() - 5_000)
    store.record(node_info(), scrape(clock, pod_of({"app": said})))
    row = store.pod("shop", "web")
    assert row is not None
    return row


def test_an_item_nobody_reads_is_not_made_and_one_that_is_read_is_made_ahead_for_a_while(
    store: Store, clock: HandClock
) -> None:
    store.set_pod(pod_info("web", "app"))
    assert [_scrape_again(store, clock, turn).encoded for turn in range(3)] == [None] * 3
    row = _scrape_again(store, clock, 3)
    read = row.item
    assert row.encoded == read

    ahead = [_scrape_again(store, clock, 4 + turn).encoded for turn in range(READ_AGAIN + 1)]
    assert None not in ahead[:-1]
    assert len({read, *ahead[:-1]}) == READ_AGAIN + 1, "each is of its own scrape"
    assert ahead[-1] is None
    asked = row.item
    assert asked == encode_pod(encode_head("shop", "web", {"app": "web"}), clock.now(), row.usage)


def test_new_labels_are_in_an_item_that_was_made_before_and_in_one_that_was_not(store: Store, clock: HandClock) -> None:
    for read_before in (True, False):
        store.set_pod(pod_info("web", "app"))
        row = [_scrape_again(store, clock, turn) for turn in range(READ_AGAIN + 2)][-1]
        assert row.item if read_before else row.encoded is None
        store.set_pod(pod_info("web", "app", labels={"app": "db"}))
        assert b'"labels":{"app":"db"}' in row.item
        store.remove_pod(PodKey(row.namespace, row.name))
