"""Where a watch begins: with all that exists, or where a list or another watch left off."""

from __future__ import annotations

import json
import random

import pytest

from metrics_api.timetext import format_rfc3339
from tests.api.views import V1
from tests.api.watch.watching import FIRST, Client, Cluster, watch
from tests.fakes import settle

PODS = f"{V1}/pods"
INITIAL = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan"


@pytest.fixture
async def cluster() -> Cluster:
    cluster = Cluster()
    for name in ("a", "b"):
        cluster.pod(name, app="web")
    cluster.sampled()
    return cluster


@pytest.mark.parametrize("query", ["", "resourceVersion=", "resourceVersion=0"])
async def test_without_a_version_all_that_exists_comes_first(cluster: Cluster, query: str) -> None:
    client = watch(cluster, query=query)
    assert await client.seen() == ["ADDED a", "ADDED b"]
    cluster.sampled("b")
    assert await client.seen() == ["MODIFIED b"]


async def test_an_event_has_the_whole_object_with_its_version(cluster: Cluster) -> None:
    (kind, found), _ = await watch(cluster).events()
    one = Client(cluster, f"{V1}/namespaces/shop/pods/a")
    await one.task
    assert (kind, found) == ("ADDED", json.loads(one.body))
    assert list(found["metadata"]) == ["name", "namespace", "resourceVersion", "creationTimestamp", "labels"]
    assert FIRST < int(found["metadata"]["resourceVersion"]) <= cluster.version()


async def test_after_a_list_comes_what_changed_since(cluster: Cluster) -> None:
    listed = Client(cluster, PODS)
    await listed.task
    version = json.loads(listed.body)["metadata"]["resourceVersion"]
    client = watch(cluster, query=f"resourceVersion={version}")
    assert await client.seen() == []
    cluster.sampled("a")
    assert await client.seen() == ["MODIFIED a"]


async def test_what_happened_meanwhile_comes_in_order_and_each_row_once(cluster: Cluster) -> None:
    version = cluster.version()
    cluster.sampled("b")
    cluster.pod("c", app="web")
    cluster.sampled("a", "c")
    cluster.remove("b")
    cluster.pod("d", app="web")
    cluster.sampled("d")
    cluster.remove("d")
    cluster.sampled("a")
    client = watch(cluster, query=f"resourceVersion={version}")
    events = await client.events()
    assert [(kind, shown["metadata"]["name"]) for kind, shown in events] == [
        ("ADDED", "c"),
        ("DELETED", "b"),
        ("MODIFIED", "a"),
    ]
    versions = [int(shown["metadata"]["resourceVersion"]) for _, shown in events]
    assert versions == sorted(versions)
    assert versions[-1] == cluster.version()


async def test_labels_that_changed_meanwhile_make_a_pod_come_or_go(cluster: Cluster) -> None:
    version = cluster.version()
    cluster.pod("a", app="db")
    cluster.pod("c", app="web")
    cluster.sampled("c")
    web = watch(cluster, query=f"labelSelector=app%3Dweb&resourceVersion={version}")
    database = watch(cluster, query=f"labelSelector=app%3Ddb&resourceVersion={version}")
    (kind, gone), *more = await web.events()
    assert (kind, gone["metadata"]["name"], gone["metadata"]["labels"]) == ("DELETED", "a", {"app": "web"})
    assert [shown["metadata"]["name"] for _, shown in more] == ["c"]
    assert await database.seen() == ["ADDED a"]


@pytest.mark.parametrize("version", [1, FIRST - 1, FIRST + 10**6, 2**64 - 1])
async def test_a_version_of_another_replica_is_expired(cluster: Cluster, version: int) -> None:
    client = watch(cluster, query=f"resourceVersion={version}")
    ((kind, status),) = await client.events()
    assert (client.code, kind, status["code"], status["reason"]) == (200, "ERROR", 410, "Expired")
    assert status["message"] == f"too old resource version: {version} ({cluster.version()})"
    await client.task
    assert cluster.watches.count == 0


async def test_a_version_before_what_is_remembered_is_expired() -> None:
    cluster = Cluster(kept=2)
    version = cluster.version()
    for name in ("a", "b", "c"):
        cluster.pod(name)
    cluster.sampled()
    ((kind, status),) = await watch(cluster, query=f"resourceVersion={version}").events()
    assert (kind, status["reason"]) == ("ERROR", "Expired")


async def test_initial_events_end_with_a_bookmark(cluster: Cluster) -> None:
    client = watch(cluster, query=f"{INITIAL}&allowWatchBookmarks=true&resourceVersion=7")
    *added, (kind, mark) = await client.events()
    assert [each for each, _ in added] == ["ADDED", "ADDED"]
    assert kind == "BOOKMARK"
    assert mark == {
        "kind": "PodMetrics",
        "apiVersion": "metrics.k8s.io/v1",
        "metadata": {
            "resourceVersion": str(cluster.version()),
            "annotations": {"k8s.io/initial-events-end": "true"},
        },
        "timestamp": None,
        "window": "0s",
        "containers": None,
    }
    assert await watch(cluster, query=INITIAL).seen() == ["ADDED a", "ADDED b"]


async def test_no_initial_events_are_sent_to_those_who_want_none(cluster: Cluster) -> None:
    client = watch(cluster, query=INITIAL.replace("true", "false"))
    assert await client.seen() == []
    cluster.sampled("a")
    assert await client.seen() == ["MODIFIED a"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("sendInitialEvents=true", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"),
        (
            "resourceVersionMatch=NotOlderThan",
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        ),
        ("sendInitialEvents=1&resourceVersionMatch=Exact", 'Unsupported value: "Exact": supported values'),
    ],
)
async def test_parameters_that_exclude_each_other_are_refused(cluster: Cluster, query: str, message: str) -> None:
    client = watch(cluster, query=query)
    await client.task
    status = json.loads(client.body)
    assert (client.code, status["reason"]) == (422, "Invalid")
    assert message in status["message"]


@pytest.mark.parametrize(
    ("version", "fault"), [("x", "invalid syntax"), ("-1", "invalid syntax"), (str(2**64), "value out of range")]
)
async def test_a_version_that_is_no_number_is_refused(cluster: Cluster, version: str, fault: str) -> None:
    client = watch(cluster, query=f"resourceVersion={version}")
    await client.task
    assert client.code == 400
    assert json.loads(client.body)["message"].endswith(f'strconv.ParseUint: parsing "{version}": {fault}')


async def test_what_changes_while_the_beginning_is_sent_comes_again_with_its_own_version(cluster: Cluster) -> None:
    client = watch(cluster, reads=False)
    await client.events()
    begun = cluster.version()
    cluster.sampled()
    cluster.remove("b")
    client.reads(True)
    events = await client.events()
    assert [f"{kind} {shown['metadata']['name']}" for kind, shown in events] == [
        *("ADDED a", "ADDED b", "MODIFIED a", "MODIFIED b", "DELETED b")
    ]
    versions = [int(shown["metadata"]["resourceVersion"]) for _, shown in events]
    assert max(versions[:2]) <= begun < min(versions[2:])
    assert versions[2:] == sorted(versions[2:])


async def test_what_is_too_much_to_wait_for_the_end_of_the_beginning_is_looked_up_again(cluster: Cluster) -> None:
    for number in range(500):
        cluster.pod(f"pod-{number}")
    cluster.sampled()
    cluster.remove("pod-7")
    client = watch(cluster, reads=False)
    await client.events()
    while not next(iter(cluster.watches._watchers)).has_missed:
        cluster.sampled()
        await client.events()
    cluster.remove("b")
    client.reads(True)
    events = await client.events()
    await settle(100)
    events += await client.events()
    assert cluster.watches.cut_off == 0
    assert [kind for kind, _ in events[:501]] == ["ADDED"] * 501
    assert [kind for kind, _ in events[501:]].count("MODIFIED") == 500
    last = {shown["metadata"]["name"]: (kind, shown) for kind, shown in events}
    assert last.pop("b")[0] == "DELETED"
    newest = format_rfc3339(cluster.store.pods(None)[0].usage.time)
    assert {shown["timestamp"] for _, shown in last.values()} == {newest}
    cluster.sampled("a")
    assert await client.seen() == ["MODIFIED a"]


async def test_who_comes_between_a_change_and_its_event_gets_it_once(cluster: Cluster) -> None:
    earlier = watch(cluster)
    await earlier.events()
    later = watch(cluster)
    cluster.sampled("a")  # before the newcomer's task has its first turn
    assert await earlier.seen() == ["MODIFIED a"]
    assert await later.seen() == ["ADDED a", "ADDED b"]


@pytest.mark.parametrize("turns", range(6))
async def test_what_changes_before_it_is_written_loses_nothing_to_who_is_interrupted_there(
    cluster: Cluster, turns: int
) -> None:
    """At each turn of the event loop in which the beginning is made, a row changes and another goes."""
    since = cluster.version()
    cluster.sampled("a")
    begun = cluster.version()
    client = watch(cluster, query=f"resourceVersion={since}", reads=False)
    await client.events()
    client.reads(True)
    await settle(turns)
    cluster.remove("b")
    cluster.sampled("a")
    versions = [int(shown["metadata"]["resourceVersion"]) for _, shown in await client.events()]
    assert versions == sorted(set(versions))
    for version in (since, *(version for version in versions if version <= begun), begun):
        assert "DELETED b" in await watch(cluster, query=f"resourceVersion={version}").seen()
    assert all(version in range(since + 1, begun + 1) for version in versions[:-2])
    assert versions[-2:] == [begun + 1, begun + 3]


async def test_a_pod_that_entered_is_added_with_the_version_of_that_though_it_goes_on_changing(
    cluster: Cluster,
) -> None:
    since = cluster.version()
    cluster.pod("c", app="web")
    cluster.sampled("c")
    client = watch(cluster, query=f"resourceVersion={since}", reads=False)
    await client.events()
    begun = cluster.version()
    cluster.sampled("c")
    client.reads(True)
    events = await client.events()
    assert [kind for kind, shown in events if shown["metadata"]["name"] == "c"] == ["ADDED", "MODIFIED"]
    versions = [int(shown["metadata"]["resourceVersion"]) for _, shown in events]
    assert since < versions[0] <= begun < versions[1]


async def test_what_came_and_went_between_two_watches_is_not_told(cluster: Cluster) -> None:
    since = cluster.version()
    cluster.pod("c", app="web")
    cluster.sampled("c")
    cluster.pod("c", app="db")
    cluster.remove("c")
    assert await watch(cluster, query=f"labelSelector=app%3Dweb&resourceVersion={since}").seen() == []


@pytest.mark.parametrize("seed", range(8))
async def test_a_client_that_is_interrupted_anywhere_knows_what_a_list_says(seed: int) -> None:
    """Whatever happens, and wherever a watch breaks off: list, watch, and watch again from the last version seen."""
    chance = random.Random(seed)
    cluster, known, version = Cluster(), dict[str, str](), FIRST
    names = [f"p{number}" for number in range(6)]
    there: set[str] = set()
    for _ in range(60):
        client = watch(cluster, query=f"labelSelector=app%3Dweb&resourceVersion={version}")
        for _ in range(chance.randrange(3)):
            name = chance.choice(names)
            match chance.randrange(4) if name in there else 0:
                case 0 | 1:
                    cluster.pod(name, app=chance.choice(["web", "db"]))
                    there.add(name)
                case 2:
                    cluster.remove(name)
                    there.discard(name)
                case _:
                    pass
            cluster.sampled(*chance.sample(sorted(there), chance.randrange(len(there) + 1)), "nothing")
        events = await client.events()
        client.hang_up()
        await client.task
        for kind, shown in events[: chance.randrange(len(events) + 1)]:
            metadata = shown["metadata"]
            assert int(metadata["resourceVersion"]) > version
            version = int(metadata["resourceVersion"])
            if kind == "DELETED":
                known.pop(metadata["name"], None)
            else:
                known[metadata["name"]] = shown["timestamp"]
    for kind, shown in await watch(cluster, query=f"labelSelector=app%3Dweb&resourceVersion={version}").events():
        known[shown["metadata"]["name"]] = shown["timestamp"]
        if kind == "DELETED":
            del known[shown["metadata"]["name"]]
    listed = Client(cluster, f"{PODS}?labelSelector=app%3Dweb")
    await listed.task
    assert known == {each["metadata"]["name"]: each["timestamp"] for each in json.loads(listed.body)["items"]}
    assert known
