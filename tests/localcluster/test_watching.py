"""Watches over the wire: what is sent, when it ends, and how it fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from metrics_api.localcluster.apiserver import ApiServer
from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.resources import NODES, PODS
from tests.fakes import FakeClock, settle
from tests.localcluster.watcher import summary, watch

PODS_PATH = "/api/v1/pods"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
STREAMING = {
    "sendInitialEvents": "true",
    "resourceVersionMatch": "NotOlderThan",
    "allowWatchBookmarks": "true",
}
CAPTURED = Path(__file__).parent.parent / "data" / "kube-apiserver"


def pod(name: str, node: str = "n1", phase: str = "Running", **labels: str) -> dict[str, Any]:
    spec = {"nodeName": node, "containers": [{"name": "app", "image": "app"}]}
    metadata = {"name": name, "namespace": "default", "labels": labels}
    return {"metadata": metadata, "spec": spec, "status": {"phase": phase}}


async def test_without_a_version_what_exists_comes_first_and_then_what_changes(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore
) -> None:
    objects.create(PODS, pod("b"))
    objects.create(PODS, pod("a"))
    async with watch(admin, PODS_PATH) as watcher:
        first = await watcher.take(2)
        objects.create(PODS, pod("c"))
        objects.set_status(PODS, "default", "a", {"phase": "Failed"})
        objects.delete(PODS, "default", "b")
        then = await watcher.take(3)

    assert summary(first) == [("ADDED", "a"), ("ADDED", "b")]
    assert summary(then) == [("ADDED", "c"), ("MODIFIED", "a"), ("DELETED", "b")]
    assert first[0][1]["kind"] == "Pod"
    versions = [int(obj["metadata"]["resourceVersion"]) for _, obj in then]
    assert versions == sorted(versions)
    assert versions[-1] == objects.version


async def test_from_a_version_on_only_later_changes_come(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore
) -> None:
    objects.create(PODS, pod("before"))
    version = objects.version
    objects.create(PODS, pod("missed"))
    async with watch(admin, PODS_PATH, resourceVersion=str(version)) as watcher:
        missed = await watcher.next()
        objects.create(PODS, pod("live"))
        live = await watcher.next()

    assert summary([missed, live]) == [("ADDED", "missed"), ("ADDED", "live")]


async def test_version_zero_is_as_none(server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore) -> None:
    objects.create(PODS, pod("a"))
    async with watch(admin, PODS_PATH, resourceVersion="0") as watcher:
        assert summary([await watcher.next()]) == [("ADDED", "a")]


async def test_a_streaming_list_ends_with_a_marked_bookmark(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore
) -> None:
    for name in ("a", "b"):
        objects.create(PODS, pod(name))
    async with watch(admin, PODS_PATH, accept=METADATA, **STREAMING) as watcher:
        events = await watcher.take(3)
        version = objects.version
        objects.create(PODS, pod("c"))
        live = await watcher.next()

    assert summary(events) == [("ADDED", "a"), ("ADDED", "b"), ("BOOKMARK", "")]
    lines = (CAPTURED / "pods-watch-with-initial-events.ndjson").read_text().splitlines()
    captured = [json.loads(line) for line in lines]
    expected = captured[-1]["object"]
    expected["metadata"]["resourceVersion"] = str(version)
    assert events[-1][1] == expected
    assert events[0][1].keys() == captured[0]["object"].keys()
    assert summary([live]) == [("ADDED", "c")]


async def test_sending_no_initial_objects_starts_now(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore
) -> None:
    objects.create(PODS, pod("a"))
    query = {**STREAMING, "sendInitialEvents": "false"}
    async with watch(admin, PODS_PATH, **query) as watcher:
        objects.create(PODS, pod("b"))
        assert summary([await watcher.next()]) == [("ADDED", "b")]


async def test_an_object_that_leaves_the_selection_is_deleted_and_one_that_enters_is_added(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore
) -> None:
    objects.create(PODS, pod("a", phase="Running"))
    async with watch(admin, PODS_PATH, fieldSelector="status.phase=Running") as watcher:
        added = await watcher.next()
        objects.set_status(PODS, "default", "a", {"phase": "Succeeded"})
        left = await watcher.next()
        left_at = objects.version
        objects.set_status(PODS, "default", "a", {"phase": "Failed"})
        objects.set_status(PODS, "default", "a", {"phase": "Running"})
        entered = await watcher.next()

    assert summary([added, left, entered]) == [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "a")]
    assert left[1]["status"] == {"phase": "Running"}
    assert left[1]["metadata"]["resourceVersion"] == str(left_at)


@pytest.mark.parametrize(
    "query",
    [
        {"labelSelector": "app=web"},
        {"fieldSelector": "spec.nodeName=n2"},
        {"fieldSelector": "metadata.name=wanted"},
    ],
    ids=lambda query: next(iter(query)),
)
async def test_a_selector_narrows_what_is_sent(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore, query: dict[str, str]
) -> None:
    objects.create(PODS, pod("other"))
    objects.create(PODS, pod("wanted", "n2", app="web"))
    async with watch(admin, PODS_PATH, **query) as watcher:
        first = await watcher.next()
        objects.delete(PODS, "default", "other")
        objects.delete(PODS, "default", "wanted")
        second = await watcher.next()

    assert summary([first, second]) == [("ADDED", "wanted"), ("DELETED", "wanted")]


async def test_a_namespaced_watch_sees_its_namespace_only(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore
) -> None:
    async with watch(admin, "/api/v1/namespaces/default/pods") as watcher:
        elsewhere = pod("elsewhere")
        elsewhere["metadata"]["namespace"] = "other"
        objects.create(PODS, elsewhere)
        objects.create(PODS, pod("here"))
        assert summary([await watcher.next()]) == [("ADDED", "here")]


async def test_the_watch_ends_at_its_timeout_with_a_bookmark_shortly_before(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore, clock: FakeClock
) -> None:
    query = {"timeoutSeconds": "90", "allowWatchBookmarks": "true", "resourceVersion": str(objects.version)}
    async with watch(admin, PODS_PATH, **query) as watcher:
        await clock.advance(60)
        minute = await watcher.next()
        objects.create(NODES, {"metadata": {"name": "n1"}})
        await clock.advance(28)
        last = await watcher.next()
        assert server.watches.count == 1
        await clock.advance(2)
        rest = await watcher.until_end()

    assert minute == ("BOOKMARK", {**minute[1], "kind": "Pod", "apiVersion": "v1"})
    assert last[1]["metadata"] == {"resourceVersion": str(objects.version)}
    assert rest == []
    assert server.watches.count == 0


async def test_bookmarks_come_only_when_they_are_asked_for(
    server: ApiServer, admin: httpx.AsyncClient, clock: FakeClock, objects: ObjectStore
) -> None:
    query = {"timeoutSeconds": "90", "resourceVersion": str(objects.version)}
    async with watch(admin, PODS_PATH, **query) as watcher:
        await clock.advance(90)
        assert await watcher.until_end() == []


async def test_a_client_that_hangs_up_ends_its_watch(server: ApiServer, admin: httpx.AsyncClient) -> None:
    async with watch(admin, PODS_PATH, resourceVersion="0"):
        assert server.watches.count == 1
    while server.watches.count:
        await settle()


async def test_all_watches_can_be_ended(server: ApiServer, admin: httpx.AsyncClient) -> None:
    async with watch(admin, PODS_PATH) as watcher:
        server.watches.end_all()
        assert await watcher.until_end() == []


async def test_a_client_that_does_not_read_loses_its_watch(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore
) -> None:
    objects.create(PODS, pod("a"))
    async with watch(admin, PODS_PATH, resourceVersion=str(objects.version)) as watcher:
        for number in range(10_001):
            objects.set_status(PODS, "default", "a", {"phase": "Running", "message": str(number)})
        await watcher.until_end()
    assert server.watches.count == 0


async def test_a_version_that_is_compacted_is_an_error_event(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore
) -> None:
    objects.create(PODS, pod("a"))
    objects.compact()
    async with watch(admin, PODS_PATH, resourceVersion="1") as watcher:
        events = await watcher.until_end()

    captured = json.loads((CAPTURED / "watch-from-a-compacted-resource-version.ndjson").read_text())
    captured["object"]["message"] = f"too old resource version: 1 ({objects.version})"
    assert events == [("ERROR", captured["object"])]


async def test_the_fault_expired_ends_watches_as_an_event_or_as_the_status(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore
) -> None:
    version = str(objects.version)
    server.faults.watch_expired = "event"
    async with watch(admin, PODS_PATH, resourceVersion=version) as watcher:
        events = await watcher.until_end()
    server.faults.watch_expired = "status"
    async with watch(admin, PODS_PATH, resourceVersion=version) as refused:
        assert refused.response.status_code == 410
        assert refused.response.json()["reason"] == "Expired"

    assert [(kind, obj["code"]) for kind, obj in events] == [("ERROR", 410)]


async def test_with_streaming_lists_off_they_are_refused(server: ApiServer, admin: httpx.AsyncClient) -> None:
    server.faults.streaming_lists = False
    async with watch(admin, PODS_PATH, **STREAMING) as refused:
        status = refused.response.json()

    assert status["code"] == 422
    assert status["message"] == (
        'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: '
        "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"
    )
    assert status["details"]["causes"][0]["field"] == "sendInitialEvents"


async def test_with_bookmarks_off_the_initial_objects_have_no_marked_end(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore, clock: FakeClock
) -> None:
    server.faults.bookmarks = False
    objects.create(PODS, pod("a"))
    async with watch(admin, PODS_PATH, **STREAMING, timeoutSeconds="90") as watcher:
        first = await watcher.next()
        await clock.advance(90)
        rest = await watcher.until_end()

    assert summary([first]) == [("ADDED", "a")]
    assert rest == []


@pytest.mark.parametrize(
    ("query", "code", "reason"),
    [
        ({"sendInitialEvents": "true"}, 422, "Invalid"),
        ({"resourceVersionMatch": "NotOlderThan"}, 422, "Invalid"),
        ({**STREAMING, "resourceVersionMatch": "Exact"}, 422, "Invalid"),
        ({"timeoutSeconds": "soon"}, 400, "BadRequest"),
        ({"labelSelector": "a in"}, 400, "BadRequest"),
        ({"fieldSelector": "spec.color=red"}, 400, "BadRequest"),
    ],
    ids=lambda value: "&".join(f"{key}={one}" for key, one in value.items()) if isinstance(value, dict) else "",
)
async def test_wrong_parameters_are_refused(
    server: ApiServer, admin: httpx.AsyncClient, query: dict[str, str], code: int, reason: str
) -> None:
    async with watch(admin, PODS_PATH, **query) as refused:
        assert refused.response.status_code == code
        assert refused.response.json()["reason"] == reason


async def test_a_watch_from_a_version_to_come_begins_after_it(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore
) -> None:
    async with watch(admin, PODS_PATH, resourceVersion=str(objects.version + 1)) as watcher:
        objects.create(PODS, pod("a"))
        objects.create(PODS, pod("b"))

        assert summary([await watcher.next()]) == [("ADDED", "b")]


async def test_a_table_names_its_columns_in_the_first_event_only(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore
) -> None:
    objects.create(PODS, pod("a"))
    async with watch(admin, PODS_PATH, accept=TABLE) as watcher:
        _, first = await watcher.next()
        objects.create(PODS, pod("b"))
        _, second = await watcher.next()

    assert first["columnDefinitions"][0]["name"] == "Name"
    assert second["columnDefinitions"] is None
    assert [table["rows"][0]["cells"][0] for table in (first, second)] == ["a", "b"]
    assert second["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
