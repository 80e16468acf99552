from __future__ import annotations

import pytest

from metrics_api.commands.comparison import Comparison, Values, render
from metrics_api.commands.usage import Measured

MIB = 1 << 20
CORE = 10**9


def measured(name: str, time: float, cpu: int = CORE, memory: int = 100 * MIB) -> Measured:
    return Measured(name, time, cpu, memory)


def values(*all_values: Measured) -> Values:
    return {value.name: value for value in all_values}


def compared(*looks: tuple[float, Values, Values]) -> Comparison:
    comparison = Comparison("nodes", reach=15.0)
    for now, ours, theirs in looks:
        comparison.look(now, ours, theirs)
    return comparison


def test_the_value_nearest_in_time_is_compared() -> None:
    first, second = values(measured("n", 100, memory=100 * MIB)), values(measured("n", 115, memory=300 * MIB))
    theirs = values(measured("n", 112, memory=290 * MIB))

    comparison = compared((105, first, {}), (120, second, theirs))

    assert comparison.memory.ratio == pytest.approx(300 / 290)


def test_a_value_waits_until_ours_has_passed_it_and_is_compared_once() -> None:
    theirs = values(measured("n", 110))

    comparison = compared((111, values(measured("n", 100)), theirs), (116, values(measured("n", 115)), theirs))
    assert len(comparison.memory.differences) == 1

    comparison.look(120, values(measured("n", 115)), theirs)
    assert len(comparison.memory.differences) == 1


def test_values_too_far_apart_are_not_compared() -> None:
    comparison = compared((200, values(measured("n", 180)), values(measured("n", 150))))

    assert comparison.faults() == ["no value of nodes could be compared"]


def test_servers_that_agree_are_found_without_fault() -> None:
    ours, theirs = values(measured("n", 100, CORE)), values(measured("n", 98, CORE * 95 // 100, 99 * MIB))

    assert compared((105, ours, theirs)).faults() == []


@pytest.mark.parametrize(
    ("ours", "fault"),
    [
        (measured("n", 100, memory=110 * MIB), "memory of nodes is 1.10 of theirs in all"),
        (measured("n", 100, cpu=2 * CORE), "CPU of nodes is 2.00 of theirs in all"),
    ],
)
def test_sums_that_differ_are_a_fault(ours: Measured, fault: str) -> None:
    assert compared((105, values(ours), values(measured("n", 100)))).faults() == [fault]


def test_the_cpu_of_an_idle_cluster_says_nothing() -> None:
    ours, theirs = measured("n", 100, cpu=2_000_000), measured("n", 100, cpu=1_000_000)

    assert compared((105, values(ours), values(theirs))).faults() == []


def test_an_object_that_only_they_serve_is_a_fault_unless_it_was_so_for_a_moment() -> None:
    both = values(measured("a", 100), measured("b", 100))
    lacking = values(measured("a", 100))

    assert compared((105, lacking, both), (106, both, both)).faults() == []
    assert compared((105, lacking, both), (106, lacking, both)).faults() == ["1 nodes are served there and not here: b"]


def test_an_object_that_only_we_serve_is_told_and_no_fault() -> None:
    comparison = compared((105, values(measured("a", 100), measured("b", 100)), values(measured("a", 100))))

    assert comparison.faults() == []
    assert render([comparison]).splitlines()[-1] == "nodes served here alone, at some look: b"


def test_the_table_shows_ages_and_differences() -> None:
    nodes = compared((110, values(measured("n", 105)), values(measured("n", 90, CORE, 80 * MIB))))
    nodes.look(112, values(measured("n", 111)), values(measured("n", 105, CORE, 80 * MIB)))
    lines = {line[:27].strip(): line[27:].split() for line in render([nodes]).splitlines()}

    assert lines["values compared"] == ["2"]
    assert lines["age here, median"] == ["3.0", "s"]
    assert lines["memory: sum here / there"] == ["1.250"]
    assert lines["memory: median difference"] == ["25.0%"]


def test_what_a_server_names_its_objects_cannot_steer_a_terminal() -> None:
    names = ("\x1b]0;x\x07", "b")
    here = values(measured("b", 0.0))
    seen = compared(*((20.0 + look, here, values(*(measured(name, 0.0) for name in names))) for look in range(3)))

    for text in (render([seen]), *seen.faults()):
        assert r"\x1b]0;x\x07" in text
        assert text.replace("\n", "").isprintable()
