"""Documents that are wrong in one place: what is lost is that, with its reason, and nothing of anybody else.

Each goes the whole way, from a simulated kubelet's socket into the store. The numbers are rows of the fault catalogue
in docs/reliability.md.
"""

from __future__ import annotations

import copy
import json
import re
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from metrics_api.errors import ScrapeError
from metrics_api.localcluster.fleet.hostile import Say
from metrics_api.model import PodKey
from tests.faults.harness import BAD, GOOD, PODS
from tests.faults.pipeline import MAX_AGE, PERIOD, Document, Pipeline, containers_of, pipeline, pod_in

BEYOND = 2**64
MEMORY = 48 << 20
"""Bytes that taking in the largest document may cost."""

Change = Callable[[Document, PodKey], None]


def set_cpu(**fields: object) -> Change:
    """Change the CPU reading of the victim's container."""

    def change(document: Document, victim: PodKey) -> None:
        containers_of(document, victim)[0]["cpu"].update(fields)

    return change


def set_memory(**fields: object) -> Change:
    def change(document: Document, victim: PodKey) -> None:
        containers_of(document, victim)[0]["memory"].update(fields)

    return change


def both(*changes: Change) -> Change:
    def change(document: Document, victim: PodKey) -> None:
        for each in changes:
            each(document, victim)

    return change


def misshape(document: Document, victim: PodKey) -> None:
    pod_in(document, victim)["containers"] = {"app": 1}


def null_times(document: Document, victim: PodKey) -> None:
    both(set_cpu(time=None), set_memory(time=None))(document, victim)


def zero(document: Document, victim: PodKey) -> None:
    both(set_cpu(usageNanoCores=0, usageCoreNanoSeconds=0), set_memory(workingSetBytes=0))(document, victim)


def age_by(seconds: float) -> Change:
    """Move the victim's times by so many seconds into the past."""

    def change(document: Document, victim: PodKey) -> None:
        container = containers_of(document, victim)[0]
        time = datetime.fromisoformat(container["cpu"]["time"]).timestamp() - seconds
        text = datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        both(set_cpu(time=text), set_memory(time=text))(document, victim)

    return change


COSTS_THE_VICTIM: dict[str, tuple[Change, dict[str, int], dict[str, int]]] = {
    # What is wrong, what the decoder drops, what the store does.
    "22 a negative counter": (set_cpu(usageCoreNanoSeconds=-5), {"bad_number": 1}, {}),
    "22 a counter as text": (set_cpu(usageCoreNanoSeconds="5"), {"bad_number": 1}, {}),
    "22 a counter with a fraction": (set_cpu(usageCoreNanoSeconds=1.5), {"bad_number": 1}, {}),
    "23 a working set beyond 64 bits": (set_memory(workingSetBytes=BEYOND), {"bad_number": 1}, {}),
    "24 a working set after an underflow": (set_memory(workingSetBytes=BEYOND - 4096), {}, {"memory_bound": 1}),
    "28 wrong types": (misshape, {"bad_shape": 1}, {}),
    "30 no times": (null_times, {"no_time": 1}, {}),
    "34 a sample that is an hour old": (age_by(3600), {}, {"stale": 1}),
    "35 a sample from the future": (age_by(-7200), {}, {"future": 1}),
    "51 zeros": (zero, {}, {}),
}


@pytest.mark.parametrize(("change", "dropped", "lacks"), COSTS_THE_VICTIM.values(), ids=COSTS_THE_VICTIM)
async def test_one_bad_container_costs_its_pod_its_newest_value_and_nothing_else(
    change: Change, dropped: dict[str, int], lacks: dict[str, int]
) -> None:
    async with pipeline() as line:
        await line.scrape_healthily(2)
        last = line.usage(line.victim)
        line.alter(lambda document: change(document, line.victim))
        await line.scrape()

        line.check_sanity()
        assert line.dropped == dropped
        assert line.lacks() == lacks
        assert line.usage(line.victim) == last, "the last value stays"
        assert len(line.served_pods()) == 2 * PODS
        assert _renewed(line) == set(line.pods) - {line.victim}
        line.pass_time(MAX_AGE - PERIOD + 2)
        await line.scrape()
        assert set(line.pods) - set(line.served_pods()) == {line.victim}, "until it is too old"
        line.fleet.behave(BAD, None)
        await line.scrape()
        line.pass_time(PERIOD)
        await line.scrape()
        assert len(line.served_pods()) == 2 * PODS


def _renewed(line: Pipeline) -> set[PodKey]:
    """Return the pods that have a value of this very moment."""
    return {key for key, usage in line.served_pods().items() if usage.time == line.theirs.now()}


def claim_a_rate(rate: int) -> Change:
    return set_cpu(usageNanoCores=rate)


def start_after_the_sample(document: Document, victim: PodKey) -> None:
    container = containers_of(document, victim)[0]
    time = datetime.fromisoformat(container["cpu"]["time"]).timestamp() + 3
    container["startTime"] = datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def reset_the_counter(document: Document, victim: PodKey) -> None:
    containers_of(document, victim)[0]["cpu"]["usageCoreNanoSeconds"] = 5_000_000


def add_a_former_life(document: Document, victim: PodKey) -> None:
    former = copy.deepcopy(pod_in(document, victim))
    former["podRef"]["uid"] = "00000000-0000-4000-8000-00000000000a"
    former["containers"][0]["memory"]["workingSetBytes"] = 1
    document["pods"].append(former)


def add_a_ghost(document: Document, victim: PodKey) -> None:
    containers = containers_of(document, victim)
    ghost = copy.deepcopy(containers[0])
    ghost["startTime"] = "2020-01-01T00:00:00Z"
    ghost["memory"]["workingSetBytes"] = 0
    containers.append(ghost)


COSTS_NOTHING: dict[str, tuple[Change, dict[str, int]]] = {
    "22 a whole number written with a fraction": (set_memory(workingSetBytes=4096.0), {}),
    "24 limits that underflow": (set_memory(availableBytes=BEYOND - 1), {}),
    "25 a rate after a wrap": (claim_a_rate(2**63), {}),
    "25 a rate beyond the cores": (claim_a_rate(10**12), {}),
    "33 a start after the sample": (start_after_the_sample, {}),
    "38 a counter reset without a restart": (reset_the_counter, {}),
    "40 a former life of the pod": (add_a_former_life, {}),
    "41 the ghost of a container": (add_a_ghost, {"duplicate": 1}),
}


@pytest.mark.parametrize(("change", "dropped"), COSTS_NOTHING.values(), ids=COSTS_NOTHING)
async def test_what_can_be_told_from_the_truth_costs_nothing(change: Change, dropped: dict[str, int]) -> None:
    async with pipeline() as line:
        await line.scrape_healthily(2)
        line.alter(lambda document: change(document, line.victim))
        for _ in range(2):
            await line.scrape()
            line.check_sanity()
            assert line.dropped == dropped
            assert line.lacks() == {}
            assert _renewed(line) == set(line.pods)
            line.pass_time(PERIOD)


@pytest.mark.parametrize("rate", [0, 2**63, 10**12], ids=["0", "after a wrap", "beyond the cores"])
async def test_25_at_first_sight_a_rate_that_says_nothing_is_waited_out(rate: int) -> None:
    async with pipeline() as line:
        line.alter(lambda document: claim_a_rate(rate)(document, line.victim))
        await line.scrape()
        assert line.victim not in line.served_pods()
        line.check_sanity()
        line.pass_time(PERIOD)
        await line.scrape()
        line.check_sanity()
        assert _renewed(line) == set(line.pods)


async def test_25_a_counter_that_leaps_beyond_what_the_cores_can_do_costs_that_scrape() -> None:
    async with pipeline() as line:
        await line.scrape_healthily(2)
        last = line.usage(line.victim)
        line.alter(lambda document: set_cpu(usageCoreNanoSeconds=BEYOND - 1)(document, line.victim))
        await line.scrape()
        assert line.lacks() == {"cpu_bound": 1}
        assert line.usage(line.victim) == last
        line.fleet.behave(BAD, None)
        line.pass_time(PERIOD)
        await line.scrape()
        line.check_sanity()
        assert _renewed(line) == set(line.pods)


async def test_23_an_integer_of_five_thousand_digits_costs_its_pod() -> None:
    async with pipeline() as line:
        await line.scrape_healthily(2)

        def swell(body: bytes) -> bytes:
            at = body.index(b'"workingSetBytes"', body.index(line.victim.name.encode()))
            return body[:at] + b'"workingSetBytes": ' + b"9" * 5000 + body[body.index(b",", at) :]

        line.alter_bytes(swell)
        await line.scrape()
        line.check_sanity()
        assert line.dropped == {"bad_shape": 1}
        assert _renewed(line) == set(line.pods) - {line.victim}


async def test_27_a_second_node_in_the_document_has_it_thrown_away() -> None:
    async with pipeline() as line:
        await line.scrape_healthily(2)
        before = line.served_pods()
        line.alter_bytes(lambda body: body[: body.rindex(b"}")] + b',"node":{"nodeName":"%s"}}' % GOOD.encode())
        with pytest.raises(ScrapeError) as caught:
            await line.scrape(BAD)
        assert caught.value.reason == "wrong_node"
        assert line.served_pods() == before


async def test_42_a_node_that_claims_anothers_pod_changes_nothing_of_it() -> None:
    async with pipeline() as line:
        await line.scrape_healthily(2)
        other = line.pods[line.pods_of(GOOD)[0]]
        before = line.usage(other.key)

        def claim(document: Document) -> None:
            pod = copy.deepcopy(pod_in(document, line.victim))
            pod["podRef"] = {"namespace": other.namespace, "name": other.name, "uid": other.uid}
            document["pods"].insert(0, pod)

        line.alter(claim)
        await line.scrape(BAD)
        assert line.usage(other.key) == before
        assert _renewed(line) == set(line.pods_of(BAD))
        line.check_sanity()


async def test_43_a_pod_the_api_server_tells_of_late_is_served_when_it_does() -> None:
    async with pipeline() as line:
        line.store.remove_pod(line.victim)
        await line.scrape_healthily(2)
        assert line.usage(line.victim) is None
        line.store.set_pod(line.pods[line.victim])
        assert line.usage(line.victim) is not None


def flooded(body: bytes) -> bytes:
    """Return a Summary with a pod of 1,000 containers, five of names that cannot exist, and 3,000 that nobody knows."""
    document = json.loads(body)
    model = document["pods"][0]
    container = model["containers"][0]
    crowd = [{**container, "name": f"c{number}"} for number in range(1000)]
    document["pods"] += [
        {"podRef": {"namespace": "a", "name": "a", "uid": "a"}, "containers": crowd},
        *({**model, "podRef": {"namespace": "x" * 300, "name": "y" * 300, "uid": "z" * 500}} for _ in range(5)),
        *({**model, "podRef": {"namespace": "a", "name": f"b-{n}", "uid": f"b-{n}"}} for n in range(3000)),
    ]
    return json.dumps(document).encode()


async def test_44_a_flood_of_pods_containers_and_names_harms_its_own_node_only() -> None:
    async with pipeline() as line:
        await line.scrape_healthily(2)
        bodies: list[bytes] = []

        def keep(body: bytes) -> bytes:
            bodies.append(body)
            return body

        line.alter_bytes(keep)
        await line.scrape(BAD)
        line.fleet.behave(BAD, Say(flooded(bodies[0])))
        tracemalloc.start()
        try:
            await line.scrape()
            kept, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert line.dropped == {"bad_name": 5, "too_many": (PODS + 1 + 5 + 3000 - 1000) + (1000 - 200)}
        assert _renewed(line) == set(line.pods)
        assert len(line.served_pods()) == 2 * PODS
        assert peak < MEMORY
        assert kept < 4 << 20


async def test_50_a_node_of_zeros_is_not_served_and_its_pods_are() -> None:
    def nothing(document: Document) -> None:
        document["node"]["cpu"] |= {"usageNanoCores": 0, "usageCoreNanoSeconds": 0}
        document["node"]["memory"]["workingSetBytes"] = 0

    async with pipeline() as line:
        line.alter(nothing)
        for _ in range(2):
            await line.scrape()
            line.pass_time(PERIOD)
        assert line.node_usage(BAD) is None
        assert line.node_usage(GOOD) is not None
        assert len(line.served_pods()) == 2 * PODS


# The clocks.


@pytest.mark.parametrize(
    "step", [-3600.0, 3600.0, -40.0, 40.0], ids=["36 back", "37 forward", "36 a little back", "37 a little forward"]
)
async def test_a_node_whose_clock_is_set_stays_served_and_its_new_times_follow(step: float) -> None:
    async with pipeline() as line:
        await line.scrape_healthily(3)
        line.theirs.step_wall(step)
        for _ in range(int(MAX_AGE / PERIOD) + 1):
            await line.scrape()
            line.check_sanity()
            assert len(line.served_pods()) == 2 * PODS
            assert line.node_usage(BAD) is not None
            line.pass_time(PERIOD)
        await line.scrape()
        assert _renewed(line) == set(line.pods)


async def test_35_a_node_whose_clock_is_always_wrong_is_served_with_its_own_times() -> None:
    async with pipeline() as line:
        line.theirs.step_wall(7200)
        await line.scrape_healthily(2)
        await line.scrape()
        assert _renewed(line) == set(line.pods)
        assert line.lacks() == {}
        line.pass_time(MAX_AGE - 1)
        assert len(line.served_pods()) == 2 * PODS
        line.pass_time(2)
        assert not line.served_pods(), "ages are measured here"


async def test_39_one_step_back_in_time_is_no_new_sample_and_no_restart() -> None:
    def step_back(document: Document, victim: PodKey) -> None:
        container = containers_of(document, victim)[0]
        age_by(PERIOD + 12)(document, victim)
        container["cpu"]["usageCoreNanoSeconds"] -= 10**9

    async with pipeline() as line:
        await line.scrape_healthily(2)
        last = line.usage(line.victim)
        line.alter(lambda document: step_back(document, line.victim))
        await line.scrape()
        assert line.usage(line.victim) == last
        assert line.lacks() == {}
        line.fleet.behave(BAD, None)
        line.pass_time(PERIOD)
        await line.scrape()
        usage = line.usage(line.victim)
        assert usage is not None
        assert (usage.time, usage.window) == (line.theirs.now(), 2 * PERIOD)


# The resource document.


def _lines(body: bytes, series: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Change the lines that hold these bytes."""
    return b"\n".join(change(line) if series in line else line for line in body.split(b"\n"))


@pytest.mark.parametrize("value", [b"NaN", b"+Inf", b"-1"])
async def test_21_a_series_that_is_no_number_costs_its_pod_only(value: bytes) -> None:
    async with pipeline("resource") as line:
        await line.scrape_healthily(2)
        last = line.usage(line.victim)
        series = b'container_cpu_usage_seconds_total{container="kube-proxy"'

        def spoil(body: bytes) -> bytes:
            return _lines(body, series, lambda text: text[: text.index(b"} ") + 2] + value + text[text.rindex(b" ") :])

        line.alter_bytes(spoil)
        await line.scrape()
        assert line.dropped == {"bad_number": 1}
        assert last is not None
        assert line.usage(line.victim) == last
        assert _renewed_to_the_millisecond(line) == set(line.pods) - {line.victim}


def _renewed_to_the_millisecond(line: Pipeline) -> set[PodKey]:
    now = line.theirs.now()
    return {key for key, usage in line.served_pods().items() if abs(usage.time - now) < 0.002}


async def test_31_a_document_without_times_is_served_with_ours_and_never_mixed_with_theirs() -> None:
    async with pipeline("resource") as line:
        await line.scrape_healthily(2)
        line.alter_bytes(lambda body: re.sub(rb" \d{13}$", b"", body, flags=re.MULTILINE))
        before = line.usage(line.victim)
        await line.scrape(BAD)
        assert line.usage(line.victim) == before, "two of one kind are needed"
        line.pass_time(PERIOD)
        await line.scrape(BAD)
        line.check_sanity()
        usage = line.usage(line.victim)
        assert usage is not None
        assert usage.time == line.ours.now()


async def test_32_a_start_that_is_an_age_is_no_start() -> None:
    async with pipeline("resource") as line:
        await line.scrape_healthily(2)
        line.alter_bytes(
            lambda body: _lines(
                body, b"container_start_time_seconds{", lambda text: text[: text.index(b"} ") + 2] + b"12.5"
            )
        )
        await line.scrape()
        assert line.dropped == {}
        assert _renewed_to_the_millisecond(line) == set(line.pods)
