"""Events in every format there is, read by decoders that share nothing with what wrote them."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.api.protobuf import decode_object
from tests.api.views import V1
from tests.api.watch.watching import Client, Cluster, frames, watch
from tests.fakes import settle

PROTOBUF = "application/vnd.kubernetes.protobuf"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
STREAMS = "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
MARKED = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"


@pytest.fixture
async def cluster() -> Cluster:
    cluster = Cluster()
    cluster.pod("a", app="web")
    cluster.sampled()
    return cluster


@pytest.mark.parametrize("resource", ["nodes", "pods"])
@pytest.mark.parametrize("accept", [f"{PROTOBUF}, */*", f"{PROTOBUF};stream=watch"])
async def test_protobuf_says_what_json_says(cluster: Cluster, resource: str, accept: str) -> None:
    clients = [watch(cluster, f"{V1}/{resource}", MARKED, accept=each) for each in ("application/json", accept)]
    await settle()
    cluster.sampled()
    cluster.pod("a", app="db")
    cluster.remove("a")
    await settle()
    json_events = [(event["type"], event["object"]) for event in map(json.loads, clients[0].body.splitlines())]
    decoded = frames(clients[1].body)
    assert clients[1].content_type == f"{PROTOBUF};stream=watch"
    assert [kind for kind, _ in decoded] == [kind for kind, _ in json_events]
    for (_, one), (_, other) in zip(decoded, json_events, strict=True):
        # What a bookmark has no value for is null in JSON, and nothing in protobuf.
        assert one == {key: value for key, value in other.items() if value is not None}
    assert {"ADDED", "MODIFIED", "BOOKMARK"} <= {kind for kind, _ in decoded}


async def test_an_error_comes_in_protobuf_too(cluster: Cluster) -> None:
    client = watch(cluster, query="resourceVersion=1", accept=PROTOBUF)
    await client.task
    ((kind, status),) = frames(client.body)
    assert (kind, status["kind"], status["code"]) == ("ERROR", "Status", 410)


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_only_the_first_table_has_columns(cluster: Cluster, version: str) -> None:
    client = watch(cluster, accept=TABLE.replace("v=v1", f"v={version}"))
    ((_, first),) = await client.events()
    cluster.sampled()
    ((_, second),) = await client.events()
    assert [column["name"] for column in first["columnDefinitions"]] == ["Name", "cpu", "memory", "Window"]
    assert second["columnDefinitions"] is None
    assert first["kind"] == second["kind"] == "Table"
    assert first["apiVersion"] == second["apiVersion"] == f"meta.k8s.io/{version}"
    for table in (first, second):
        (row,) = table["rows"]
        assert row["cells"][0] == row["object"]["metadata"]["name"] == "a"
        assert row["object"]["metadata"]["resourceVersion"] == table["metadata"]["resourceVersion"]


async def test_the_first_table_has_columns_also_when_it_is_one_that_all_share(cluster: Cluster) -> None:
    clients = [watch(cluster, query=f"resourceVersion={cluster.version()}", accept=TABLE) for _ in range(2)]
    await settle()
    cluster.sampled()
    for client in clients:
        ((_, table),) = await client.events()
        assert table["columnDefinitions"]


@pytest.mark.parametrize(("included", "kind"), [("Object", "PodMetrics"), ("Metadata", "PartialObjectMetadata")])
async def test_a_row_brings_the_object_that_is_asked_for(cluster: Cluster, included: str, kind: str) -> None:
    ((_, table),) = await watch(cluster, query=f"includeObject={included}", accept=TABLE).events()
    assert table["rows"][0]["object"]["kind"] == kind


@pytest.mark.parametrize("media_type", ["application/json", PROTOBUF])
async def test_metadata_alone_can_be_watched(cluster: Cluster, media_type: str) -> None:
    client = watch(cluster, query=MARKED, accept=f"{media_type};{PARTIAL}")
    await settle()
    if media_type == PROTOBUF:
        events = frames(client.body)
    else:
        events = await client.events()
    (_, added), (kind, mark) = events
    assert (added["kind"], added["metadata"]["name"]) == ("PartialObjectMetadata", "a")
    assert "timestamp" not in added
    assert (kind, mark["kind"]) == ("BOOKMARK", "PartialObjectMetadata")
    assert mark["metadata"]["resourceVersion"] == str(cluster.version())


@pytest.mark.parametrize(
    ("accept", "message"),
    [
        ("application/yaml", f"only the following media types are accepted: {STREAMS}"),
        ("application/yaml, application/json", f"only the following media types are accepted: {STREAMS}"),
        (
            "text/html",
            "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, "
            f"{PROTOBUF}, {STREAMS}",
        ),
        (f"{PROTOBUF};as=Table;v=v1;g=meta.k8s.io", f"only the following media types are accepted: {STREAMS}"),
        (
            f"application/json;{PARTIAL.replace('Metadata', 'MetadataList')}",
            "you requested PartialObjectMetadataList, but the requested object is not a list (*metrics.PodMetrics)",
        ),
    ],
)
async def test_what_cannot_be_a_stream_is_refused(cluster: Cluster, accept: str, message: str) -> None:
    client = watch(cluster, accept=accept)
    await client.task
    assert client.code == 406
    said = decode_object(client.body) if client.content_type == PROTOBUF else yaml.safe_load(client.body)
    assert said["message"] == message


async def test_a_list_and_its_items_have_versions_in_every_format(cluster: Cluster) -> None:
    version = str(cluster.version())
    for accept in ("application/json", TABLE, f"application/json;{PARTIAL.replace('Metadata;', 'MetadataList;')}"):
        client = Client(cluster, f"{V1}/pods", accept=accept)
        await client.task
        document = json.loads(client.body)
        assert document["metadata"] == {"resourceVersion": version}
        (item,) = document.get("items") or [document["rows"][0]["object"]]
        assert int(item["metadata"]["resourceVersion"]) <= int(version)
