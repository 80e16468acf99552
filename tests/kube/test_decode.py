from __future__ import annotations

import json
import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics_api.errors import KubeError
from metrics_api.kube.decode import node_decoder, pod_decoder
from metrics_api.model import NodeInfo, PodInfo
from metrics_api.timetext import parse_rfc3339

_DATA = Path(__file__).parent.parent / "data" / "kube-apiserver"
_DEEP = b'{"f:a":' * 5000 + b"{}" + b"}" * 5000
Document = dict[str, Any]


def _pod(name: str = "web-1", **changes: Any) -> Document:
    metadata = {"name": name, "namespace": "shop", "uid": f"uid-of-{name}", "labels": {"app": "web"}}
    document = {"metadata": {**metadata, **changes.pop("metadata", {})}, "spec": {"nodeName": "n1"}, "status": {}}
    return {**document, **changes}


def _page(*items: object, **metadata: object) -> bytes:
    metadata = {"resourceVersion": "7", **metadata}
    return json.dumps({"kind": "PodList", "metadata": metadata, "items": items}).encode()


def _one_pod(document: object) -> PodInfo:
    (pod,) = pod_decoder().page(_page(document)).items
    return pod


def _one_node(document: object) -> NodeInfo:
    (node,) = node_decoder().page(_page(document)).items
    return node


def _node(**changes: Any) -> Document:
    return {"metadata": {"name": "n1", "uid": "u1", **changes.pop("metadata", {})}, "status": changes}


def test_the_node_of_a_real_kubelet_is_understood() -> None:
    node = _one_node(json.loads((_DATA / "node-from-a-real-kubelet.json").read_text()))

    assert node == NodeInfo(
        name="localhost",
        uid="a1f0920d-8599-4f04-85d4-5e9163a2e25b",
        labels={
            "beta.kubernetes.io/arch": "amd64",
            "beta.kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
            "kubernetes.io/hostname": "localhost",
            "kubernetes.io/os": "linux",
        },
        addresses=(("InternalIP", "192.0.2.2"), ("Hostname", "localhost")),
        kubelet_port=10250,
        ready=False,
        operating_system="linux",
        cpu_cores=2.0,
        memory_capacity=24684096 * 1024,
        max_pods=110,
        created=parse_rfc3339("2026-11-21T01:55:14Z"),
    )


def test_a_page_of_nodes_names_its_version_and_the_next_page() -> None:
    page = node_decoder().page((_DATA / "nodes-list-limit-2.json").read_bytes())

    assert [node.name for node in page.items] == ["localhost", "node-00000"]
    assert page.resource_version == "63509"
    assert page.continue_token.startswith("eyJ2IjoibWV0YS5rOHMuaW8vdjEi")


def test_the_metadata_of_pods_alone_is_understood_too() -> None:
    pods = list(pod_decoder().page((_DATA / "pods-partial-object-metadata-list-limit-3.json").read_bytes()).items)

    assert len(pods) == 3
    assert pods[0].name == "metrics-server-896749b56-gdrh2"
    assert pods[0].labels == {"k8s-app": "metrics-server", "pod-template-hash": "896749b56"}
    assert pods[0].required == ()


def test_a_watch_of_a_real_api_server_is_understood_up_to_its_bookmark() -> None:
    decoder = pod_decoder()
    lines = (_DATA / "pods-watch-with-initial-events.ndjson").read_bytes().splitlines()
    events = [decoder.event(line) for line in lines if line]

    assert [event.type for event in events] == ["ADDED"] * (len(events) - 1) + ["BOOKMARK"]
    assert [event.item.name for event in events if event.item] == ["crasher", "done", "two-containers", "waiting"]
    assert events[-1].item is None
    assert events[-1].identity.resource_version == "63509"


def test_the_error_event_of_a_real_api_server_is_understood() -> None:
    event = pod_decoder().event((_DATA / "watch-from-a-compacted-resource-version.ndjson").read_bytes())

    assert event.type == "ERROR"
    assert event.status is not None
    assert (event.status.code, event.status.reason) == (410, "Expired")


def test_a_static_pod_is_known_by_its_config_hash_as_well() -> None:
    document = json.loads((_DATA / "static-pod-mirror-partial-object-metadata-list.json").read_text())
    mirror = next(item for item in document["items"] if "annotations" in item["metadata"])
    annotation = mirror["metadata"]["annotations"]["kubernetes.io/config.hash"]
    owner = next(each for each in mirror["metadata"]["ownerReferences"] if each["kind"] == "Node")

    pod = _one_pod({**mirror, "spec": {"nodeName": owner["name"]}})
    assert annotation
    assert pod.static_uids == (annotation,)


@pytest.mark.parametrize(
    ("annotations", "owners"),
    [
        pytest.param({"config.hash": "h"}, [{"kind": "Node", "name": "n1"}], id="no-mirror"),
        pytest.param({"config.hash": "h", "config.mirror": "h"}, None, id="no-owner"),
        pytest.param({"config.hash": "h", "config.mirror": "h"}, [{"kind": "Node", "name": "n2"}], id="another-node"),
        pytest.param({"config.hash": "h", "config.mirror": "h"}, [{"kind": "Job", "name": "n1"}], id="no-node"),
    ],
)
def test_a_pod_that_only_claims_another_uid_is_not_believed(annotations: Document, owners: object) -> None:
    prefixed = {f"kubernetes.io/{key}": value for key, value in annotations.items()}
    pod = _one_pod(_pod(metadata={"annotations": prefixed, "ownerReferences": owners}))

    assert pod.static_uids == ()


def test_a_pod_without_spec_status_labels_and_with_nulls_is_understood() -> None:
    pod = _one_pod(_pod(metadata={"labels": None, "annotations": None}, spec=None, status=None))

    assert pod == PodInfo(namespace="shop", name="web-1", uid="uid-of-web-1", labels={}, node_name="")


@pytest.mark.parametrize(
    "time", ["soon", "", "0001-01-01T00:00:00Z", "x" * 100_000], ids=["word", "empty", "0001", "long"]
)
def test_an_odd_start_time_is_not_known(time: str) -> None:
    assert _one_pod(_pod(status={"startTime": time})).started is None


@pytest.mark.parametrize(
    ("conditions", "ready"),
    [
        ([{"type": "Ready", "status": "True"}], True),
        ([{"type": "DiskPressure", "status": "True"}, {"type": "Ready", "status": "False"}], False),
        ([{"type": "Ready", "status": "Unknown"}], None),
        ([], None),
        (None, None),
    ],
    ids=["true", "false", "unknown", "none", "null"],
)
def test_ready_is_the_condition_of_that_name(conditions: object, ready: bool | None) -> None:
    assert _one_node(_node(conditions=conditions)).ready is ready


@pytest.mark.parametrize(
    ("port", "expected"),
    [(10250, 10250), (0, None), (-1, None), (65536, None), (None, None)],
    ids=["usual", "zero", "negative", "too-large", "null"],
)
def test_a_kubelet_port_is_a_port_or_not_known(port: int | None, expected: int | None) -> None:
    assert _one_node(_node(daemonEndpoints={"kubeletEndpoint": {"Port": port}})).kubelet_port == expected


@pytest.mark.parametrize(
    ("quantity", "cores"),
    [("2", 2.0), ("1930m", 1.93), (4, 4.0), ("lots", None), ("-1", None), ("1e999999", None), ("9e999999E", None),
     ("1e-999999999", None), ("NaN", None), ("9" * 100_000, None), (None, None)],
    ids=["whole", "milli", "number", "word", "negative", "huge", "overflow", "tiny", "nan", "long", "null"],
)  # fmt: skip
def test_an_odd_quantity_of_a_node_is_not_known(quantity: object, cores: float | None) -> None:
    assert _one_node(_node(capacity={"cpu": quantity})).cpu_cores == cores


def test_addresses_are_kept_in_order_and_their_number_is_bounded() -> None:
    addresses = [{"type": "InternalIP", "address": f"10.0.0.{number}"} for number in range(100)]
    node = _one_node(_node(addresses=[{"type": "Hostname", "address": ""}, *addresses]))

    assert node.addresses[0] == ("InternalIP", "10.0.0.0")
    assert len(node.addresses) == 63


def test_the_path_annotation_is_kept_unless_it_is_absurdly_long() -> None:
    key = "metrics.k8s.io/resource-metrics-path"

    assert _one_node(_node(metadata={"annotations": {key: "/m"}})).resource_metrics_path == "/m"
    assert _one_node(_node(metadata={"annotations": {key: "/" * 5000}})).resource_metrics_path is None


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(_pod("bad", metadata={"labels": 7}), id="labels"),
        pytest.param(_pod("bad", metadata={"labels": {"a": 7}}), id="label-value"),
        pytest.param(_pod("bad", metadata={"uid": ""}), id="no-uid"),
        pytest.param(_pod("bad", metadata={"namespace": ""}), id="no-namespace"),
        pytest.param(_pod("bad", spec={"containers": {"name": "x"}}), id="containers"),
        pytest.param(_pod("bad", status="Running"), id="status"),
        pytest.param({}, id="empty"),
        pytest.param(None, id="null"),
        pytest.param([], id="a-list"),
        pytest.param({"metadata": {"name": 7, "namespace": []}}, id="odd-name"),
    ],
)
def test_one_bad_pod_costs_one_pod(bad: object, caplog: pytest.LogCaptureFixture) -> None:
    decoder = pod_decoder()
    page = decoder.page(_page(_pod("a"), bad, _pod("b")))

    assert [pod.name for pod in page.items] == ["a", "b"]
    assert page.resource_version == "7"
    assert decoder.skipped == 1
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    if isinstance(bad, dict) and bad.get("metadata", {}).get("name") == "bad":
        assert "bad" in caplog.messages[0]


def test_a_pod_nested_too_deeply_costs_one_pod() -> None:
    deep = b'{"metadata":{"name":"deep","namespace":"shop","uid":"u","x]}\\"":"{[","managedFields":' + _DEEP + b"}}"
    body = _page(_pod("a"), "DEEP", _pod("b"), **{"continue": "next"}).replace(b'"DEEP"', deep)
    page = pod_decoder().page(body)

    assert [pod.name for pod in page.items] == ["a", "b"]
    assert page.continue_token == "next"


def test_bad_utf8_in_a_pod_costs_one_pod() -> None:
    body = _page(_pod("a"), _pod("BAD"), _pod("b")).replace(b"BAD", b"\xff\xfe")
    page = pod_decoder().page(body)

    assert [pod.name for pod in page.items] == ["a", "b"]


def test_a_bad_pod_is_named_once_until_the_next_list_and_its_name_cannot_forge_a_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    decoder = pod_decoder()
    body = _page(_pod("x\r\nERROR forged\x1b[2J", metadata={"uid": ""}))
    list(decoder.page(body).items)
    list(decoder.page(body).items)
    assert len(caplog.messages) == 1
    assert caplog.messages[0].isprintable()

    decoder.forget_reported()
    list(decoder.page(body).items)
    assert len(caplog.messages) == 2


def test_a_flood_of_bad_pods_does_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    decoder = pod_decoder()
    list(decoder.page(_page(*[_pod(f"p{number}", metadata={"uid": ""}) for number in range(1000)])).items)

    assert decoder.skipped == 1000
    assert len(caplog.messages) == 100


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"<html>", b'{"metadata":{},"items":[{}', b'{"items":[]}', b'{"metadata":{},"items":7}',
     b'{"metadata":{},"items":[' + _DEEP],
    ids=["empty", "null", "list", "html", "cut", "no-metadata", "no-items", "deep-and-cut"],
)  # fmt: skip
def test_a_body_that_is_no_list_is_an_error(body: bytes) -> None:
    with pytest.raises(KubeError, match="list of pods is no list"):
        list(pod_decoder().page(body).items)


@pytest.mark.parametrize(
    "line",
    [
        b"null",
        b"{}",
        b"<html>",
        b'{"type":"ADDED"}',
        b'{"type":"ADDED","object":{"metadata"',
        b'{"type":"ERROR","object":{"code":null}}',
    ],
    ids=["null", "empty", "html", "no-object", "cut", "odd-status"],
)
def test_a_line_that_is_no_event_is_an_error(line: bytes) -> None:
    with pytest.raises(KubeError, match="watch of pods is no event"):
        pod_decoder().event(line)


def test_a_bad_object_in_an_event_leaves_the_event_its_name_and_version() -> None:
    bad = _pod("bad", metadata={"labels": 7, "resourceVersion": "9"})
    event = pod_decoder().event(json.dumps({"type": "MODIFIED", "object": bad}).encode())

    assert event.item is None
    assert event.identity.resource_version == "9"


def test_a_deletion_needs_no_more_than_the_name() -> None:
    bad = _pod("bad", status="odd", metadata={"labels": 7})
    event = pod_decoder().event(json.dumps({"type": "DELETED", "object": bad}).encode())

    assert (event.identity.namespace, event.identity.name, event.identity.uid) == ("shop", "bad", "uid-of-bad")


def test_an_event_nested_too_deeply_is_passed_over() -> None:
    event = pod_decoder().event(b'{"type":"ADDED","object":{"metadata":{"managedFields":' + _DEEP + b"}}}")

    assert event.item is None
    assert event.identity.resource_version == ""


def test_what_pods_have_in_common_is_kept_once() -> None:
    status = {"containerStatuses": [{"name": "app", "state": {"running": {}}}]}
    decoder = pod_decoder()
    a, b = decoder.page(_page(_pod("a", status=status), _pod("b", status=status))).items

    assert a.labels is b.labels
    assert a.namespace is b.namespace
    assert a.node_name is b.node_name
    assert a.required is b.required


_KEYS = (
    *("metadata", "name", "namespace", "uid", "labels", "annotations", "resourceVersion", "ownerReferences"),
    *("spec", "containers", "initContainers", "nodeName", "restartPolicy", "kind", "code", "message"),
    *("status", "startTime", "containerStatuses", "state", "running", "terminated", "exitCode"),
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=6),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(_JSON, st.sampled_from(["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR", "OTHER"]))
def test_no_document_harms_the_good_one_beside_it(document: object, kind: str) -> None:
    decoder = pod_decoder()
    good = _pod("good")
    names = [pod.name for pod in decoder.page(_page(document, good)).items]
    line = json.dumps({"type": kind, "object": document}).encode()

    assert names[-1] == "good"
    with suppress(KubeError):
        decoder.event(line)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_kube_error(body: bytes) -> None:
    decoder = node_decoder()
    with suppress(KubeError):
        list(decoder.page(body).items)
    with suppress(KubeError):
        decoder.event(body)
    with suppress(KubeError):
        list(decoder.page(b'{"metadata":{},"items":[' + body + b"]}").items)
