"""List and watch as metrics servers rely on them (contract §8.3)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.contract.cluster import Cluster
from tests.localcluster.watcher import summary, watch

PODS = "/api/v1/namespaces/default/pods"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
STREAMING = {
    "sendInitialEvents": "true",
    "resourceVersionMatch": "NotOlderThan",
    "allowWatchBookmarks": "true",
}
NOW = {"gracePeriodSeconds": "0"}
BAD_VERSION = 'resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax'


def pod(name: str, node: str = "n1", **labels: str) -> dict[str, Any]:
    spec = {"nodeName": node, "containers": [{"name": "app", "image": "app"}]}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec}


async def made(cluster: Cluster, *pods: dict[str, Any]) -> list[dict[str, Any]]:
    return [await cluster.create(PODS, each) for each in pods]


async def set_phase(cluster: Cluster, name: str, phase: str) -> None:
    await cluster.change(f"{PODS}/{name}/status", {"status": {"phase": phase}})


def names(response: httpx.Response) -> list[str]:
    return [item["metadata"]["name"] for item in response.json()["items"]]


async def version(cluster: Cluster) -> str:
    found: str = (await cluster.admin.get(PODS)).json()["metadata"]["resourceVersion"]
    return found


async def test_every_object_and_list_has_a_version_of_one_counter(cluster: Cluster) -> None:
    (first,) = await made(cluster, pod("a"))
    config_map = await cluster.create("/api/v1/namespaces/default/configmaps", {"metadata": {"name": "one"}})
    (second,) = await made(cluster, pod("b"))

    found = [int(each["metadata"]["resourceVersion"]) for each in (first, config_map, second)]
    assert found == sorted(set(found))
    assert int(await version(cluster)) >= found[-1]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"labelSelector": "app=web"}, ["a", "b"]),
        ({"labelSelector": "app in (web),tier!=front"}, ["b"]),
        ({"labelSelector": "!app"}, ["c"]),
        ({"fieldSelector": "spec.nodeName=n2"}, ["b", "c"]),
        ({"fieldSelector": "metadata.name=a"}, ["a"]),
        ({"fieldSelector": "metadata.namespace=other"}, []),
        ({"fieldSelector": "status.phase=Running"}, ["c"]),
        ({"fieldSelector": "spec.nodeName=n2", "labelSelector": "app"}, ["b"]),
    ],
    ids=lambda value: "&".join(value.values()) if isinstance(value, dict) else "",
)
async def test_a_selector_narrows_a_list(cluster: Cluster, query: dict[str, str], expected: list[str]) -> None:
    await made(cluster, pod("a", app="web", tier="front"), pod("b", "n2", app="web"), pod("c", "n2"))
    await set_phase(cluster, "c", "Running")

    assert names(await cluster.admin.get(PODS, params=query)) == expected


async def test_pages_show_the_state_of_the_first_page(cluster: Cluster) -> None:
    await made(cluster, *(pod(name) for name in "abcde"))
    first = await cluster.admin.get(PODS, params={"limit": "2"})
    await cluster.admin.delete(f"{PODS}/d", params=NOW)
    query = {"limit": "2", "continue": first.json()["metadata"]["continue"]}
    second = await cluster.admin.get(PODS, params=query)
    query["continue"] = second.json()["metadata"]["continue"]
    third = await cluster.admin.get(PODS, params=query)

    pages = (first, second, third)
    assert [names(each) for each in pages] == [["a", "b"], ["c", "d"], ["e"]]
    assert [each.json()["metadata"].get("remainingItemCount") for each in pages] == [3, 1, None]
    assert len({each.json()["metadata"]["resourceVersion"] for each in pages}) == 1


@pytest.mark.parametrize("match", ["Exact", "NotOlderThan"])
async def test_a_list_may_ask_for_a_version(cluster: Cluster, match: str) -> None:
    (first,) = await made(cluster, pod("a"))
    await made(cluster, pod("b"))
    query = {"resourceVersion": first["metadata"]["resourceVersion"], "resourceVersionMatch": match}

    assert names(await cluster.admin.get(PODS, params=query)) == (["a"] if match == "Exact" else ["a", "b"])


@pytest.mark.parametrize(
    ("query", "code", "says"),
    [
        ({"limit": "abc"}, 400, 'strconv.ParseInt: parsing "abc": invalid syntax'),
        ({"timeoutSeconds": "x"}, 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ({"continue": "!"}, 400, "invalid continue token: continue key is not valid: "),
        ({"resourceVersion": "abc"}, 400, f"invalid resource version: {BAD_VERSION}"),
        ({"resourceVersion": "abc", "watch": "true"}, 500, BAD_VERSION),
        ({"resourceVersion": "9" * 15}, 504, f"Timeout: Too large resource version: {'9' * 15}, current: "),
        (
            {"resourceVersionMatch": "Exact"},
            422,
            "resourceVersionMatch is forbidden unless resourceVersion is provided",
        ),
        ({"resourceVersionMatch": "Near", "resourceVersion": "1"}, 422, 'Unsupported value: "Near"'),
        ({"sendInitialEvents": "true"}, 422, "sendInitialEvents is forbidden for list"),
        ({"labelSelector": "a=b=c"}, 400, "found '=', expected: ',' or 'end of string'"),
        ({"fieldSelector": "spec.color=red"}, 400, "field label not supported: spec.color"),
        ({"fieldSelector": "x"}, 400, "invalid selector: 'x'; can't understand 'x'"),
        (
            {"watch": "true", "sendInitialEvents": "true"},
            422,
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        ),
    ],
    ids=lambda value: "&".join(f"{key}={one}" for key, one in value.items()) if isinstance(value, dict) else "",
)
async def test_wrong_parameters_are_refused(cluster: Cluster, query: dict[str, str], code: int, says: str) -> None:
    response = await cluster.admin.get(PODS, params=query)

    assert (response.status_code, response.json()["kind"]) == (code, "Status")
    assert says in response.json()["message"]


async def test_a_kind_without_fields_of_its_own_names_those_that_every_kind_has(cluster: Cluster) -> None:
    path = "/api/v1/namespaces/default/configmaps"
    response = await cluster.admin.get(path, params={"fieldSelector": "spec.color=red"})

    assert response.status_code == 400
    assert response.json()["message"] == (
        '"spec.color" is not a known field selector: only "metadata.name", "metadata.namespace"'
    )


async def test_a_metadata_only_list_has_nothing_else(cluster: Cluster) -> None:
    await made(cluster, pod("a", app="web"))
    found = (await cluster.admin.get(PODS, headers={"Accept": METADATA_LIST})).json()

    assert (found["kind"], found["apiVersion"]) == ("PartialObjectMetadataList", "meta.k8s.io/v1")
    (item,) = found["items"]
    assert item["metadata"]["labels"] == {"app": "web"}
    assert set(item) <= {"kind", "apiVersion", "metadata"}


async def test_a_metadata_only_watch_has_nothing_else(cluster: Cluster) -> None:
    await made(cluster, pod("a"))
    async with watch(cluster.admin, PODS, accept=METADATA) as watcher:
        kind, item = await watcher.next()

    assert (kind, item["kind"], set(item)) == ("ADDED", "PartialObjectMetadata", {"kind", "apiVersion", "metadata"})


@pytest.mark.parametrize("start", [{}, {"resourceVersion": "0"}], ids=["unset", "zero"])
async def test_a_watch_from_nowhere_begins_with_what_is_there(cluster: Cluster, start: dict[str, str]) -> None:
    await made(cluster, pod("a"), pod("b"))
    async with watch(cluster.admin, PODS, **start) as watcher:
        first = await watcher.take(2)
        await made(cluster, pod("c"))
        then = await watcher.next()
        content_type = watcher.response.headers["content-type"]

    assert sorted(summary(first)) == [("ADDED", "a"), ("ADDED", "b")]
    assert summary([then]) == [("ADDED", "c")]
    assert content_type.partition(";")[0] == "application/json"


async def test_a_watch_from_a_version_has_what_came_after(cluster: Cluster) -> None:
    (before,) = await made(cluster, pod("before"))
    await made(cluster, pod("missed"))
    async with watch(cluster.admin, PODS, resourceVersion=before["metadata"]["resourceVersion"]) as watcher:
        missed = await watcher.next()
        await set_phase(cluster, "missed", "Running")
        await cluster.admin.delete(f"{PODS}/before", params=NOW)
        changed, marked, gone = await watcher.take(3)

    # A pod is marked before it goes, even when there is nothing to wait for.
    assert summary([missed, changed]) == [("ADDED", "missed"), ("MODIFIED", "missed")]
    assert summary([marked, gone]) == [("MODIFIED", "before"), ("DELETED", "before")]
    assert marked[1]["metadata"]["deletionGracePeriodSeconds"] == 0
    assert marked[1]["metadata"]["deletionTimestamp"]


async def test_what_leaves_the_selection_is_deleted_and_what_enters_is_added(cluster: Cluster) -> None:
    await made(cluster, pod("a"))
    await set_phase(cluster, "a", "Running")
    async with watch(cluster.admin, PODS, fieldSelector="status.phase=Running") as watcher:
        added = await watcher.next()
        await set_phase(cluster, "a", "Pending")
        left = await watcher.next()
        await set_phase(cluster, "a", "Running")
        entered = await watcher.next()

    assert summary([added, left, entered]) == [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "a")]


async def test_a_streaming_list_marks_where_the_initial_objects_end(cluster: Cluster) -> None:
    await made(cluster, pod("a"), pod("b"))
    async with watch(cluster.admin, PODS, **STREAMING) as watcher:
        *initial, (kind, end) = await watcher.take(3)
        await made(cluster, pod("c"))
        live = await watcher.next()

    assert sorted(summary(initial)) == [("ADDED", "a"), ("ADDED", "b")]
    assert (kind, end["metadata"]["annotations"]) == ("BOOKMARK", {"k8s.io/initial-events-end": "true"})
    assert int(end["metadata"]["resourceVersion"]) > 0
    assert summary([live]) == [("ADDED", "c")]


async def test_a_watch_ends_in_order_at_its_timeout(cluster: Cluster) -> None:
    query = {"timeoutSeconds": "2", "resourceVersion": await version(cluster)}
    async with watch(cluster.admin, PODS, **query) as watcher:
        await cluster.backend.pass_time(3)

        assert await watcher.until_end() == []


async def test_the_authentication_config_is_read_and_watched_by_name(cluster: Cluster) -> None:
    path, name = "/api/v1/namespaces/kube-system/configmaps", "extension-apiserver-authentication"
    found = (await cluster.admin.get(f"{path}/{name}")).json()
    async with watch(cluster.admin, path, fieldSelector=f"metadata.name={name}") as watcher:
        first = await watcher.next()

    assert summary([first]) == [("ADDED", name)]
    assert found["data"]["client-ca-file"].startswith("-----BEGIN CERTIFICATE-----")
    assert found["data"]["requestheader-client-ca-file"].startswith("-----BEGIN CERTIFICATE-----")
    assert {key: value for key, value in found["data"].items() if not key.endswith("-file")} == {
        "requestheader-allowed-names": '["front-proxy-client"]',
        "requestheader-username-headers": '["X-Remote-User"]',
        "requestheader-group-headers": '["X-Remote-Group"]',
        "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
    }
