from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics_api.api.formats import protobuf_rows
from metrics_api.api.formats.format import PARTIAL, PARTIAL_LIST, PROTOBUF, Format
from metrics_api.api.formats.layouts import layout_of
from metrics_api.api.group import NODES, PODS, Resource
from metrics_api.model import ContainerUsage, Row, Usage
from metrics_api.store.view import View
from tests.api.protobuf import decode_object, fields, go_duration
from tests.api.views import DATA, captured_row, document_row, make_row

_FORMAT = Format(PROTOBUF)


def _captured(name: str) -> bytes:
    return (DATA / name).read_bytes()


@pytest.mark.parametrize(
    ("resource", "document", "captured"), [(NODES, "node.json", "node.pb"), (PODS, "pod.json", "pod.pb")]
)
def test_an_object_is_written_byte_for_byte_as_by_metrics_server(
    resource: Resource, document: str, captured: str
) -> None:
    assert layout_of(resource, "v1beta1", _FORMAT).one(captured_row(document)) == _captured(captured)


def test_a_list_of_nodes_is_written_byte_for_byte_as_by_metrics_server() -> None:
    layout = layout_of(NODES, "v1beta1", _FORMAT)
    assert layout.of([captured_row("node.json")]) == _captured("nodes.pb")
    assert layout.of([]) == _captured("nodes-empty.pb")


def test_a_list_of_pods_is_written_byte_for_byte_as_by_metrics_server() -> None:
    items = decode_object(_captured("pods.pb"))["items"]
    assert [item["metadata"]["name"] for item in items] == ["web-1", "web-2"]
    assert layout_of(PODS, "v1beta1", _FORMAT).of([document_row(item) for item in items]) == _captured("pods.pb")


def test_metadata_are_written_byte_for_byte_as_by_metrics_server() -> None:
    layout = layout_of(NODES, "v1beta1", Format(PROTOBUF, kind=PARTIAL_LIST, version="v1"))
    assert layout.of([captured_row("node.json")]) == _captured("pom-nodes.pb")


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_the_metadata_of_one_object_have_an_envelope_of_their_own(version: str) -> None:
    layout = layout_of(PODS, "v1", Format(PROTOBUF, kind=PARTIAL, version=version))
    assert decode_object(layout.one(captured_row("pod.json"))) == {
        "kind": PARTIAL,
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": json.loads((DATA / "pod.json").read_text())["metadata"],
    }


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
_NAMES = st.text(min_size=1, max_size=260)
_CONTAINERS = st.lists(
    st.builds(ContainerUsage, _TEXTS, st.integers(0, 10**16), st.integers(0, 2**60)), min_size=1, max_size=4
).map(tuple)
_USAGES = st.builds(Usage, st.floats(0, 4e9), st.integers(0, 3_599_999).map(lambda ms: ms / 1000), _CONTAINERS)


@settings(deadline=None)
@given(_NAMES, _NAMES, st.dictionaries(_TEXTS, _TEXTS, max_size=5), _USAGES, st.floats(0, 4e9))
def test_whatever_a_row_holds_can_be_read_back(
    namespace: str, name: str, labels: dict[str, str], usage: Usage, created: float
) -> None:
    row = Row(namespace, name, labels, usage, created, b"")
    decoded = decode_object(layout_of(PODS, "v1", _FORMAT).of([row]))["items"][0]
    metadata = decoded["metadata"]
    assert (metadata["namespace"], metadata["name"]) == (namespace, name)
    assert metadata.get("labels", {}) == labels
    assert decoded["window"] == go_duration(round(usage.window * 1000) * 10**6)
    assert [one.get("name", "") for one in decoded["containers"]] == [one.name for one in usage.containers]


def test_labels_are_written_in_the_order_of_their_keys() -> None:
    in_order, reverse = make_row("a", "p", {"a": "1", "b": "2"}), make_row("a", "p", {"b": "2", "a": "1"})
    assert protobuf_rows.encoded_row(in_order) == protobuf_rows.encoded_row(reverse)


def test_a_time_before_1970_keeps_its_sign() -> None:
    row = make_row("", "n1", {})
    row.usage = Usage(-1.5, 15.0, row.usage.containers)
    raw = dict(fields(dict(fields(dict(fields(protobuf_rows.encoded_row(row)))[2]))[2]))  # type: ignore[arg-type]
    assert raw[1] == 2**64 - 2


def test_a_row_is_encoded_once_until_it_is_told_to_have_changed() -> None:
    rows = [make_row("a", f"p{index}", {}) for index in range(3)]
    first = protobuf_rows.encoded(rows)
    again = protobuf_rows.encoded(rows)
    assert all(one is other for one, other in zip(first, again, strict=True))
    rows[1].protobuf = None
    third = protobuf_rows.encoded(rows)
    assert [one is other for one, other in zip(first, third, strict=True)] == [True, False, True]
    assert third == first


class _Entry:
    """A pod as the store keeps it."""

    def __init__(self) -> None:
        self.row: Row | None = None
        self.row_expiry = 0.0
        self.metadata = ("a", "p", {"app": "web"})


def _item(_: bytes, created: float, usage: Usage) -> bytes:
    return f'{{"metadata":{{}},"at":[{created},{usage.time}]}}'.encode()


def test_new_usage_and_new_labels_reach_protobuf_through_the_store() -> None:
    view: View[_Entry] = View(_item)
    entry = _Entry()
    view.add(entry)

    def served() -> dict[str, object]:
        assert entry.row is not None
        metrics = decode_object(layout_of(PODS, "v1", _FORMAT).one(entry.row))
        return {"timestamp": metrics["timestamp"], "labels": metrics["metadata"]["labels"]}

    view.serve(entry, Usage(10.0, 15.0, ()), expiry=0.0, created=11.0)
    assert served() == {"timestamp": "1970-01-01T00:00:10Z", "labels": {"app": "web"}}
    view.serve(entry, Usage(25.0, 15.0, ()), expiry=0.0, created=26.0)
    assert served()["timestamp"] == "1970-01-01T00:00:25Z"
    entry.metadata = ("a", "p", {"app": "db"})
    view.relabel(entry, created=27.0)
    assert served()["labels"] == {"app": "db"}
