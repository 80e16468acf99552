"""The cluster's state: every API object with its resourceVersion, and the log of changes that watches read.

An object is kept as the bytes of its JSON, beside the few values that selectors ask for. It is encoded once per
change, so a list of 30,000 pods is a join; it is decoded whenever somebody wants the object, so nobody can change
what is stored by changing what they were given.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence

from metrics_api.clock import Clock
from metrics_api.localcluster import statuses
from metrics_api.localcluster.history import Change, ChangeType, History, Listener, within
from metrics_api.localcluster.lifecycle import carry_over, is_held, with_status_of
from metrics_api.localcluster.resources import Resource
from metrics_api.localcluster.stored import JsonObject, Stored, encode
from metrics_api.timetext import format_rfc3339

_LOG_LENGTH = 10_000


class ObjectStore:
    """Every object of the cluster. Not thread-safe: it belongs to one event loop.

    Args:
        clock: For ``creationTimestamp``.
        log_length: How many changes of each resource a watch can go back.
    """

    def __init__(self, clock: Clock, *, log_length: int = _LOG_LENGTH) -> None:
        self._clock = clock
        self._log_length = log_length
        self._histories: dict[Resource, History] = {}
        self._compacted = 0
        self.version = 1
        """The last resourceVersion given out."""

    def get(self, resource: Resource, namespace: str, name: str) -> JsonObject | None:
        """Return a copy of the object, ``None`` when there is none. ``namespace`` is empty for cluster-scoped ones."""
        stored = self.find(resource, namespace, name)
        return None if stored is None else stored.object()

    def find(self, resource: Resource, namespace: str, name: str) -> Stored | None:
        """Return the stored state, ``None`` when there is none."""
        return self._history(resource).by_key.get((namespace, name))

    def list(self, resource: Resource, namespace: str | None = None) -> Sequence[JsonObject]:
        """Return copies of all objects, by namespace and name; ``None`` is every namespace."""
        return [stored.object() for stored in self.stored(resource, namespace)]

    def stored(self, resource: Resource, namespace: str | None = None) -> Sequence[Stored]:
        """Return the state of all objects, by namespace and name; ``None`` is every namespace."""
        ordered = self._history(resource).ordered()
        return ordered if namespace is None else within(ordered, namespace)

    def create(self, resource: Resource, obj: JsonObject) -> JsonObject:
        """Add an object and return it as stored.

        ``uid`` and ``creationTimestamp`` are kept when given, for whoever builds a cluster; over HTTP they never are.

        Raises:
            StatusError: 409, the name is taken.
        """
        return self._add(resource, obj).object()

    def load(self, resource: Resource, objects: Iterable[JsonObject]) -> None:
        """Add many objects, as :meth:`create` would one by one."""
        for obj in objects:
            self._add(resource, obj)

    def replace(self, resource: Resource, obj: JsonObject) -> JsonObject:
        """Replace an object by a new state of it and return it as stored.

        ``status`` stays as it was when the resource has that subresource. A state equal to the old one changes
        nothing, not even the resourceVersion. An object that is being deleted is gone with its last finalizer.

        Raises:
            StatusError: 404; 409 when ``metadata.resourceVersion`` or ``uid`` is given and is not the current one.
        """
        current = self._current(resource, obj)
        old = current.object()
        return self._update(resource, current, old, with_status_of(old, obj) if resource.has_status else obj)

    def replace_status(self, resource: Resource, obj: JsonObject) -> JsonObject:
        """Replace an object's ``status`` and ``metadata`` and keep the rest; errors as :meth:`replace`."""
        current = self._current(resource, obj)
        old = current.object()
        return self._update(resource, current, old, with_status_of(obj, {**old, "metadata": obj["metadata"]}))

    def set_status(self, resource: Resource, namespace: str, name: str, status: JsonObject) -> JsonObject:
        """Give an object this ``status``, whatever its resourceVersion.

        Raises:
            StatusError: 404.
        """
        obj = self.get(resource, namespace, name)
        if obj is None:
            raise statuses.not_found(resource, name)
        return self.replace_status(resource, {**obj, "status": status})

    def delete(self, resource: Resource, namespace: str, name: str) -> JsonObject:
        """Remove an object and return its last state; one with finalizers is only marked with ``deletionTimestamp``.

        Raises:
            StatusError: 404.
        """
        current = self.find(resource, namespace, name)
        if current is None:
            raise statuses.not_found(resource, name)
        obj = current.object()
        if is_held(obj):
            if "deletionTimestamp" not in obj["metadata"]:
                obj["metadata"]["deletionTimestamp"] = format_rfc3339(self._clock.now())
                obj["metadata"]["deletionGracePeriodSeconds"] = 0
                return self._put(resource, obj, current).object()
            return obj
        return self._remove(resource, current, obj)

    def begin_deletion(self, resource: Resource, namespace: str, name: str, grace_period_seconds: int) -> None:
        """Mark an object as being deleted, as somebody does who has to stop something first; once is enough.

        Raises:
            StatusError: 404.
        """
        current = self.find(resource, namespace, name)
        if current is None:
            raise statuses.not_found(resource, name)
        obj = current.object()
        if "deletionTimestamp" in obj["metadata"]:
            return
        obj["metadata"]["deletionTimestamp"] = format_rfc3339(self._clock.now() + grace_period_seconds)
        obj["metadata"]["deletionGracePeriodSeconds"] = grace_period_seconds
        self._put(resource, obj, current)

    def subscribe(self, resource: Resource, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with every change from now on, within the write; return what ends that."""
        listeners = self._history(resource).listeners
        listeners.append(listener)

        def unsubscribe() -> None:
            if listener in listeners:
                listeners.remove(listener)

        return unsubscribe

    def changes_after(self, resource: Resource, version: int) -> Sequence[Change]:
        """Return the logged changes that came after a resourceVersion, oldest first.

        Raises:
            StatusError: 410, the log does not reach back that far.
        """
        return self._history(resource).changes_after(version, self.version)

    def compact(self) -> None:
        """Forget the past: older watches and continue tokens are answered 410 from now on."""
        self._compacted = self.version
        for history in self._histories.values():
            history.compact(self.version)

    def stored_at(self, resource: Resource, version: int) -> Sequence[Stored]:
        """Return the state of all objects as it was at a resourceVersion, by namespace and name.

        Raises:
            StatusError: 410, the log does not reach back that far.
        """
        return self._history(resource).ordered_at(version, self.version)

    def _history(self, resource: Resource) -> History:
        history = self._histories.get(resource)
        if history is None:
            history = self._histories[resource] = History(self._log_length, self._compacted)
        return history

    def _add(self, resource: Resource, obj: JsonObject) -> Stored:
        metadata = dict(obj["metadata"])
        if (metadata.get("namespace", ""), metadata["name"]) in self._history(resource).by_key:
            raise statuses.already_exists(resource, metadata["name"])
        if "uid" not in metadata:
            metadata["uid"] = str(uuid.uuid4())
        if "creationTimestamp" not in metadata:
            metadata["creationTimestamp"] = format_rfc3339(self._clock.now())
        if resource.counts_generation:
            metadata["generation"] = 1
        return self._put(resource, {**obj, "metadata": metadata}, None)

    def _current(self, resource: Resource, obj: JsonObject) -> Stored:
        metadata = obj["metadata"]
        name = metadata["name"]
        current = self.find(resource, metadata.get("namespace", ""), name)
        if current is None:
            raise statuses.not_found(resource, name)
        if metadata.get("resourceVersion") not in (None, "", str(current.version)):
            raise statuses.conflict(resource, name, statuses.MODIFIED)
        if metadata.get("uid") not in (None, "", current.uid):
            why = f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: {current.uid}"
            raise statuses.conflict(resource, name, why)
        return current

    def _update(self, resource: Resource, current: Stored, old: JsonObject, new: JsonObject) -> JsonObject:
        new = carry_over(resource, old, new)
        if new == old:
            return old
        if "deletionTimestamp" in new["metadata"] and not is_held(new):
            return self._remove(resource, current, new)
        return self._put(resource, new, current).object()

    def _remove(self, resource: Resource, current: Stored, obj: JsonObject) -> JsonObject:
        self.version += 1
        last = encode(resource, obj, self.version)
        self._history(resource).record(Change(ChangeType.DELETED, last, current))
        return last.object()

    def _put(self, resource: Resource, obj: JsonObject, previous: Stored | None) -> Stored:
        self.version += 1
        stored = encode(resource, obj, self.version)
        change = ChangeType.MODIFIED if previous else ChangeType.ADDED
        self._history(resource).record(Change(change, stored, previous))
        return stored
