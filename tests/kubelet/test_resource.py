"""Resource documents as kubelets of all versions write them, and as others do."""

from __future__ import annotations

import pytest

from metrics_api.errors import DecodeError, ScrapeError
from metrics_api.kubelet.resource import ResourceDecoder
from metrics_api.model import Endpoint, Sample
from metrics_api.timetext import parse_rfc3339
from tests.kubelet.documents import NOW, containers_of, node, read, resource_of, summary_of

COREDNS = "kube-system/coredns-7c65d6cfc9-2zq8n/coredns"
KUBE_PROXY = "kube-system/kube-proxy-9fj2k/kube-proxy"
WEB = "shop/web-6d4b75cb6d-hx7wl/web"
ENVOY = "shop/web-6d4b75cb6d-hx7wl/envoy"
SMALL = {COREDNS, KUBE_PROXY, WEB, ENVOY}
END = b"resource_scrape_error 0\n"


def series(
    name: str, value: object, stamp: object = 1788263999000, *, pod: str = "web-0", container: str = "app"
) -> bytes:
    labels = f'container="{container}",namespace="shop",pod="{pod}"'
    return f"container_{name}{{{labels}}} {value}{'' if stamp is None else f' {stamp}'}\n".encode()


CPU, MEMORY, START = "cpu_usage_seconds_total", "memory_working_set_bytes", "start_time_seconds"


@pytest.mark.parametrize("scrape", ["t0", "t15", "t30_restart"])
def test_both_endpoints_say_the_same_of_one_moment(scrape: str) -> None:
    resource = resource_of(read(f"resource_1_36_small_{scrape}.txt"), now=NOW + 30)
    summary = summary_of(read(f"summary_small_cpumem_{scrape}.json"))
    assert resource.node is not None
    assert summary.node is not None
    ours = {"": resource.node, **containers_of(resource)}
    theirs = {"": summary.node, **containers_of(summary)}
    assert ours.keys() == theirs.keys()
    for name, sample in ours.items():
        assert (sample.cpu_total, sample.working_set) == (theirs[name].cpu_total, theirs[name].working_set)
        assert sample.time // 1 == theirs[name].time
        assert sample.cpu_rate is None
        if name:
            assert abs((sample.start_time or 0) - (theirs[name].start_time or 0)) <= 1
    assert resource.dropped == {}


@pytest.mark.parametrize(
    ("before", "after", "name", "rate"),
    [
        ("t0", "t15", COREDNS, 3187695),
        ("t0", "t15", KUBE_PROXY, 798543),
        ("t0", "t15", WEB, 250413434),
        ("t0", "t15", ENVOY, 5310007),
        ("t15", "t30_restart", COREDNS, 3150397),
        ("t15", "t30_restart", ENVOY, 5290715),
    ],
)
def test_milliseconds_give_the_true_rate(before: str, after: str, name: str, rate: int) -> None:
    first = containers_of(resource_of(read(f"resource_1_36_small_{before}.txt"), now=NOW + 30))[name]
    second = containers_of(resource_of(read(f"resource_1_36_small_{after}.txt"), now=NOW + 30))[name]
    assert first.cpu_total is not None
    assert second.cpu_total is not None
    assert (second.cpu_total - first.cpu_total) / (second.time - first.time) == pytest.approx(rate, rel=1e-4)


def test_a_whole_sample_has_time_counter_memory_and_start_but_no_uid() -> None:
    samples = resource_of(read("resource_1_36_small_t0.txt"))
    expected = Sample(NOW - 9.412, 41234567890, None, 24707072, 1788177601.588)
    assert containers_of(samples)[COREDNS] == expected
    assert samples.node == Sample(NOW - 4.31, 86400123456789, None, 1932735283)
    assert {pod.uid for pod in samples.pods} == {None}
    assert (samples.endpoint, samples.time_step, samples.unstamped) == (Endpoint.RESOURCE, 0.001, False)


@pytest.mark.parametrize(
    ("file", "starts"),
    [
        ("resource_1_29_plain.txt", True),
        ("resource_1_22_to_1_28_start_time_with_timestamp.txt", True),
        ("resource_1_20_1_21_no_start_time.txt", False),
        ("resource_1_18_0_gauge_names.txt", False),
        ("faults/resource_crlf.txt", True),
        ("faults/resource_no_final_newline.txt", True),
    ],
)
def test_every_version_says_the_same(file: str, starts: bool) -> None:
    samples = resource_of(read(file))
    found = containers_of(samples)
    assert found.keys() == SMALL
    assert found[WEB].cpu_total == 512345678901
    assert found[WEB].working_set == 201326592
    assert found[WEB].start_time == (1788261953.449 if starts else None)
    assert samples.dropped == {}


def test_windows_is_understood() -> None:
    samples = resource_of(read("resource_windows.txt"))
    assert samples.node == Sample(NOW - 5.221, 812345000000, None, 3924364800)
    iis = containers_of(samples)["default/iis-6c68545d57-gwtn9/iis"]
    assert iis == Sample(NOW - 0.71, 70140625000, None, 136814592, 1788256819.5)


def test_a_captured_document_is_understood_whole() -> None:
    samples = resource_of(read("captured/metrics-resource.txt"), now=parse_rfc3339("2026-11-21T01:58:00Z"))
    app = containers_of(samples)["shop/two-containers/app"]
    assert app == Sample(1795226278.239, 26891960, None, 241664, 1795226240.4215724)
    assert len(containers_of(samples)) == 7
    assert samples.node == Sample(1795226275.362, 2700953429477, None, 2736615424)
    assert samples.dropped == {}


def test_series_without_times_take_the_time_of_the_request() -> None:
    samples = resource_of(read("resource_kwok.txt"))
    assert samples.unstamped
    assert samples.node == Sample(NOW - 0.1, 9000152100, None, 6291456)
    fake = containers_of(samples)["default/fake-pod-0/fake-container"]
    assert fake == Sample(NOW - 0.1, 1500031200, None, 1048576, None), "an age is no start"


def test_one_stamped_series_makes_a_document_a_stamped_one() -> None:
    body = series(CPU, 1, None) + series(MEMORY, 4096, container="other") + END
    samples = resource_of(body)
    assert not samples.unstamped
    assert containers_of(samples)["shop/web-0/app"].time == NOW - 0.1


def test_a_kubelet_that_could_not_collect_gives_no_data() -> None:
    with pytest.raises(ScrapeError) as caught:
        resource_of(read("resource_scrape_error.txt"))
    assert caught.value.reason == "no_data"


@pytest.mark.parametrize("file", ["faults/resource_truncated.txt", "faults/html_200.html", "faults/empty_body.json"])
def test_what_is_cut_off_or_no_such_document_is_refused(file: str) -> None:
    with pytest.raises(DecodeError):
        resource_of(read(file))


def test_every_cut_within_a_line_is_noticed() -> None:
    body = read("resource_1_36_small_t0.txt")
    gauge = body.index(b"resource_scrape_error 0")
    for end in range(1, gauge):
        if body[end - 1 : end] != b"\n":
            with pytest.raises(DecodeError):
                resource_of(body[:end])


def test_not_a_number_infinite_and_negative_values_are_dropped() -> None:
    samples = resource_of(read("faults/resource_nan_inf_negative.txt"))
    found = containers_of(samples)
    assert found.keys() == {KUBE_PROXY, WEB, ENVOY}
    assert found[KUBE_PROXY].cpu_total is None
    assert found[KUBE_PROXY].working_set == 31588352
    assert samples.dropped == {"bad_number": 3}


def test_of_a_series_given_twice_the_newest_counts() -> None:
    samples = resource_of(read("faults/resource_duplicate_series.txt"))
    (found,) = containers_of(samples).values()
    assert found == Sample(NOW - 2, 1234567000, None, 104857600, 1788263970.0)
    assert samples.dropped == {"duplicate": 2}
    swapped = series(CPU, 2, 1788263998000) + series(CPU, 1, 1788263986000) + END
    assert containers_of(resource_of(swapped))["shop/web-0/app"].cpu_total == 2 * 10**9


def test_labels_in_any_order_are_understood_and_hostile_ones_are_not_misread() -> None:
    samples = resource_of(read("faults/resource_label_escapes.txt"))
    assert containers_of(samples) == {"default/z-0/app": Sample(NOW - 1, 2_500_000_000)}


@pytest.mark.parametrize(
    "file", ["faults/resource_openmetrics.txt", "faults/resource_seconds_instead_of_ms.txt"], ids=str
)
def test_times_that_are_not_milliseconds_are_dropped(file: str) -> None:
    samples = resource_of(read(file))
    assert containers_of(samples).keys() == {KUBE_PROXY, WEB, ENVOY}
    assert samples.dropped == {"bad_time": 2}


@pytest.mark.parametrize("stamp", ["-1788263999000", "1788263999000.5", "soon", "9" * 20, "9" * 5000, "0"])
def test_a_series_with_an_impossible_time_is_dropped(stamp: str) -> None:
    samples = resource_of(series(CPU, 1, stamp) + END)
    assert samples.pods == []
    assert samples.dropped == {"bad_time": 1}


@pytest.mark.parametrize(
    "value", ["-1", "1e300", "NaN", "+Inf", "-Inf", "nan", "inf", "0x10", "x", "18446744073.709552"]
)
def test_a_value_out_of_range_is_dropped(value: str) -> None:
    samples = resource_of(series(CPU, value) + END)
    assert samples.pods == []
    assert samples.dropped == {"bad_number": 1}


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("1.7882639e+09", 1788263900.0),
        ("301.22", None),
        ("1e9", None),
        (str(NOW + 59), NOW + 59),
        (str(NOW + 61), None),
    ],
)
def test_a_start_is_believed_when_it_is_a_time_in_the_past(start: str, expected: float | None) -> None:
    (found,) = containers_of(resource_of(series(CPU, 1) + series(START, start, None) + END)).values()
    assert found.start_time == expected


def test_a_container_of_which_only_the_start_is_known_is_no_sample() -> None:
    assert resource_of(series(START, "1.7882639e+09", None) + END).pods == []


def test_memory_alone_has_the_time_of_the_memory() -> None:
    (found,) = containers_of(resource_of(series(MEMORY, 4096, 1788263998500) + END)).values()
    assert found == Sample(NOW - 1.5, None, None, 4096)


def test_the_time_of_a_sample_is_that_of_the_cpu() -> None:
    body = series(CPU, 1, 1788263998000) + series(MEMORY, 4096, 1788263999000) + END
    (found,) = containers_of(resource_of(body)).values()
    assert found.time == NOW - 2


@pytest.mark.parametrize("pod", ["", "UPPER", "a/b", "p" * 254, "é", 'x",pod="y'], ids=lambda pod: pod[:10])
def test_a_name_must_be_one_that_kubernetes_accepts(pod: str) -> None:
    samples = resource_of(series(CPU, 1, pod=pod) + series(CPU, 2, pod="ok-0") + END)
    assert "ok-0" in {each.name for each in samples.pods}
    assert {each.name for each in samples.pods} <= {"ok-0", "y"}


def test_more_pods_and_containers_than_a_node_can_run_are_not_read() -> None:
    pods = resource_of(b"".join(series(CPU, 1, pod=f"pod-{number}") for number in range(1100)) + END)
    assert len(pods.pods) == 1000
    assert pods.dropped == {"too_many": 100}
    containers = resource_of(b"".join(series(CPU, 1, container=f"c-{number}") for number in range(210)) + END)
    assert len(containers.pods[0].containers) == 200
    assert containers.dropped == {"too_many": 10}


def test_too_many_lines_are_not_read() -> None:
    with pytest.raises(ScrapeError) as caught:
        resource_of(b"\n" * 300_001)
    assert caught.value.reason == "too_large"


def test_label_sets_are_remembered_and_those_of_pods_that_are_gone_are_let_go() -> None:
    decoder = ResourceDecoder()
    for turn in range(50):
        names = {f"pod-{turn}-{number}" for number in range(20)}
        body = b"".join(series(CPU, 1, pod=name) for name in names) + END
        for _ in range(2):
            samples = decoder.decode(body, node(), requested=NOW, received=NOW)
            assert {pod.name for pod in samples.pods} == names
            assert decoder.remembered <= 2 * 20 + 100


def test_a_line_that_is_none_is_counted_and_the_others_kept() -> None:
    body = read("resource_1_36_small_t0.txt")
    whole = containers_of(resource_of(body))
    for line in (
        b"container_cpu_usage_seconds_total",
        b'container_cpu_usage_seconds_total{container="a"',
        b'container_memory_working_set_bytes{container="a",namespace="b",pod="c"}',
        b'container_start_time_seconds{container="a",namespace="b",pod="c"} 1 2 3',
        b"node_cpu_usage_seconds_total \xff",
    ):
        samples = resource_of(line + b"\n" + body)
        assert samples.dropped == {"bad_line": 1}, line
        assert containers_of(samples) == whole


def test_where_a_series_was_dropped_first_is_told() -> None:
    lines = [
        f'container_cpu_usage_seconds_total{{container="app",namespace="shop",pod="{pod}"}} {value} 1788264000000\n'
        for pod, value in (("a", "1"), ("b", "NaN"), ("c", "-1"))
    ]
    samples = resource_of("".join(lines).encode() + b"scrape_error 0\n")
    assert samples.dropped == {"bad_number": 2}
    assert samples.dropped_at == {"bad_number": "shop/b"}
