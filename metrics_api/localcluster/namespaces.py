"""What kube-controller-manager does for a namespace that is deleted: empty it, then let it go.

It first discovers all there might be inside. When one API group cannot be discovered the namespace stays, which is
how a broken metrics server is noticed in clusters that nobody asks for metrics.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from metrics_api.clock import Clock
from metrics_api.localcluster.history import Change
from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.resources import NAMESPACES, RESOURCES
from metrics_api.localcluster.stored import JsonObject, Stored
from metrics_api.timetext import format_rfc3339

_RETRY = 5.0


class NamespaceController:
    """Finishes the deletion of namespaces.

    Args:
        objects: The cluster's state.
        clock: For the time between tries.
        undiscovered: Returns each ``group/version`` whose resources are not known at the moment.
    """

    def __init__(self, objects: ObjectStore, clock: Clock, undiscovered: Callable[[], Sequence[str]]) -> None:
        self._objects = objects
        self._clock = clock
        self._undiscovered = undiscovered
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled."""
        unsubscribe = self._objects.subscribe(NAMESPACES, self._notice)
        self._wake.set()
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._work():
                    await self._clock.sleep(_RETRY)
        finally:
            unsubscribe()

    def _notice(self, change: Change) -> None:
        self._wake.set()

    def _work(self) -> bool:
        """Try every namespace that is being deleted; return whether one must be tried again."""
        deleting = [one for one in self._objects.stored(NAMESPACES) if b'"deletionTimestamp"' in one.metadata]
        finished = [self._finish(one) for one in deleting]
        return not all(finished)

    def _finish(self, stored: Stored) -> bool:
        for resource in RESOURCES:
            if resource.namespaced:
                for content in self._objects.stored(resource, stored.name):
                    self._objects.delete(resource, content.namespace, content.name)
        held = [one for one in RESOURCES if one.namespaced and self._objects.stored(one, stored.name)]
        undiscovered = self._undiscovered()
        namespace = stored.object()
        if undiscovered or held:
            self._explain(namespace, undiscovered)
            return False
        self._objects.replace(NAMESPACES, {**namespace, "spec": {"finalizers": []}})
        return True

    def _explain(self, namespace: JsonObject, undiscovered: Sequence[str]) -> None:
        stale = ", ".join(f"{one}: stale GroupVersion discovery: {one}" for one in undiscovered)
        message = (
            f"Discovery failed for some groups, {len(undiscovered)} failing: "
            f"unable to retrieve the complete list of server APIs: {stale}"
        )
        condition = {
            "type": "NamespaceDeletionDiscoveryFailure",
            "status": "True" if undiscovered else "False",
            "lastTransitionTime": format_rfc3339(self._clock.now()),
            "reason": "DiscoveryFailed" if undiscovered else "ResourcesDiscovered",
            "message": message if undiscovered else "All resources successfully discovered",
        }
        known = namespace["status"].get("conditions") or [{}]
        if known[0].get("message") != condition["message"]:
            name, status = namespace["metadata"]["name"], {**namespace["status"], "conditions": [condition]}
            self._objects.set_status(NAMESPACES, "", name, status)
