from __future__ import annotations

import json

import httpx
import pytest

from metrics_api.localcluster.fleet.objects import JsonObject
from metrics_api.localcluster.fleet.server import Fleet
from metrics_api.model import PodKey
from metrics_api.timetext import parse_rfc3339
from tests.fakes import FakeClock
from tests.localcluster.fleet.nodes import EPOCH
from tests.localcluster.fleet.wire import ask, make_fleet, url_of


def key_of(pod: JsonObject) -> PodKey:
    return PodKey(pod["metadata"]["namespace"], pod["metadata"]["name"])


def static_pod(fleet: Fleet) -> PodKey:
    return next(key for key in fleet.pod_keys if key.name.startswith("etcd-"))


async def reported(fleet: Fleet, node: str = "node-00000") -> dict[str, JsonObject]:
    """Return pod name -> the pod in the node's summary."""
    return {pod["podRef"]["name"]: pod for pod in json.loads((await ask(fleet, node=node)).content)["pods"]}


async def test_a_node_can_join_with_pods_that_have_just_started() -> None:
    clock = FakeClock(EPOCH)
    async with make_fleet(2, 5, clock=clock) as fleet:
        await clock.advance(100)
        joined = await fleet.add_node(3)
        pods = await reported(fleet, "node-00002")
        port = {node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"] for node in fleet.node_objects()}

    assert joined.node["metadata"]["name"] == "node-00002"
    assert parse_rfc3339(joined.node["metadata"]["creationTimestamp"]) == EPOCH + 100
    assert {pod["metadata"]["name"] for pod in joined.pods} == set(pods)
    assert len(pods) == 3
    assert len(port) == 1
    for pod in pods.values():
        assert {c["cpu"]["usageNanoCores"] for c in pod["containers"]} == {0}


async def test_a_node_that_leaves_no_longer_listens_and_takes_its_pods_with_it() -> None:
    async with make_fleet(2, 5) as fleet:
        url = url_of(fleet, "/healthz")
        left = await fleet.remove_node("node-00000")

        assert left.node["metadata"]["name"] == "node-00000"
        assert len(left.pods) == 5
        assert fleet.node_names == ["node-00001"]
        assert {pod["spec"]["nodeName"] for pod in fleet.pod_objects()} == {"node-00001"}
        async with httpx.AsyncClient(verify=False, trust_env=False) as client:  # noqa: S501 -- nothing answers
            with pytest.raises(httpx.ConnectError):
                await client.get(url)


async def test_a_node_that_comes_after_one_has_left_has_a_new_name() -> None:
    async with make_fleet(2, 1) as fleet:
        await fleet.remove_node("node-00001")

        assert (await fleet.add_node()).node["metadata"]["name"] == "node-00002"


async def test_a_new_pod_is_reported_at_once_and_has_a_rate_after_its_second_sample() -> None:
    clock = FakeClock(EPOCH)
    async with make_fleet(1, 8, clock=clock) as fleet:
        model = fleet.pod_keys[-1]
        added = fleet.add_pod("node-00000", like=model)
        young = (await reported(fleet))[added["metadata"]["name"]]
        await clock.advance(21)
        older = (await reported(fleet))[added["metadata"]["name"]]

    assert added["metadata"]["labels"]["app"] == fleet.pod_object(model)["metadata"]["labels"]["app"]
    assert young["podRef"]["uid"] == added["metadata"]["uid"]
    assert all(EPOCH - 1 <= parse_rfc3339(c["startTime"]) <= EPOCH for c in young["containers"])
    assert {c["cpu"]["usageNanoCores"] for c in young["containers"]} == {0}
    assert sum(c["cpu"]["usageNanoCores"] for c in older["containers"]) > 0


async def test_a_pod_of_any_application_can_be_added_even_to_an_empty_fleet() -> None:
    async with make_fleet(1, 0) as fleet:
        added = fleet.add_pod("node-00000")

        assert set(await reported(fleet)) == {added["metadata"]["name"]}
        assert added["metadata"]["namespace"] in {n["metadata"]["name"] for n in fleet.namespace_objects()}


async def test_a_removed_pod_is_gone_and_the_node_s_counter_does_not_step_back() -> None:
    clock = FakeClock(EPOCH)
    async with make_fleet(1, 8, clock=clock) as fleet:
        key = fleet.pod_keys[-1]
        counters = []
        for turn in range(30):
            if turn == 3:
                removed = fleet.remove_pod(key)
                assert key_of(removed) == key
                assert key not in fleet.pod_keys
                assert key.name not in await reported(fleet)
            if turn in (14, 25):  # later removals fold earlier ones into one number
                fleet.remove_pod(fleet.pod_keys[-1])
            document = json.loads((await ask(fleet)).content)
            counters.append(document["node"]["cpu"]["usageCoreNanoSeconds"])
            await clock.advance(15)

    assert counters == sorted(counters)
    assert len(set(counters)) > 25


async def test_a_pod_of_the_same_name_can_come_back_with_another_uid() -> None:
    clock = FakeClock(EPOCH)
    async with make_fleet(2, 8, clock=clock) as fleet:
        key = next(key for key in fleet.pod_keys if fleet.pod_object(key)["spec"]["nodeName"] == "node-00000")
        before, after = fleet.recreate_pod(key, node_name="node-00001")

        assert key_of(before) == key_of(after) == key
        assert before["metadata"]["uid"] != after["metadata"]["uid"]
        assert key.name not in await reported(fleet, "node-00000")
        assert (await reported(fleet, "node-00001"))[key.name]["podRef"]["uid"] == after["metadata"]["uid"]


async def test_a_restarted_container_shows_in_the_object_and_in_the_document() -> None:
    clock = FakeClock(EPOCH)
    async with make_fleet(1, 8, clock=clock) as fleet:
        key = static_pod(fleet)
        before = (await reported(fleet))[key.name]["containers"][0]
        await clock.advance(40)
        pod = fleet.restart_container(key, "etcd")
        after = (await reported(fleet))[key.name]["containers"][0]

    status = pod["status"]["containerStatuses"][0]
    assert status["restartCount"] == 1
    assert status["state"]["running"]["startedAt"] == after["startTime"] != before["startTime"]
    assert after["cpu"]["usageCoreNanoSeconds"] < before["cpu"]["usageCoreNanoSeconds"]


async def test_a_static_pod_keeps_its_hash_as_the_kubelet_s_uid_when_recreated() -> None:
    async with make_fleet(1, 8) as fleet:
        key = static_pod(fleet)
        _, after = fleet.recreate_pod(key)
        uid = (await reported(fleet))[key.name]["podRef"]["uid"]

    assert uid == after["metadata"]["annotations"]["kubernetes.io/config.hash"] != after["metadata"]["uid"]


def test_changes_to_what_is_not_there_are_lookup_errors() -> None:
    fleet = make_fleet(1, 2, network="127.80.0", port=10250)
    nobody = PodKey("shop", "nobody")

    for change in (
        lambda: fleet.remove_pod(nobody),
        lambda: fleet.recreate_pod(nobody),
        lambda: fleet.restart_container(nobody, "app"),
        lambda: fleet.add_pod("node-00007"),
        lambda: fleet.behave("node-00007", None),
    ):
        with pytest.raises(LookupError, match="the fleet has no"):
            change()
