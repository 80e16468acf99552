"""Which APIServices there are right now, kept in step with the object store."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from metrics_api.localcluster.aggregation.apiservice import APIService, parse_api_service
from metrics_api.localcluster.aggregation.seams import ObjectSource
from metrics_api.localcluster.history import Change, ChangeType
from metrics_api.localcluster.resources import API_SERVICES
from metrics_api.localcluster.stored import JsonObject

_log = logging.getLogger(__name__)


class Registry:
    """The parsed APIServices, current within the very write that changes one.

    Args:
        objects: Where they are stored; whoever builds a cluster may write there without validation.
    """

    def __init__(self, objects: ObjectSource) -> None:
        self._by_name: dict[str, APIService] = {}
        self._by_group_version: dict[tuple[str, str], APIService] = {}
        self._listeners: list[Callable[[str], None]] = []
        for obj in objects.list(API_SERVICES):
            self._add(obj)
        self.close = objects.subscribe(API_SERVICES, self._changed)
        """Ends the subscription."""

    def __iter__(self) -> Iterator[APIService]:
        """Yield every APIService, local ones included."""
        return iter(tuple(self._by_name.values()))

    def get(self, name: str) -> APIService | None:
        """Return the APIService of that name, ``None`` when there is none."""
        return self._by_name.get(name)

    def claiming(self, path: str) -> APIService | None:
        """Return the APIService with a Service of its own that claims ``path``, decoded; ``None`` when none does."""
        parts = path.split("/", 4)
        if len(parts) < 4 or parts[0] or parts[1] != "apis":
            return None
        service = self._by_group_version.get((parts[2], parts[3]))
        return None if service is None or service.service is None else service

    def on_change(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Call ``listener`` with the name of each APIService that is added, changed or removed; return what ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @contextmanager
    def following(self, listener: Callable[[str], None]) -> Iterator[None]:
        """Inside, call ``listener`` as ``on_change`` does; at first with the name of each APIService that there is."""
        end = self.on_change(listener)
        try:
            for service in self:
                listener(service.name)
            yield
        finally:
            end()

    def _changed(self, change: Change) -> None:
        name = change.stored.name
        self._remove(name)
        if change.type is not ChangeType.DELETED:
            self._add(change.stored.object())
        for listener in tuple(self._listeners):
            listener(name)

    def _add(self, obj: JsonObject) -> None:
        try:
            service = parse_api_service(obj)
        except ValueError as error:
            _log.warning("APIService %r is ignored: %s", obj["metadata"].get("name"), error)
            return
        self._by_name[service.name] = service
        self._by_group_version[(service.group, service.version)] = service

    def _remove(self, name: str) -> None:
        service = self._by_name.pop(name, None)
        if service is not None:
            self._by_group_version.pop((service.group, service.version), None)
