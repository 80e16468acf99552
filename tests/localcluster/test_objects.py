"""The object store: versions, conflicts, the change log and the states of the past."""

from __future__ import annotations

from typing import Any

import pytest

from metrics_api.errors import StatusError
from metrics_api.localcluster.history import Change, ChangeType
from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.resources import CONFIG_MAPS, NODES, PODS
from tests.fakes import FakeClock


def config_map(name: str, namespace: str = "default", **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "data": data}


def pod(name: str, namespace: str = "default", **status: str) -> dict[str, Any]:
    spec = {"containers": [{"name": "app", "image": "app"}]}
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec, "status": status}


def names(objects: ObjectStore, namespace: str | None = None) -> list[tuple[str, str]]:
    return [(one["metadata"]["namespace"], one["metadata"]["name"]) for one in objects.list(CONFIG_MAPS, namespace)]


def test_a_created_object_has_what_the_server_sets(objects: ObjectStore) -> None:
    created = objects.create(PODS, pod("web"))

    assert created["kind"] == "Pod"
    assert created["apiVersion"] == "v1"
    metadata = created["metadata"]
    assert metadata["creationTimestamp"] == "2026-01-01T00:00:00Z"
    assert metadata["resourceVersion"] == str(objects.version)
    assert metadata["generation"] == 1
    assert len(metadata["uid"]) == 36
    assert objects.get(PODS, "default", "web") == created


def test_every_write_has_a_version_of_its_own_whatever_the_resource(objects: ObjectStore) -> None:
    first = objects.create(PODS, pod("web"))
    second = objects.create(NODES, {"metadata": {"name": "node"}})

    assert int(second["metadata"]["resourceVersion"]) == int(first["metadata"]["resourceVersion"]) + 1


def test_changing_what_was_given_out_does_not_change_what_is_stored(objects: ObjectStore) -> None:
    created = objects.create(CONFIG_MAPS, config_map("one", key="value"))
    created["data"]["key"] = "other"
    objects.list(CONFIG_MAPS)[0]["data"]["key"] = "other"

    again = objects.get(CONFIG_MAPS, "default", "one")

    assert again is not None
    assert again["data"] == {"key": "value"}


def test_a_name_that_is_taken_is_refused(objects: ObjectStore) -> None:
    objects.create(PODS, pod("web"))

    with pytest.raises(StatusError) as caught:
        objects.create(PODS, pod("web"))

    assert (caught.value.code, caught.value.reason) == (409, "AlreadyExists")
    assert caught.value.message == 'pods "web" already exists'


def test_objects_are_listed_by_namespace_and_name(objects: ObjectStore) -> None:
    for namespace, name in (("b", "1"), ("a", "2"), ("a-b", "1"), ("a", "1")):
        objects.create(CONFIG_MAPS, config_map(name, namespace))

    assert names(objects) == [("a", "1"), ("a", "2"), ("a-b", "1"), ("b", "1")]
    assert names(objects, "a") == [("a", "1"), ("a", "2")]
    assert names(objects, "absent") == []


def test_an_update_from_an_old_version_is_a_conflict(objects: ObjectStore) -> None:
    old = objects.create(CONFIG_MAPS, config_map("one"))
    objects.replace(CONFIG_MAPS, {**old, "data": {"a": "1"}})

    with pytest.raises(StatusError) as caught:
        objects.replace(CONFIG_MAPS, {**old, "data": {"a": "2"}})

    assert (caught.value.code, caught.value.reason) == (409, "Conflict")
    assert "the object has been modified" in caught.value.message


def test_an_update_without_a_version_is_made_against_the_current_state(objects: ObjectStore) -> None:
    objects.create(CONFIG_MAPS, config_map("one"))

    updated = objects.replace(CONFIG_MAPS, config_map("one", a="2"))

    assert updated["data"] == {"a": "2"}


def test_an_update_of_another_life_of_the_name_is_a_conflict(objects: ObjectStore) -> None:
    first = objects.create(CONFIG_MAPS, config_map("one"))
    objects.delete(CONFIG_MAPS, "default", "one")
    objects.create(CONFIG_MAPS, config_map("one"))
    del first["metadata"]["resourceVersion"]

    with pytest.raises(StatusError) as caught:
        objects.replace(CONFIG_MAPS, first)

    assert "UID in precondition" in caught.value.message


def test_an_update_that_changes_nothing_makes_no_new_version(objects: ObjectStore) -> None:
    created = objects.create(CONFIG_MAPS, config_map("one", a="1"))

    again = objects.replace(CONFIG_MAPS, config_map("one", a="1"))

    assert again["metadata"]["resourceVersion"] == created["metadata"]["resourceVersion"]


def test_status_and_the_rest_are_written_apart(objects: ObjectStore) -> None:
    objects.create(PODS, pod("web", phase="Pending"))

    objects.replace(PODS, {**pod("web", phase="Failed"), "spec": {"nodeName": "n1"}})
    after_spec = objects.get(PODS, "default", "web")
    objects.set_status(PODS, "default", "web", {"phase": "Running"})
    after_status = objects.get(PODS, "default", "web")

    assert after_spec is not None
    assert after_status is not None
    assert (after_spec["spec"], after_spec["status"]) == ({"nodeName": "n1"}, {"phase": "Pending"})
    assert (after_status["spec"], after_status["status"]) == ({"nodeName": "n1"}, {"phase": "Running"})


def test_the_generation_counts_changes_of_the_spec_only(objects: ObjectStore) -> None:
    created = objects.create(PODS, pod("web", phase="Pending"))
    labelled = objects.replace(PODS, {**created, "metadata": {**created["metadata"], "labels": {"a": "b"}}})
    objects.set_status(PODS, "default", "web", {"phase": "Running"})
    respecified = objects.replace(PODS, {**pod("web"), "spec": {"containers": []}})

    assert labelled["metadata"]["generation"] == 1
    assert respecified["metadata"]["generation"] == 2


def test_an_object_with_finalizers_stays_until_the_last_is_removed(objects: ObjectStore) -> None:
    one = config_map("one")
    one["metadata"]["finalizers"] = ["example.com/wait"]
    objects.create(CONFIG_MAPS, one)

    marked = objects.delete(CONFIG_MAPS, "default", "one")
    still_there = objects.get(CONFIG_MAPS, "default", "one")
    objects.replace(CONFIG_MAPS, {**marked, "metadata": {**marked["metadata"], "finalizers": []}})

    assert marked["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:00Z"
    assert still_there == marked
    assert objects.get(CONFIG_MAPS, "default", "one") is None


def test_a_listener_sees_each_change_within_the_write(objects: ObjectStore) -> None:
    seen: list[Change] = []
    unsubscribe = objects.subscribe(CONFIG_MAPS, seen.append)

    objects.create(CONFIG_MAPS, config_map("one"))
    objects.replace(CONFIG_MAPS, config_map("one", a="1"))
    deleted = objects.delete(CONFIG_MAPS, "default", "one")
    objects.create(PODS, pod("web"))
    unsubscribe()
    objects.create(CONFIG_MAPS, config_map("two"))

    assert [change.type for change in seen] == [ChangeType.ADDED, ChangeType.MODIFIED, ChangeType.DELETED]
    assert [change.previous is None for change in seen] == [True, False, False]
    assert seen[-1].stored.object() == deleted
    assert int(deleted["metadata"]["resourceVersion"]) == seen[1].stored.version + 1


def test_changes_after_a_version_are_those_of_the_resource(objects: ObjectStore) -> None:
    objects.create(CONFIG_MAPS, config_map("one"))
    version = objects.version
    objects.create(PODS, pod("web"))
    objects.create(CONFIG_MAPS, config_map("two"))

    changes = objects.changes_after(CONFIG_MAPS, version)

    assert [change.stored.name for change in changes] == ["two"]


def test_a_state_before_a_compaction_is_expired_even_when_nothing_has_changed_since(objects: ObjectStore) -> None:
    objects.create(CONFIG_MAPS, config_map("one"))
    version = objects.version
    objects.create(PODS, pod("web"))
    objects.compact()

    with pytest.raises(StatusError) as caught:
        objects.stored_at(CONFIG_MAPS, version)

    assert caught.value.code == 410
    assert len(objects.stored_at(CONFIG_MAPS, objects.version)) == 1


@pytest.mark.parametrize("compacted", [True, False], ids=["compacted", "pushed out of the log"])
def test_what_the_log_no_longer_reaches_is_expired(clock: FakeClock, *, compacted: bool) -> None:
    objects = ObjectStore(clock, log_length=2)
    for name in ("one", "two", "three")[: 2 if compacted else 3]:
        objects.create(CONFIG_MAPS, config_map(name))
    if compacted:
        objects.compact()

    with pytest.raises(StatusError) as caught:
        objects.changes_after(CONFIG_MAPS, 1)

    assert (caught.value.code, caught.value.reason) == (410, "Expired")
    assert caught.value.message == f"too old resource version: 1 ({objects.version})"


def test_compaction_holds_for_resources_that_had_no_objects(objects: ObjectStore) -> None:
    objects.create(PODS, pod("web"))
    objects.compact()

    with pytest.raises(StatusError):
        objects.changes_after(CONFIG_MAPS, 1)


def test_the_state_of_an_earlier_version_can_be_listed(objects: ObjectStore) -> None:
    objects.create(CONFIG_MAPS, config_map("changed", a="1"))
    objects.create(CONFIG_MAPS, config_map("deleted"))
    version = objects.version
    objects.replace(CONFIG_MAPS, config_map("changed", a="2"))
    objects.delete(CONFIG_MAPS, "default", "deleted")
    objects.create(CONFIG_MAPS, config_map("added"))

    then = [stored.object() for stored in objects.stored_at(CONFIG_MAPS, version)]

    assert [(one["metadata"]["name"], one["data"]) for one in then] == [("changed", {"a": "1"}), ("deleted", {})]
    assert [one["metadata"]["name"] for one in objects.list(CONFIG_MAPS)] == ["added", "changed"]


def test_what_is_listed_was_encoded_when_it_was_written(objects: ObjectStore) -> None:
    objects.load(PODS, [pod("a", "x"), pod("b", "x")])
    first = [stored.item for stored in objects.stored(PODS)]
    again = [stored.item for stored in objects.stored(PODS)]

    assert all(one is other for one, other in zip(first, again, strict=True))
