"""Whatever a node sends, decoding ends in samples within range or in our own error."""

from __future__ import annotations

import math
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics_api.errors import ScrapeError
from metrics_api.model import NodeSamples
from tests.kubelet.documents import NOW, read, resource_of, summary_of

GREATEST = 2**64 - 1
SUMMARY = read("summary_small_cpumem_t0.json")
RESOURCE = read("resource_1_36_small_t0.txt")

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["2026-09-01T11:59:50Z", "node-a", "app", "web-0"])
)
times = st.sampled_from(["2026-09-01T11:59:50Z", "2026-09-01T11:59:40.5Z", "2026-09-01", ""]) | scalars
readings = st.fixed_dictionaries(
    {},
    optional={
        "time": times,
        "usageNanoCores": scalars,
        "usageCoreNanoSeconds": scalars,
        "workingSetBytes": scalars,
    },
)
containers = st.fixed_dictionaries(
    {"name": st.sampled_from(["app", "sidecar"]) | scalars},
    optional={"startTime": times, "cpu": readings | scalars, "memory": readings | scalars},
)
pods = st.fixed_dictionaries(
    {
        "podRef": st.fixed_dictionaries(
            {"name": st.sampled_from(["a", "b"]) | scalars, "namespace": st.just("shop"), "uid": st.just("u") | scalars}
        )
        | scalars
    },
    optional={"containers": st.lists(containers | scalars, max_size=3) | scalars},
)
documents = st.fixed_dictionaries(
    {"node": st.fixed_dictionaries({"nodeName": st.just("node-a")}, optional={"cpu": readings, "memory": readings})},
    optional={"pods": st.lists(pods | scalars, max_size=4) | scalars},
)


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Return a document with some of its bytes replaced, removed or doubled."""
    body = bytearray(whole)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(len(body) - 1, 0)))
        length = draw(st.integers(0, 12))
        body[at : at + length] = draw(
            st.binary(max_size=12)
            | st.sampled_from([b"", b"null", b"-1", b"9" * 30, b"1e400", b"[[", b"}", b'"', b"\n", b"NaN", b" 1 2 3"])
        )
    return bytes(body)


def check(samples: NodeSamples) -> None:
    everything = [sample for pod in samples.pods for sample in pod.containers.values()]
    for sample in (*everything, *([samples.node] if samples.node is not None else [])):
        assert math.isfinite(sample.time)
        assert 0 <= sample.time < 1e12
        assert sample.start_time is None or 0 <= sample.start_time < 1e12
        for number in (sample.cpu_total, sample.cpu_rate, sample.working_set):
            assert number is None or (type(number) is int and 0 <= number <= GREATEST)
        assert any(number is not None for number in (sample.cpu_total, sample.cpu_rate, sample.working_set))
    for pod in samples.pods:
        assert 0 < len(pod.name) <= 253
        assert 0 < len(pod.namespace) <= 63
        assert all(0 < len(name) <= 63 for name in pod.containers)
    assert all(count > 0 for count in samples.dropped.values())


def try_summary(body: bytes) -> None:
    try:
        check(summary_of(body))
    except ScrapeError as error:
        assert error.reason in {"decode", "wrong_node"}  # noqa: PT017 - either outcome is right


def try_resource(body: bytes) -> None:
    try:
        check(resource_of(body, now=NOW))
    except ScrapeError as error:
        assert error.reason in {"decode", "no_data"}  # noqa: PT017 - either outcome is right


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes(body: bytes) -> None:
    try_summary(body)
    try_resource(body)


@settings(deadline=None, max_examples=300)
@given(documents)
def test_any_values_in_the_shape_of_a_summary(document: Any) -> None:
    try_summary(msgspec.json.encode(document))


@settings(deadline=None, max_examples=300)
@given(damaged(SUMMARY))
def test_a_damaged_summary(body: bytes) -> None:
    try_summary(body)


@settings(deadline=None, max_examples=300)
@given(damaged(RESOURCE))
def test_a_damaged_resource_document(body: bytes) -> None:
    try_resource(body)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["container_cpu_usage_seconds_total", "container_start_time_seconds", "node_cpu_usage_seconds_total"]
            ),
            st.text(max_size=30),
            st.text(max_size=12) | st.floats().map(repr),
            st.text(max_size=12) | st.integers().map(str),
        ),
        max_size=5,
    )
)
def test_any_text_in_the_places_of_a_series(lines: list[tuple[str, str, str, str]]) -> None:
    body = "".join(f"{name}{{{labels}}} {value} {stamp}\n" for name, labels, value, stamp in lines)
    try_resource(body.encode() + b"scrape_error 0\n")


def test_the_whole_documents_pass_the_same_check() -> None:
    check(summary_of(SUMMARY))
    check(resource_of(RESOURCE))
