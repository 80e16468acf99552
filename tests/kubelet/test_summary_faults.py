"""Summary documents that are broken, odd or hostile: what is lost is what is wrong, and no more."""

from __future__ import annotations

import msgspec
import pytest

from metrics_api.errors import DecodeError, ScrapeError
from metrics_api.model import Sample
from tests.kubelet.documents import NOW, container, containers_of, pod, read, summary, summary_of

GREATEST = 2**64 - 1


@pytest.mark.parametrize(
    "file",
    [
        "truncated.json",
        "nan_tokens.json",
        "wrong_types.json",
        "top_level_list.json",
        "top_level_null.json",
        "empty_body.json",
        "deep_nesting.json",
        "html_200.html",
    ],
)
def test_what_is_no_summary_document_is_refused(file: str) -> None:
    with pytest.raises(DecodeError):
        summary_of(read(f"faults/{file}"))


def test_a_key_given_twice_cannot_pass_a_node_off_as_another() -> None:
    with pytest.raises(ScrapeError, match="node-evil") as caught:
        summary_of(read("faults/duplicate_json_keys.json"))
    assert caught.value.reason == "wrong_node"


@pytest.mark.parametrize(
    ("file", "expected", "dropped"),
    [
        ("negative.json", Sample(NOW - 4, 61234567890, None, None, NOW - 599), {"bad_number": 2}),
        ("beyond_uint64.json", Sample(NOW - 4, None, 100000000, 104857600, NOW - 599), {"bad_number": 1}),
        ("float_and_string_numbers.json", Sample(NOW - 4, 61234567890, 100000000, None, NOW - 599), {"bad_number": 1}),
        ("future_timestamps.json", Sample(NOW + 7200, 61234567890, 100000000, 104857600, NOW + 6600), {}),
        ("stale_timestamps.json", Sample(NOW - 86400, 61234567890, 100000000, 104857600, NOW - 172800), {}),
        ("start_after_sample.json", Sample(NOW - 10, 61234567890, 100000000, 104857600, NOW - 8), {}),
    ],
)
def test_one_odd_field_costs_that_field(file: str, expected: Sample, dropped: dict[str, int]) -> None:
    samples = summary_of(read(f"faults/{file}"))
    (found,) = containers_of(samples).values()
    assert found == expected
    assert samples.dropped == dropped
    assert samples.node is not None


def test_readings_without_any_time_are_dropped_and_counted() -> None:
    samples = summary_of(read("faults/null_and_missing_times.json"))
    assert samples.pods == []
    assert samples.dropped == {"no_time": 2}


def test_absurd_rates_within_64_bits_are_kept_as_they_are() -> None:
    found = containers_of(summary_of(read("faults/uint64_underflow.json")))
    assert found["default/crio-reset-0/app"].cpu_rate == 2**63
    assert found["default/crio-wrap-0/app"].cpu_rate == 1844674407309428761
    assert found["default/limit-lowered-0/app"].working_set == 268435456


def test_two_lives_of_a_pod_are_both_kept_and_of_a_container_only_the_newest_start() -> None:
    samples = summary_of(read("faults/duplicate_pods_and_containers.json"))
    lives = {each.uid: each.containers["app"].cpu_total for each in samples.pods if each.name == "dup-0"}
    assert lives == {
        "00000000-0000-4000-8000-00000000000a": 99234567890,
        "00000000-0000-4000-8000-00000000000b": 1234567890,
    }
    assert [each.containers["app"].cpu_total for each in samples.pods if each.name == "dupc-0"] == [2234567890]
    assert samples.dropped == {"duplicate": 1}


def test_names_that_cannot_exist_are_dropped() -> None:
    samples = summary_of(read("faults/foreign_and_bogus_pods.json"), "node-b")
    assert {each.name for each in samples.pods} == {"ok-0", "coredns-7c65d6cfc9-2zq8n", "payments-0"}
    assert samples.dropped == {"bad_name": 3}


@pytest.mark.parametrize(
    "bad",
    [
        17,
        None,
        "pod",
        {},
        {"podRef": None},
        {"podRef": {"name": "x"}},
        {"podRef": {"name": 1, "namespace": "a", "uid": "b"}},
        pod(containers={"app": {}}),
        pod(containers=[{"startTime": None}]),
        pod(containers=[container(cpu="much")]),
        pod(containers=[container(memory=[])]),
    ],
    ids=repr,
)
def test_one_misshapen_pod_costs_that_pod(bad: object) -> None:
    samples = summary_of(summary(pod("a-0", "uid-a"), bad, pod("b-0", "uid-b")))
    assert [each.name for each in samples.pods] == ["a-0", "b-0"]
    assert samples.dropped == {"bad_shape": 1}


def test_a_misshapen_node_costs_the_node_only() -> None:
    samples = summary_of(summary(pod(), cpu="much", memory=1))
    assert samples.node is None
    assert len(samples.pods) == 1
    assert samples.dropped == {"bad_shape": 1}


@pytest.mark.parametrize("stats", ['{"nodeName": 7}', "{}", "null", "[]"])
def test_a_node_without_a_name_makes_the_document_useless(stats: str) -> None:
    with pytest.raises(DecodeError):
        summary_of(f'{{"node": {stats}, "pods": []}}'.encode())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        (str(GREATEST), GREATEST),
        ("1.0", 1),
        ("1e3", 1000),
        ("-0.0", 0),
        (str(GREATEST + 1), None),
        ("1.8446744073709552e19", None),
        ("-1", None),
        ("1.5", None),
        ("true", None),
        ('"12"', None),
        ("[]", None),
    ],
)
def test_a_number_is_an_unsigned_integer_of_64_bits_or_dropped(text: str, expected: int | None) -> None:
    body = summary(pod(containers=[container(memory={"time": "2026-09-01T11:59:51Z", "workingSetBytes": 424242})]))
    samples = summary_of(body.replace(b"424242", text.encode()))
    (found,) = containers_of(samples).values()
    assert found.working_set == expected
    assert samples.dropped == ({} if expected is not None else {"bad_number": 1})


@pytest.mark.parametrize("field", ["usageNanoCores", "usageCoreNanoSeconds"])
@pytest.mark.parametrize(("number", "kept"), [(GREATEST, True), (GREATEST + 1, False)])
def test_cpu_numbers_have_the_same_bound(field: str, number: int, kept: bool) -> None:
    cpu = {"time": "2026-09-01T11:59:50Z", "usageNanoCores": 1, "usageCoreNanoSeconds": 1}
    body = summary(pod(containers=[container(cpu={**cpu, field: 424242})])).replace(b"424242", str(number).encode())
    (found,) = containers_of(summary_of(body)).values()
    read_number = found.cpu_rate if field == "usageNanoCores" else found.cpu_total
    assert read_number == (number if kept else None)


@pytest.mark.parametrize("time", ["", "yesterday", "0001-01-01T00:00:00Z", "2026-09-01", "9" * 300, 17, {}, True])
def test_a_start_that_is_no_time_is_unknown(time: object) -> None:
    samples = summary_of(summary(pod(containers=[container(startTime=time)])))
    (found,) = containers_of(samples).values()
    assert found.start_time is None
    assert samples.dropped == {"bad_time": 1}


@pytest.mark.parametrize("depth", [2_000, 100_000])
@pytest.mark.parametrize("place", ["ignored", "pods", "cpu"])
def test_deep_nesting_is_refused_wherever_it_is(place: str, depth: int) -> None:
    nest = b"[" * depth + b"]" * depth
    if place == "cpu":
        body = b'{"node":{"nodeName":"node-a","cpu":{"usageNanoCores":' + nest + b"}}}"
    else:
        body = b'{"node":{"nodeName":"node-a"},"' + place.encode() + b'":' + nest + b"}"
    with pytest.raises(DecodeError):
        summary_of(body)


@pytest.mark.parametrize(
    ("max_pods", "kept"), [(None, 1000), (110, 1000), (700, 1400)], ids=["unknown", "usual", "many"]
)
def test_more_pods_than_a_node_can_run_are_not_read(max_pods: int | None, kept: int) -> None:
    body = summary(*(pod(f"pod-{number}", f"uid-{number}") for number in range(1500)))
    samples = summary_of(body, max_pods=max_pods)
    assert len(samples.pods) == kept
    assert samples.dropped == {"too_many": 1500 - kept}


def test_more_containers_than_a_pod_has_are_not_read() -> None:
    samples = summary_of(summary(pod(containers=[container(f"c-{number}") for number in range(250)])))
    assert len(samples.pods[0].containers) == 200
    assert samples.dropped == {"too_many": 50}


def test_one_pod_given_twice_is_taken_with_its_newest_reading() -> None:
    old = container(cpu={"time": "2026-09-01T11:59:40Z", "usageCoreNanoSeconds": 1})
    for order in ((old, container()), (container(), old)):
        samples = summary_of(summary(*(pod(containers=[each]) for each in order)))
        assert [each.containers["app"].cpu_total for each in samples.pods] == [9000]
        assert samples.dropped == {"duplicate": 1}


def test_of_two_containers_with_one_start_the_one_with_memory_is_taken() -> None:
    ghost = container(memory={"time": "2026-09-01T11:59:59Z", "workingSetBytes": 0})
    for order in ([ghost, container()], [container(), ghost]):
        samples = summary_of(summary(pod(containers=order)))
        assert samples.pods[0].containers["app"].working_set == 4096


@pytest.mark.parametrize(
    ("namespace", "name", "uid", "container_name"),
    [
        ("", "a", "u", "c"),
        ("UPPER", "a", "u", "c"),
        ("a.b", "a", "u", "c"),
        ("n" * 64, "a", "u", "c"),
        ("n", "", "u", "c"),
        ("n", "../etc", "u", "c"),
        ("n", "a" * 254, "u", "c"),
        ("n", "a\n", "u", "c"),
        ("n", "a", "", "c"),
        ("n", "a", "u u", "c"),
        ("n", "a", "u" * 129, "c"),
        ("n", "a", "u", "-c"),
        ("n", "a", "u", "c" * 64),
        ("n", "a", "u", "c\x00"),
    ],
)
def test_a_name_must_be_one_that_kubernetes_accepts(namespace: str, name: str, uid: str, container_name: str) -> None:
    samples = summary_of(summary(pod(name, uid, namespace, [container(container_name)])))
    assert samples.pods == []
    assert samples.dropped == {"bad_name": 1}


def test_the_longest_names_are_accepted() -> None:
    samples = summary_of(summary(pod("p" * 253, "u" * 128, "n" * 63, [container("c" * 63)])))
    assert len(samples.pods) == 1


def test_messages_do_not_carry_hostile_bytes() -> None:
    for body in (b"\x1b[31m\n" * 100, msgspec.json.encode({"node": {"nodeName": "\x1b[31m\n" * 100}})):
        with pytest.raises(ScrapeError) as caught:
            summary_of(body)
        assert "\x1b" not in str(caught.value)
        assert len(str(caught.value)) < 2000


def test_invalid_utf_8_in_a_name_is_a_decode_error() -> None:
    body = summary(pod("marker", "uid-1")).replace(b"marker", b"\xff\xfe")
    with pytest.raises(DecodeError):
        summary_of(body)


def test_a_node_name_that_differs_in_case_is_another_node() -> None:
    with pytest.raises(ScrapeError) as caught:
        summary_of(summary(), "NODE-A")
    assert caught.value.reason == "wrong_node"


@pytest.mark.parametrize(
    ("bad", "reason", "at"),
    [
        (pod("b-0", containers=[container(cpu={"time": "noon", "usageNanoCores": 1})]), "bad_time", "shop/b-0"),
        (pod("b-0", containers=[container(cpu=..., memory={"workingSetBytes": 1})]), "no_time", "shop/b-0"),
        (pod("b-0", containers=[container(memory={"workingSetBytes": -1})]), "bad_number", "shop/b-0"),
        (pod("b-0", containers=7), "bad_shape", "shop/b-0"),
        (pod("b-0", containers=[container(), container()]), "duplicate", "shop/b-0"),
        (pod("b-0", containers=[container("B")]), "bad_name", "shop/b-0"),
        (pod("b\x1b[0m" + "x" * 300), "bad_name", "shop/b\\x1b[0m" + "x" * 95),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_where_something_was_dropped_first_is_told(bad: object, reason: str, at: str) -> None:
    other = pod("c-0", "uid-c", containers=[container("B"), container(memory={"workingSetBytes": -1})])
    samples = summary_of(summary(pod("a-0", "uid-a"), bad, other))
    assert samples.dropped_at[reason] == at


def test_of_the_nodes_own_reading_no_pod_is_told() -> None:
    samples = summary_of(summary(pod(), cpu={"time": "noon", "usageNanoCores": 1}))
    assert samples.dropped == {"bad_time": 1, "no_time": 1}
    assert samples.dropped_at == {}
