"""The deletion of namespaces, which needs the whole of discovery."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from metrics_api.errors import StatusError
from metrics_api.localcluster.defaults import apply_defaults
from metrics_api.localcluster.namespaces import NamespaceController
from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.resources import CONFIG_MAPS, NAMESPACES
from metrics_api.localcluster.stored import JsonObject
from tests.fakes import FakeClock, settle


@pytest.fixture
async def undiscovered(objects: ObjectStore, clock: FakeClock) -> AsyncIterator[list[str]]:
    """Run the controller; what is put into the list cannot be discovered."""
    missing: list[str] = []
    task = asyncio.create_task(NamespaceController(objects, clock, lambda: missing).run())
    yield missing
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def create_shop(objects: ObjectStore) -> None:
    namespace: JsonObject = {"metadata": {"name": "shop"}}
    apply_defaults(NAMESPACES, namespace, objects)
    objects.create(NAMESPACES, namespace)
    objects.create(CONFIG_MAPS, {"metadata": {"name": "one", "namespace": "shop"}})
    objects.create(CONFIG_MAPS, {"metadata": {"name": "one", "namespace": "other"}})


async def test_a_deleted_namespace_goes_with_its_contents(objects: ObjectStore, undiscovered: list[str]) -> None:
    create_shop(objects)
    objects.delete(NAMESPACES, "", "shop")
    await settle()

    assert objects.get(NAMESPACES, "", "shop") is None
    assert [stored.namespace for stored in objects.stored(CONFIG_MAPS)] == ["other"]


async def test_a_namespace_hangs_while_a_group_cannot_be_discovered(
    objects: ObjectStore, undiscovered: list[str], clock: FakeClock
) -> None:
    undiscovered.append("metrics.k8s.io/v1beta1")
    create_shop(objects)
    objects.delete(NAMESPACES, "", "shop")
    await clock.advance(60)
    hanging = objects.get(NAMESPACES, "", "shop")
    undiscovered.clear()
    await clock.advance(5)

    assert hanging is not None
    [condition] = hanging["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("NamespaceDeletionDiscoveryFailure", "True")
    assert "metrics.k8s.io/v1beta1: stale GroupVersion discovery" in condition["message"]
    assert objects.get(NAMESPACES, "", "shop") is None


async def test_a_namespace_waits_for_contents_with_finalizers(
    objects: ObjectStore, undiscovered: list[str], clock: FakeClock
) -> None:
    create_shop(objects)
    held = {"metadata": {"name": "held", "namespace": "shop", "finalizers": ["example.com/wait"]}}
    objects.create(CONFIG_MAPS, held)
    objects.delete(NAMESPACES, "", "shop")
    await clock.advance(10)
    waiting = objects.get(NAMESPACES, "", "shop")
    objects.replace(CONFIG_MAPS, {"metadata": {"name": "held", "namespace": "shop"}})
    await clock.advance(5)

    assert waiting is not None
    assert objects.get(NAMESPACES, "", "shop") is None
    with pytest.raises(StatusError):
        objects.delete(CONFIG_MAPS, "shop", "held")
