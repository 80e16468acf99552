"""The served side of the nodes or of the pods: rows, their encoding, and their order without sorting for every read.

Rows are changed in place by new samples, so a list of rows stays good until one comes, goes, or gets other labels.
Until then every read returns the very same list: who derives something from it (the rows a selector matches) may keep
that as long as ``is`` holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from typing import Generic, Protocol, TypeVar

from metrics_api.model import CompactUsage, Row, Usage
from metrics_api.store.changes import Changes
from metrics_api.store.encode import encode_head


class Entry(Protocol):
    """A node or pod that is known, and served when it has a row."""

    row: Row | None
    row_expiry: float
    """Added to the row's time, it gives the monotonic moment after which the row is too old."""

    @property
    def metadata(self) -> tuple[str, str, dict[str, str]]:
        """Namespace, empty for a node; name; labels."""
        ...


EntryT = TypeVar("EntryT", bound=Entry)


def due(entry: Entry) -> float:
    """Return the monotonic moment after which an entry's row is too old; infinity when it has none."""
    row = entry.row
    return math.inf if row is None else row.kept.time + entry.row_expiry


class _Namespace(Generic[EntryT]):
    """The entries of one namespace by name, and their rows in order."""

    def __init__(self) -> None:
        self.entries: dict[str, EntryT] = {}
        self.in_order = True
        self._rows: list[Row] | None = None

    def changed(self) -> None:
        self._rows = None

    def rows(self) -> list[Row]:
        if self._rows is None:
            if not self.in_order:
                # The entries stay in order, so that the next sorting finds nearly all of them sorted.
                self.entries = {name: self.entries[name] for name in sorted(self.entries)}
                self.in_order = True
            self._rows = [entry.row for entry in self.entries.values() if entry.row is not None]
        return self._rows


class View(Generic[EntryT]):
    """Entries by namespace and name, and the rows of those that are served.

    Args:
        encode: Makes the item of a row from a head or former item, the creation time, and the usage.
        changes: Is told of every change; ``None`` when nobody may watch.
    """

    def __init__(self, encode: Callable[[bytes, float, Usage], bytes], changes: Changes | None = None) -> None:
        self._encode = encode
        self._changes = changes
        self._namespaces: dict[str, _Namespace[EntryT]] = {}
        self._rows: list[Row] | None = None
        self.served = 0
        """How many entries have a row."""

    def __iter__(self) -> Iterator[EntryT]:
        for namespace in self._namespaces.values():
            yield from namespace.entries.values()

    def get(self, namespace: str, name: str) -> EntryT | None:
        """Return the entry of that name."""
        found = self._namespaces.get(namespace)
        return None if found is None else found.entries.get(name)

    def row(self, namespace: str, name: str) -> Row | None:
        """Return the row of that name."""
        found = self._namespaces.get(namespace)
        entry = None if found is None else found.entries.get(name)
        return None if entry is None else entry.row

    def rows(self, namespace: str | None) -> Sequence[Row]:
        """Return the rows of a namespace by name, or with ``None`` all of them by namespace and name."""
        if namespace is not None:
            found = self._namespaces.get(namespace)
            return () if found is None else found.rows()
        if self._rows is None:
            self._rows = [row for name in sorted(self._namespaces) for row in self._namespaces[name].rows()]
        return self._rows

    def add(self, entry: EntryT) -> None:
        """Add an entry whose name is not there yet."""
        place, name, _ = entry.metadata
        namespace = self._namespaces.get(place)
        if namespace is None:
            namespace = self._namespaces[place] = _Namespace()
        namespace.entries[name] = entry
        namespace.in_order = False

    def remove(self, entry: EntryT) -> None:
        """Remove an entry that is there, and its row."""
        self.unserve(entry)
        place, name, _ = entry.metadata
        namespace = self._namespaces[place]
        del namespace.entries[name]
        if not namespace.entries:
            del self._namespaces[place]

    def serve(self, entry: EntryT, usage: Usage | CompactUsage, *, expiry: float, created: float) -> None:
        """Give an entry new usage; ignored when its row has later usage, for a served time never goes back.

        Args:
            entry: One that is there.
            usage: What to serve.
            expiry: Becomes its ``row_expiry``.
            created: Now, in Unix seconds.
        """
        row = entry.row
        has_come = row is None
        if row is None:
            namespace, name, labels = entry.metadata
            row = entry.row = Row(namespace, name, labels, usage, created, None)
            self.served += 1
            self._changed(namespace)
        elif usage.time < row.kept.time:
            return
        if isinstance(usage, Usage):
            entry.row_expiry, row.protobuf = expiry, None
            self._encode_anew(row, usage, created, row.encoded)
            self._number(row, has_come=has_come)
        else:
            self.replace(entry, row, usage, expiry=expiry, created=created, has_come=has_come)

    def replace(
        self,
        entry: EntryT,
        row: Row,
        kept: CompactUsage,
        *,
        expiry: float,
        created: float,
        has_come: bool = False,
    ) -> None:
        """Give an entry's row newer usage; its item is made now if it was read not long ago, else when it is asked for.

        Args:
            entry: One that is there.
            row: Its row.
            kept: What to serve.
            expiry: Becomes its ``row_expiry``.
            created: Now, in Unix seconds.
            has_come: Whether the row has been served to nobody yet.
        """
        row.kept, row.created, row.protobuf = kept, created, None
        entry.row_expiry = expiry
        if row.eager:
            row.eager -= 1
            row.encoded = kept.item(row, row.encoded)
        else:
            row.encoded = None
        if self._changes is not None:
            self._number(row, has_come=has_come)

    def unserve(self, entry: EntryT) -> None:
        """Take an entry's row away, if it has one."""
        row = entry.row
        if row is not None:
            entry.row = None
            self.served -= 1
            self._changed(row.namespace)
            if self._changes is not None:
                self._changes.went(row)

    def relabel(self, entry: EntryT, *, created: float) -> None:
        """Encode an entry's row anew if its labels have changed."""
        row = entry.row
        namespace, _, labels = entry.metadata
        if row is not None and row.labels != labels:
            before = None if self._changes is None else copy(row)
            row.labels, row.protobuf = labels, None
            self._encode_anew(row, row.usage, created, None)
            self._changed(namespace)
            if self._changes is not None and before is not None:
                self._changes.relabelled(before, row)

    def _encode_anew(self, row: Row, usage: Usage, created: float, former: bytes | None) -> None:
        head = former or encode_head(row.namespace, row.name, row.labels)
        row.usage, row.created, row.item = usage, created, self._encode(head, created, usage)

    def _number(self, row: Row, *, has_come: bool) -> None:
        if self._changes is None:
            return
        if has_come:
            self._changes.came(row)
        else:
            self._changes.updated(row)

    def _changed(self, namespace: str) -> None:
        self._namespaces[namespace].changed()
        self._rows = None
