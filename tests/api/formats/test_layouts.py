from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from metrics_api.api.body import list_body
from metrics_api.api.formats import json_text, yaml_text
from metrics_api.api.formats.format import JSON, PARTIAL, PARTIAL_LIST, PROTOBUF, TABLE, YAML, Format
from metrics_api.api.formats.layouts import layout_of
from metrics_api.api.group import NODES, PODS
from metrics_api.model import Row
from tests.api.protobuf import decode_object
from tests.api.views import document_row, make_row

_LISTS = [
    pytest.param(Format(media_type, pretty, kind, "v1" if kind else "", included), id=f"{name}-{kind}{included}")
    for kind, included in [("", ""), (TABLE, "Metadata"), (TABLE, "Object"), (TABLE, "None"), (PARTIAL_LIST, "")]
    for name, media_type, pretty in [("json", JSON, False), ("indented", JSON, True), ("yaml", YAML, False)]
] + [
    pytest.param(Format(PROTOBUF), id="protobuf"),
    pytest.param(Format(PROTOBUF, False, PARTIAL_LIST, "v1"), id="pb-meta"),
]


def decode(body: bytes, wanted: Format) -> Any:
    if wanted.media_type == PROTOBUF:
        return decode_object(body)
    return yaml.safe_load(body) if wanted.media_type == YAML else json.loads(body)


def _rows(count: int) -> list[Row]:
    return [make_row("a", f"p{index:04}", {"app": "web"} if index % 2 else {}) for index in range(count)]


@pytest.mark.parametrize("wanted", _LISTS)
@pytest.mark.parametrize("count", [0, 1, 2, 49, 50, 51, 250])
async def test_a_list_is_the_same_document_whatever_its_length_and_format(wanted: Format, count: int) -> None:
    rows = _rows(count)
    content = await _written(rows, wanted)
    expected = json.loads(await _written(rows, wanted._replace(media_type=JSON, pretty=False)))
    assert len(expected["rows" if wanted.kind == TABLE else "items"]) == count
    if wanted.media_type == PROTOBUF and wanted.kind:
        for item in expected["items"]:
            del item["kind"], item["apiVersion"]  # as in every protobuf list; these two are in JSON alone
    assert decode(content, wanted) == expected


async def _written(rows: list[Row], wanted: Format) -> bytes:
    body = await list_body(rows, layout_of(PODS, "v1", wanted))
    content = body.content if isinstance(body.content, bytes) else b"".join(body.content)
    assert body.length == len(content)
    return content


@pytest.mark.parametrize("wanted", _LISTS)
@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_document_made_in_pieces_looks_like_one_made_at_once(wanted: Format, count: int) -> None:
    written = layout_of(PODS, "v1", wanted).of(_rows(count))
    document = decode(written, wanted)
    if wanted.media_type == JSON and wanted.pretty:
        assert written == json_text.indented(document)
    elif wanted.media_type == JSON:
        assert written == json_text.compact(document)
    elif wanted.media_type == YAML:
        assert written == yaml_text.document(document)
    else:
        assert document["kind"].endswith("List")


def _table(rows: list[Row], **included: str) -> dict[str, Any]:
    wanted = Format(JSON, kind=TABLE, version="v1beta1", include_object=included.get("included", "Metadata"))
    table: dict[str, Any] = json.loads(layout_of(PODS, "v1", wanted).of(rows))
    return table


_COLUMNS = [
    {"name": "Name", "type": "string", "format": "name", "description": "Name of the resource", "priority": 0},
    {"name": "cpu", "type": "string", "format": "quantity", "description": "", "priority": 0},
    {"name": "memory", "type": "string", "format": "quantity", "description": "", "priority": 0},
    {"name": "Window", "type": "string", "format": "duration", "description": "", "priority": 0},
]


def _pod(name: str, window: str, *usages: tuple[str, str]) -> Row:
    return document_row(
        {
            "metadata": {"name": name, "namespace": "a", "creationTimestamp": "2026-01-01T00:00:30Z"},
            "timestamp": "2026-01-01T00:00:20Z",
            "window": window,
            "containers": [
                {"name": f"c{index}", "usage": {"cpu": cpu, "memory": memory}}
                for index, (cpu, memory) in enumerate(usages)
            ],
        }
    )


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        pytest.param(_pod("p", "15s", ("10m", "5Mi")), ["p", "10m", "5Mi", "15s"], id="one-container"),
        pytest.param(
            _pod("p", "1m0s", ("999999999n", "1Ki"), ("1n", "1Ki")), ["p", "1", "2Ki", "1m0s"], id="sums-are-canonical"
        ),
        pytest.param(
            _pod("p", "14.996s", ("0", "0"), ("66n", "1000")), ["p", "66n", "1000", "14.996s"], id="idle-container"
        ),
        pytest.param(_pod("p", "0s", ("0", "0")), ["p", "0", "0", "0s"], id="zero"),
    ],
)
def test_the_cells_of_a_pod_are_the_sums_over_its_containers(row: Row, cells: list[str]) -> None:
    table = _table([row])
    assert table["rows"][0]["cells"] == cells
    assert table["columnDefinitions"] == _COLUMNS
    assert (table["kind"], table["apiVersion"], table["metadata"]) == ("Table", "meta.k8s.io/v1beta1", {})


def test_an_empty_table_has_its_columns() -> None:
    assert (_table([])["columnDefinitions"], _table([])["rows"]) == (_COLUMNS, [])


def test_rows_of_different_pods_fit_the_same_columns() -> None:
    table = _table([_pod("a", "15s", ("1m", "1Mi")), _pod("b", "15s", ("1", "1Gi"), ("1", "1Gi")), *_rows(2)])
    assert [len(row["cells"]) for row in table["rows"]] == [4, 4, 4, 4]
    assert table["rows"][1]["cells"] == ["b", "2", "2Gi", "15s"]


@pytest.mark.parametrize(
    ("included", "kind", "keys"),
    [
        ("Metadata", "PartialObjectMetadata", ["kind", "apiVersion", "metadata"]),
        ("Object", "PodMetrics", ["kind", "apiVersion", "metadata", "timestamp", "window", "containers"]),
    ],
)
def test_a_row_of_a_table_comes_with_what_is_included(included: str, kind: str, keys: list[str]) -> None:
    row = make_row("a", "p", {"x": "y"})
    shown = _table([row], included=included)["rows"][0]["object"]
    assert (shown["kind"], list(shown)) == (kind, keys)
    assert shown["apiVersion"] == ("meta.k8s.io/v1beta1" if kind == PARTIAL else "metrics.k8s.io/v1")
    assert shown["metadata"] == json.loads(row.item)["metadata"]


def test_a_row_of_a_table_can_come_alone() -> None:
    assert _table([make_row("a", "p", {})], included="None")["rows"] == [
        {"cells": ["p", "250m", "64Mi", "15s"], "object": None}
    ]


@pytest.mark.parametrize("media_type", [JSON, YAML])
def test_a_single_object_is_a_table_of_one_row(media_type: str) -> None:
    wanted = Format(media_type, kind=TABLE, version="v1", include_object="Metadata")
    layout = layout_of(NODES, "v1", wanted)
    row = make_row("", "n1", {})
    assert layout.one(row) == layout.of([row])


@pytest.mark.parametrize("media_type", [JSON, YAML, PROTOBUF])
@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_the_metadata_of_one_object_stand_alone(media_type: str, version: str) -> None:
    wanted = Format(media_type, kind=PARTIAL, version=version)
    row = make_row("a", "p", {"x": "y"})
    assert decode(layout_of(PODS, "v1", wanted).one(row), wanted) == {
        "kind": PARTIAL,
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": json.loads(row.item)["metadata"],
    }


def test_metadata_that_hold_what_looks_like_the_end_of_them_are_whole() -> None:
    row = make_row("a", "p", {"x": '"},"timestamp":"', "y": "}}}"})
    wanted = Format(JSON, kind=PARTIAL, version="v1")
    assert json.loads(layout_of(PODS, "v1", wanted).one(row))["metadata"]["labels"] == row.labels
