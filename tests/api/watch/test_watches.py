"""What a watch is told, how many there may be, and how they end."""

from __future__ import annotations

import json

import pytest

from metrics_api.api.watch.places import MOST_SELECTIONS
from metrics_api.api.watch.watcher import MOST_BEHIND, MOST_BEHIND_TOGETHER
from tests.api import openapi_rules as rules
from tests.api.views import V1, V1BETA1, connect, make_api
from tests.api.watch.watching import Client, Cluster, watch
from tests.fakes import settle


@pytest.fixture
async def cluster() -> Cluster:
    cluster = Cluster()
    for name, namespace, app in (("a", "shop", "web"), ("b", "shop", "db"), ("c", "bank", "web")):
        cluster.pod(name, namespace, app=app)
    cluster.sampled()
    return cluster


@pytest.mark.parametrize(
    ("path", "query", "names"),
    [
        ("/pods", "", ["c", "a", "b"]),
        ("/namespaces/shop/pods", "", ["a", "b"]),
        ("/namespaces/nowhere/pods", "", []),
        ("/pods", "labelSelector=app%3Dweb", ["c", "a"]),
        ("/pods", "labelSelector=app%21%3Dweb", ["b"]),
        ("/namespaces/shop/pods", "fieldSelector=metadata.name%3Db", ["b"]),
        ("/pods", "fieldSelector=metadata.namespace%3Dbank", ["c"]),
        ("/nodes", "", ["node-a"]),
        ("/nodes", "fieldSelector=metadata.name%3Dother", []),
    ],
)
@pytest.mark.parametrize("group", [V1, V1BETA1])
async def test_what_is_watched_is_what_a_list_selects(
    cluster: Cluster, group: str, path: str, query: str, names: list[str]
) -> None:
    client = watch(cluster, f"{group}{path}", query)
    assert await client.seen() == [f"ADDED {name}" for name in names]
    cluster.sampled()
    events = await client.events()
    assert sorted((kind, shown["metadata"]["name"]) for kind, shown in events) == sorted(
        ("MODIFIED", name) for name in names
    )
    assert {shown["apiVersion"] for _, shown in events} <= {group.removeprefix("/apis/")}


async def test_pods_come_and_go(cluster: Cluster) -> None:
    client = watch(cluster, f"{V1}/namespaces/shop/pods")
    await client.events()
    cluster.pod("d")
    assert await client.seen() == []
    cluster.sampled("d")
    assert await client.seen() == ["ADDED d"]
    cluster.remove("a")
    ((kind, gone),) = await client.events()
    assert (kind, gone["metadata"]["resourceVersion"]) == ("DELETED", str(cluster.version()))
    assert gone["containers"]


async def test_a_pod_that_is_not_measured_any_more_is_deleted(cluster: Cluster) -> None:
    client = watch(cluster, f"{V1}/nodes")
    await client.events()
    cluster.clock.forward(1000)
    cluster.store.expire()
    assert await client.seen() == ["DELETED node-a"]


async def test_labels_make_a_pod_enter_and_leave_a_selection(cluster: Cluster) -> None:
    client = watch(cluster, query="labelSelector=app%3Dweb")
    await client.events()
    cluster.pod("a", app="db")
    ((kind, gone),) = await client.events()
    assert (kind, gone["metadata"]["labels"]) == ("DELETED", {"app": "web"})
    assert int(gone["metadata"]["resourceVersion"]) == cluster.version() - 1  # its usage was looked at again
    cluster.sampled("a")
    assert await client.seen() == []
    cluster.pod("a", app="web")
    assert (await client.seen())[0] == "ADDED a"


async def test_what_one_scrape_changes_is_written_once_and_sent_at_once(cluster: Cluster) -> None:
    clients = [watch(cluster, f"{V1}/namespaces/shop/pods") for _ in range(120)]
    await settle()
    for client in clients:
        await client.events()
    cluster.sampled()
    await settle()
    bodies = [[message["body"] for message in client.messages[1:]] for client in clients]
    assert {len(body) for body in bodies} == {1}
    assert len({id(body[0]) for body in bodies}) == 1
    assert bodies[0][0].count(b"MODIFIED") == 2


async def test_a_field_selector_of_one_namespace_costs_the_others_nothing(cluster: Cluster) -> None:
    client = watch(cluster, query="fieldSelector=metadata.namespace%3Dbank")
    assert await client.seen() == ["ADDED c"]
    assert list(cluster.changes._followers) == ["bank"]
    other = watch(cluster, query="fieldSelector=metadata.namespace%3D")
    assert await other.seen() == []


async def test_no_row_is_written_for_nobody(cluster: Cluster) -> None:
    client = watch(cluster, f"{V1}/namespaces/bank/pods")
    await client.events()
    client.hang_up()
    await client.task
    assert cluster.watches.count == 0
    assert not cluster.changes._followers
    assert client.is_ended is False


async def test_a_watch_ends_in_order_when_its_time_is_over(cluster: Cluster) -> None:
    client = watch(cluster, query="timeoutSeconds=5")
    await client.events()
    cluster.clock.forward(4)
    cluster.watches.sweep()
    assert await client.seen() == []
    cluster.clock.forward(1)
    cluster.watches.sweep()
    await client.task
    assert client.is_ended
    assert cluster.watches.count == 0


async def test_what_a_watch_begins_with_is_sent_whole_though_its_time_is_over(cluster: Cluster) -> None:
    for number in range(300):
        cluster.pod(f"pod-{number}")
    cluster.sampled()
    client = watch(cluster, query="timeoutSeconds=1", reads=False)
    await settle()
    cluster.sampled("a")
    cluster.clock.forward(2)
    cluster.watches.sweep()
    client.reads(True)
    await client.task
    assert client.is_ended
    assert client.body.count(b"ADDED") == 303
    assert client.body.endswith(b"\n")
    assert client.body.count(b"MODIFIED") == 1


@pytest.mark.parametrize("query", ["", "timeoutSeconds=0"])
async def test_a_watch_lasts_half_an_hour_to_an_hour_by_itself(cluster: Cluster, query: str) -> None:
    clients = [watch(cluster, query=query) for _ in range(50)]
    await settle()
    cluster.clock.forward(1799)
    cluster.watches.sweep()
    await settle()
    assert cluster.watches.count == 50
    cluster.clock.forward(1801)
    cluster.watches.sweep()
    for client in clients:
        await client.task
    assert cluster.watches.count == 0


async def test_bookmarks_come_every_minute_and_before_the_end(cluster: Cluster) -> None:
    client = watch(cluster, query="allowWatchBookmarks=true&timeoutSeconds=100")
    other = watch(cluster, query="timeoutSeconds=100")
    await client.events()
    await other.events()
    times = []
    for second in range(100):
        cluster.clock.forward(1)
        cluster.watches.sweep()
        for kind, mark in await client.events():
            times.append(second + 1)
            assert (kind, mark["metadata"]) == ("BOOKMARK", {"resourceVersion": str(cluster.version())})
    assert times == [60, 98]
    assert await other.seen() == []
    assert client.task.done()


async def test_a_bookmark_comes_after_what_it_covers(cluster: Cluster) -> None:
    client = watch(cluster, f"{V1}/namespaces/shop/pods", "allowWatchBookmarks=true")
    await client.events()
    cluster.clock.forward(60)
    cluster.sampled("a")
    cluster.watches.sweep()
    events = await client.events()
    assert [kind for kind, _ in events] == ["MODIFIED", "BOOKMARK"]
    assert int(events[0][1]["metadata"]["resourceVersion"]) <= int(events[1][1]["metadata"]["resourceVersion"])


async def test_a_client_that_does_not_keep_up_is_cut_off_and_the_others_are_not(cluster: Cluster) -> None:
    for number in range(500):
        cluster.pod(f"pod-{number}", app="web")
    slow, quick = watch(cluster, query="labelSelector=app"), watch(cluster, query="labelSelector=app")
    await settle()
    slow.reads(False)
    size = 0
    while cluster.watches.count == 2:
        cluster.sampled()
        await settle(8)
        size += len(quick.body)
        del quick.messages[1:]
        assert size < 2 * MOST_BEHIND
    assert cluster.requests.cut == ["watch=true&labelSelector=app"]
    assert cluster.watches.cut_off == 1
    assert size > MOST_BEHIND
    await slow.task
    cluster.sampled("a")
    assert await quick.seen() == ["MODIFIED a"]


async def test_all_together_may_be_behind_only_so_far_and_the_furthest_is_cut_off(cluster: Cluster) -> None:
    worst, other = clients = [watch(cluster, f"{V1}/namespaces/{name}/pods") for name in ("shop", "bank")]
    await settle()
    for client in clients:
        client.reads(False)
    for _ in ("being sent", "waiting", "waiting"):
        cluster.sampled()  # two pods of the one, one of the other: the one is further behind
        await settle()
    assert cluster.watches.cut_off == 0
    cluster.watches._backlog.bytes += MOST_BEHIND_TOGETHER
    cluster.sampled("c")
    await settle()
    assert cluster.watches.cut_off == 1
    assert (worst.task.done(), other.task.done()) == (True, False)


async def test_too_many_watches_are_told_to_come_back(cluster: Cluster) -> None:
    cluster = Cluster(most=2)
    held = [watch(cluster) for _ in range(2)]
    await settle()
    refused = watch(cluster)
    await refused.task
    assert (refused.code, dict(refused.messages[0]["headers"])[b"retry-after"]) == (429, b"5")
    held[0].hang_up()
    await held[0].task
    assert await watch(cluster, f"{V1}/nodes").events() == []
    assert cluster.watches.count == 2


async def test_one_user_may_have_half_of_the_watches_and_administrators_all(cluster: Cluster) -> None:
    cluster = Cluster(most=4)
    held = [watch(cluster, user="mallory") for _ in range(2)]
    await settle()
    refused = watch(cluster, user="mallory")
    await refused.task
    assert (refused.code, dict(refused.messages[0]["headers"])[b"retry-after"]) == (429, b"5")
    assert refused.body == (
        b"Too many requests, please try again later: there are 2 watches already, the most for one user.\n"
    )
    others = [watch(cluster, user="alice"), watch(cluster)]
    await settle()
    assert cluster.watches.count == 4
    others[0].hang_up()
    held[0].hang_up()
    await held[0].task
    again = watch(cluster, user="mallory")
    await settle()
    assert again.code == 200


async def test_what_a_change_is_matched_against_is_bounded(cluster: Cluster) -> None:
    """Of distinct selections one user may have half; watches of one that there is, or of all rows, are no burden."""

    def select(number: int, user: str) -> Client:
        return watch(cluster, query=f"labelSelector=app%3D{number}", user=user)

    half = MOST_SELECTIONS // 2
    held = [select(number, "mallory") for number in range(half)]
    await settle()
    refused, same, everything = select(half, "mallory"), select(0, "mallory"), watch(cluster, user="mallory")
    await settle()
    assert [each.code for each in (refused, same, everything)] == [429, 200, 200]
    assert b"64 different label or field selectors already, the most for one user" in refused.body
    namespace = watch(cluster, f"{V1}/namespaces/shop/pods", "labelSelector=app%3D0", user="mallory")
    other_form = watch(
        cluster, query="labelSelector=app%3D0", user="mallory", accept="application/json;as=Table;v=v1;g=meta.k8s.io"
    )
    await settle()
    assert (namespace.code, other_form.code) == (200, 429)
    alice = [select(number, "alice") for number in range(half, MOST_SELECTIONS)]
    await settle()
    assert {each.code for each in alice} == {200}
    bob = select(MOST_SELECTIONS, "bob")
    await bob.task
    assert b"128 different label or field selectors already, the most in all" in bob.body
    held[-1].hang_up()
    await held[-1].task
    freed = select(MOST_SELECTIONS, "bob")
    await settle()
    assert freed.code == 200


async def test_stopping_ends_every_watch_in_order_and_begins_none(cluster: Cluster) -> None:
    clients = [watch(cluster, f"{V1}/namespaces/shop/pods") for _ in range(3)]
    await settle()
    cluster.sampled()
    cluster.watches.end_all()
    for client in clients:
        await client.task
        assert client.is_ended
        assert client.body.count(b"MODIFIED") == 2
    late = watch(cluster)
    await late.task
    assert (late.code, late.body) == (429, b"The apiserver is shutting down, please try again later.\n")


async def test_a_watch_is_neither_in_flight_nor_timed(cluster: Cluster) -> None:
    watch(cluster)
    Client(cluster, f"{V1}/pods")
    await settle()
    assert cluster.requests.released == 1


async def test_an_object_of_a_path_is_read_not_watched(cluster: Cluster) -> None:
    client = watch(cluster, f"{V1}/namespaces/shop/pods/a")
    await client.task
    assert json.loads(client.body)["metadata"]["name"] == "a"


async def test_the_verb_is_advertised_where_watches_are_answered(cluster: Cluster) -> None:
    for api, verbs in ((cluster.api, ["get", "list", "watch"]), (make_api(), ["get", "list"])):
        async with connect(api) as client:
            legacy = (await client.get(V1BETA1)).json()
            aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
            found = (await client.get("/apis", headers={"accept": aggregated})).json()
            swagger = (await client.get("/openapi/v2")).json()
        assert [resource["verbs"] for resource in legacy["resources"]] == [verbs, verbs]
        versions = found["items"][0]["versions"]
        assert [each["verbs"] for version in versions for each in version["resources"]] == [verbs] * 4
        names = {each["name"] for path, each in rules.parameters(swagger) if path == f"{V1}/pods"}
        assert ("watch" in names) == ("watch" in verbs)


async def test_pages_have_the_version_of_the_first(cluster: Cluster) -> None:
    first = Client(cluster, f"{V1}/pods?limit=2")
    await first.task
    page = json.loads(first.body)["metadata"]
    cluster.sampled()
    second = Client(cluster, f"{V1}/pods?limit=2&continue={page['continue']}")
    await second.task
    assert json.loads(second.body)["metadata"] == {"resourceVersion": page["resourceVersion"]}


@pytest.mark.parametrize(("offset", "code"), [(0, 200), (-1, 410)])
async def test_just_one_version_of_a_list_is_to_be_had(cluster: Cluster, offset: int, code: int) -> None:
    version = cluster.version() + offset
    for match, expected in (("Exact", code), ("NotOlderThan", 200)):
        client = Client(cluster, f"{V1}/pods?resourceVersion={version}&resourceVersionMatch={match}")
        await client.task
        assert client.code == expected


@pytest.mark.parametrize("version", ["", "0", "7", str(2**64 - 1)])
async def test_a_list_is_the_newest_whatever_version_it_must_not_be_older_than(cluster: Cluster, version: str) -> None:
    client = Client(cluster, f"{V1}/pods?resourceVersion={version}")
    await client.task
    assert (client.code, json.loads(client.body)["metadata"]["resourceVersion"]) == (200, str(cluster.version()))


@pytest.mark.parametrize("more", ["", "&resourceVersionMatch=Exact", "&resourceVersionMatch=NotOlderThan"])
@pytest.mark.parametrize(
    ("version", "fault"), [("x", "invalid syntax"), ("-1", "invalid syntax"), (str(2**64), "value out of range")]
)
async def test_a_list_of_a_version_that_is_none_is_refused(
    cluster: Cluster, version: str, fault: str, more: str
) -> None:
    client = Client(cluster, f"{V1}/pods?resourceVersion={version}{more}")
    await client.task
    said = f'resourceVersion: Invalid value: "{version}": strconv.ParseUint: parsing "{version}": {fault}'
    assert (client.code, json.loads(client.body)["message"]) == (400, f"invalid resource version: {said}")


async def test_a_list_that_goes_on_in_its_newest_state_has_its_newest_version(cluster: Cluster) -> None:
    first = Client(cluster, f"{V1}/pods?limit=2")
    await first.task
    cluster.clock.forward(301)
    late = Client(cluster, f"{V1}/pods?continue={json.loads(first.body)['metadata']['continue']}")
    await late.task
    cluster.sampled()
    rest = Client(cluster, f"{V1}/pods?continue={json.loads(late.body)['metadata']['continue']}")
    await rest.task
    assert json.loads(rest.body)["metadata"] == {"resourceVersion": str(cluster.version())}
