"""Why something has no metrics, as the client reads it."""

from __future__ import annotations

import pytest

from metrics_api.app.reasons import Reasons
from metrics_api.scraper.node_state import Situation
from metrics_api.store.store import Store
from tests.store.builders import START, HandClock, new_store, node_info, pod_info, pod_sample, record, sample, web

GOOD = Situation(0, None, "", since_answer=6.0, since_asked=6.0, until_next=9.0)
TIMED_OUT = Situation(4, "timeout", "10.0.0.7 did not say 'a' <b>", since_answer=47.0, since_asked=3.0, until_next=30.0)
NEVER = Situation(1, "refused", "10.0.0.7 refused", since_answer=None, since_asked=1.0, until_next=0.4)
FIRST = Situation(0, None, "", since_answer=None, since_asked=None, until_next=1.5)


class Bench:
    def __init__(self, situation: Situation | None = GOOD) -> None:
        self.clock = HandClock()
        self.store: Store = new_store(self.clock)
        self.situation = situation
        self.reasons = Reasons(self.store, lambda _: self.situation, self.clock)

    def pod(self) -> str | None:
        return self.reasons.pod("shop", "web")


def test_a_pod_that_has_just_started_is_expected_at_the_next_scrape() -> None:
    bench = Bench()
    bench.store.set_pod(pod_info(started=START - 6))
    assert bench.pod() == "started 6 s ago; first sample expected in 9 s"


def test_a_pod_seen_once_waits_for_its_second_sample() -> None:
    bench = Bench()
    bench.store.set_pod(pod_info("web", "app", started=START - 20))
    record(bench.store, bench.clock, pod_sample(app=sample(START - 5)))
    assert bench.pod() == "started 20 s ago; one sample does not say a rate yet; the next is expected in 9 s"


def test_an_old_pod_that_the_kubelet_does_not_report_is_told_apart() -> None:
    bench = Bench()
    bench.store.set_pod(pod_info(started=START - 600))
    assert bench.pod() == "started 600 s ago; the kubelet of node node-a does not report it; asked again in 9 s"


@pytest.mark.parametrize(("age", "said"), [(3599, "3599 s"), (7200, "2 h"), (8 * 86_400, "8 d")])
def test_an_age_is_said_to_the_second_while_that_matters(age: float, said: str) -> None:
    bench = Bench()
    bench.store.set_pod(pod_info(started=START - age))
    assert (bench.pod() or "").startswith(f"started {said} ago; ")


def test_a_container_without_memory_is_named() -> None:
    bench = Bench()
    bench.store.set_pod(pod_info("web", "app", "proxy"))
    record(
        bench.store,
        bench.clock,
        pod_sample(app=sample(START - 5, rate=7), proxy=sample(START - 5, rate=7, memory=None)),
    )
    assert bench.pod() == "container proxy: no working set was reported; next sample in 9 s"


def test_a_container_that_is_missing_is_named() -> None:
    bench = Bench()
    bench.store.set_pod(pod_info("web", "app", "proxy"))
    record(bench.store, bench.clock, web(bench.clock))
    assert bench.pod() == "container proxy: the kubelet does not report it; next sample in 9 s"


def test_a_pod_on_a_node_that_fails_says_since_when_and_how_but_nothing_of_what_the_node_said() -> None:
    bench = Bench(TIMED_OUT)
    bench.store.set_pod(pod_info(started=START - 6))
    said = bench.pod()
    assert said == "node node-a not scraped for 47 s: timeout: no answer in time; asked again in 30 s"
    assert "10.0.0.7" not in said


@pytest.mark.parametrize(
    ("situation", "said"),
    [
        pytest.param(
            TIMED_OUT, f"not scraped for 47 s: timeout: {TIMED_OUT.message}; asked again in 30 s", id="failing"
        ),
        pytest.param(NEVER, "was never scraped: refused: 10.0.0.7 refused; asked again now", id="never answered"),
        pytest.param(FIRST, "it has not been asked yet; asked again in 2 s", id="not asked yet"),
        pytest.param(None, "it has not been asked yet", id="scraping has not begun"),
        pytest.param(GOOD, "one sample does not say a rate yet; asked again in 9 s", id="no usage yet"),
    ],
)
def test_a_nodes_own_reason_says_all_that_is_known(situation: Situation | None, said: str) -> None:
    assert Bench(situation).reasons.node("node-a") == said


def test_what_is_not_selected_says_so() -> None:
    bench = Bench()
    bench.store.set_node(node_info("node-b"), selected=False)
    bench.store.set_pod(pod_info(node_name="node-b"))
    assert bench.reasons.node("node-b") == "it is not selected by --node-selector"
    assert bench.pod() == "its node node-b: it is not selected by --node-selector"


def test_a_pod_whose_node_is_unknown_says_so() -> None:
    bench = Bench()
    bench.store.set_pod(pod_info(node_name="node-x"))
    assert bench.pod() == "its node node-x is not known"


def test_of_what_does_not_exist_there_is_nothing_to_say() -> None:
    bench = Bench()
    assert bench.pod() is None
    assert bench.reasons.node("node-x") is None
