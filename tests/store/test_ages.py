"""How long usage is served, and what a node's clock does to that."""

import pytest

from metrics_api.model import NodeSamples, Sample
from metrics_api.store.nodes import estimate_skew
from metrics_api.store.store import Store
from tests.store.builders import MAX_AGE, SECOND, HandClock, node_info, pod_info, pod_of, pod_sample, sample, scrape


def take(store: Store, clock: HandClock, *, age: float = 5, ahead: float = 0, date: bool = True) -> None:
    """Take in a scrape of samples of that age, from a node whose clock is ahead of ours."""
    taken = clock.now() + ahead - age
    of_all = sample(taken, int(clock.monotonic()) * SECOND, rate=7)
    dated = (clock.now() + ahead) // 1 if date else None
    store.record(node_info(), scrape(clock, pod_sample(app=of_all), node=of_all, date=dated))


def serves(store: Store) -> bool:
    """Tell whether both objects are served; they are alike in every way here."""
    node, pod = store.node("node-a"), store.pod("shop", "web")
    assert (node is None) == (pod is None)
    assert store.served_nodes == store.served_pods == len(store.nodes()) == len(store.pods(None))
    return node is not None


@pytest.fixture(autouse=True)
def _known(store: Store) -> None:
    store.set_pod(pod_info("web", "app"))


@pytest.mark.parametrize("age", [0, 5, 40])
@pytest.mark.parametrize("ahead", [0, 55, -7200, 7200], ids=lambda ahead: f"{ahead} s ahead")
def test_usage_is_served_until_its_sample_is_too_old(store: Store, clock: HandClock, age: float, ahead: float) -> None:
    take(store, clock, age=age, ahead=ahead)
    clock.forward(MAX_AGE - age - 1.5)
    store.expire()
    assert serves(store)
    clock.forward(2)
    store.expire()

    assert not serves(store)


def test_usage_goes_when_it_is_older_than_the_limit_and_not_when_it_is_as_old(store: Store, clock: HandClock) -> None:
    take(store, clock, age=0, date=False)
    clock.forward(MAX_AGE)
    store.expire()
    row = store.node("node-a")
    assert serves(store)
    store.expire()
    assert store.node("node-a") is row, "it is not taken away and given back"
    clock.forward(1)
    store.expire()
    assert not serves(store)


def test_a_step_of_our_own_wall_clock_changes_no_age(store: Store, clock: HandClock) -> None:
    take(store, clock)
    clock.step_wall(86_400)
    clock.forward(MAX_AGE - 7)
    store.expire()
    assert serves(store)
    clock.step_wall(-2 * 86_400)
    clock.forward(3)
    store.expire()

    assert not serves(store)


def test_the_served_time_is_the_kubelets_whatever_its_clock(store: Store, clock: HandClock) -> None:
    take(store, clock, ahead=7200)

    row = store.pod("shop", "web")
    assert row is not None
    assert row.usage.time == clock.now() + 7200 - 5


def test_scrapes_that_repeat_a_sample_do_not_make_it_younger(store: Store, clock: HandClock) -> None:
    for _ in range(6):
        take(store, clock, age=5)
        clock.forward(15)
    frozen = sample(clock.now() - 5, int(clock.monotonic()) * SECOND, rate=7)
    for turn in range(9):
        store.record(node_info(), scrape(clock, pod_sample(app=frozen), node=frozen, date=clock.now() // 1))
        store.expire()
        assert serves(store) is (turn * 15 + 5 <= MAX_AGE)
        clock.forward(15)


def test_each_row_goes_at_its_own_time_without_a_scrape_between(store: Store, clock: HandClock) -> None:
    for name in ("web-1", "web-2", "web-3"):
        store.set_pod(pod_info(name, "app"))
    for age, name in ((20, "web-2"), (40, "web-1"), (10, "web-3")):
        old = sample(clock.now() - age, rate=7)
        store.record(node_info(), scrape(clock, pod_sample(name, app=old), date=clock.now() // 1))
    seen = []
    clock.forward(1)
    for _ in range(9):
        store.expire()
        seen.append("".join(row.name[-1] for row in store.pods(None)))
        clock.forward(10)

    assert seen == ["123", "123", "123", "123", "123", "23", "23", "3", ""]


def test_a_sample_that_is_too_old_is_never_served(store: Store, clock: HandClock) -> None:
    take(store, clock, age=MAX_AGE + 2)

    assert not serves(store)
    assert store.dropped["stale"] == 2


@pytest.mark.parametrize(
    ("ahead", "date", "served"),
    [
        pytest.param(60, True, True, id="a minute ahead of its node"),
        pytest.param(62, True, False, id="more than a minute ahead of its node"),
        pytest.param(100, False, True, id="ahead of us by what may be the node's clock"),
        pytest.param(121, False, False, id="ahead of us by more"),
    ],
)
def test_a_sample_from_the_future_is_dropped_and_counted(
    store: Store, clock: HandClock, ahead: float, date: bool, served: bool
) -> None:
    early = sample(clock.now() + ahead, rate=7)
    document = scrape(clock, pod_sample(app=early), node=early, date=clock.now() // 1 if date else None)
    store.record(node_info(), document)

    assert serves(store) is served
    assert store.dropped["future"] == (0 if served else 2)


@pytest.mark.parametrize("date", [None, 1e18], ids=["no date", "a date that is none"])
def test_a_future_that_is_told_again_and_again_is_not_believed_in_the_end(
    store: Store, clock: HandClock, date: float | None
) -> None:
    for _ in range(200):
        early = sample(clock.now() + 7200, rate=7)
        store.record(node_info(), scrape(clock, pod_sample(app=early), node=early, date=date))
        assert not serves(store)
        clock.forward(15)


def test_one_sample_from_the_future_does_not_make_the_others_old(store: Store, clock: HandClock) -> None:
    good, bad = sample(clock.now() - 5, rate=7), sample(clock.now() + 7200, rate=7)
    store.record(node_info(), scrape(clock, pod_sample("other", app=bad), pod_sample(app=good), node=good))

    assert serves(store)


@pytest.mark.parametrize("date", [True, False], ids=["told by Date", "not told"])
@pytest.mark.parametrize("back", [40, 600, 86_400])
def test_after_a_node_sets_its_clock_back_it_stays_served_and_the_new_times_follow(
    store: Store, clock: HandClock, back: float, date: bool
) -> None:
    """Without ``Date`` nobody can tell a clock that is a minute slow from samples that are a minute old."""
    latest = 0.0
    for turn in range(20):
        take(store, clock, ahead=0 if turn < 4 else -back, date=date)
        for _ in range(15):
            clock.forward(1)
            store.expire()
            if date or back < MAX_AGE - 20:
                assert serves(store), f"scrape {turn}"
        if turn == 3:
            row = store.node("node-a")
            assert row is not None
            latest = row.usage.time
    row = store.node("node-a")
    if date or back < MAX_AGE - 20:
        assert row is not None
        assert row.usage.time == clock.now() - 15 - 5 - back
        assert row.usage.time < latest + 20 * 15
    else:
        assert row is None


@pytest.mark.parametrize("seen", [1, 2])
def test_a_node_that_falls_silent_after_setting_its_clock_back_is_not_served_for_longer(
    store: Store, clock: HandClock, seen: int
) -> None:
    take(store, clock)
    for turn in range(seen):
        clock.forward(15)
        take(store, clock, ahead=-3600)
        store.set_pod(pod_info("web", "app", labels={"turn": str(turn)}))
    clock.forward(MAX_AGE)
    store.expire()

    assert not serves(store)


def test_after_a_node_sets_its_clock_forward_it_stays_served(store: Store, clock: HandClock) -> None:
    for turn in range(12):
        take(store, clock, ahead=0 if turn < 4 else 3600)
        for _ in range(15):
            clock.forward(1)
            store.expire()
            assert serves(store)


def test_times_of_our_own_say_nothing_of_a_nodes_clock(store: Store, clock: HandClock) -> None:
    stamped = sample(clock.now() - 0.1, rate=7)
    document = scrape(
        clock, pod_sample(app=stamped), node=stamped, step=0.001, unstamped=True, date=clock.now() - 86_400
    )
    store.record(node_info(), document)

    assert serves(store)


def test_how_far_a_nodes_clock_is_ahead_is_known_once_an_answer_had_a_date(store: Store, clock: HandClock) -> None:
    assert store.clock_ahead("node-a") is None
    take(store, clock, date=False)
    assert store.clock_ahead("node-a") is None
    take(store, clock, ahead=94)
    assert store.clock_ahead("node-a") == pytest.approx(94, abs=1)
    take(store, clock, date=False)
    assert store.clock_ahead("node-a") == pytest.approx(94, abs=1), "as it was last heard of"
    assert store.clock_ahead("no-such-node") is None


def test_a_clock_that_goes_astray_is_told_once_and_when_it_is_right_again(
    store: Store, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        for ahead in (0, 9, 12, 9, 94, -94, 8, 3, 0):
            take(store, clock, ahead=ahead)
            clock.forward(15)

    assert [(each.levelname, each.__dict__["fields"]["seconds_ahead"]) for each in caplog.records] == [
        ("WARNING", 12),
        ("INFO", 4),
    ]


def _answer(received: float, requested: float, date: float | None, *times: float) -> NodeSamples:
    clock = HandClock(received)
    document = scrape(clock, pod_of({f"c{n}": Sample(time) for n, time in enumerate(times)}), date=date)
    return NodeSamples(None, document.pods, document.endpoint, 1.0, received, requested, server_time=date)


@pytest.mark.parametrize(
    ("previous", "answer", "expected"),
    [
        pytest.param(0.0, _answer(1000.4, 1000.2, 1000), 0.0, id="clocks agree"),
        pytest.param(0.7, _answer(1000.4, 1000.2, 1000), 0.4, id="at most what was when we received"),
        pytest.param(-5.0, _answer(1000.4, 1000.2, 1000), -0.8, id="at least what was when we asked"),
        pytest.param(0.0, _answer(1000.4, 1000.2, 4600), -3599.6, id="the node is ahead"),
        pytest.param(0.0, _answer(5000.4, 5000.2, 1000), 3999.2, id="the node is behind"),
        pytest.param(0.0, _answer(1009.0, 1000.0, 1003), 0.0, id="a slow answer allows much"),
        pytest.param(30.0, _answer(1009.0, 1000.0, 1003), 6.0, id="but not all"),
        pytest.param(0.0, _answer(1000.4, 1000.2, 1e18), 0.0, id="a date that is none"),
        pytest.param(0.0, _answer(1000.4, 1000.2, float("nan")), 0.0, id="no number"),
        pytest.param(0.0, _answer(1000.0, 999.0, None, 990, 995), 0.0, id="no date, samples from the past"),
        pytest.param(0.0, _answer(1000.0, 999.0, None, 990, 1030), -30.0, id="no date, a sample from the future"),
        pytest.param(0.0, _answer(1000.0, 999.0, None, 9999), -60.0, id="no date, one from far off"),
        pytest.param(-7200.0, _answer(1000.0, 999.0, None, 8190), -7200.0, id="no date this time"),
        pytest.param(12.0, _answer(1000.0, 999.0, None), 12.0, id="nothing at all"),
    ],
)
def test_the_skew_of_a_nodes_clock(previous: float, answer: NodeSamples, expected: float) -> None:
    assert estimate_skew(previous, answer) == pytest.approx(expected)
