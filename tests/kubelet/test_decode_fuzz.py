"""Whatever a node says in the shape of a document, decoding ends in samples within range or in our own error.

Documents with anything else wrong in them: ``tests/fuzz``.
"""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import targets

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


@settings(deadline=None, max_examples=200)
@given(documents)
def test_any_values_in_the_shape_of_a_summary(document: Any) -> None:
    targets.summary(msgspec.json.encode(document))


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
    targets.resource(body.encode() + b"scrape_error 0\n")
