"""Pages of lists and lines of watches, decoded in one pass, with one bad object costing one object.

The fast way decodes a whole page as typed documents. Only when that fails are the items looked at one by one: what
cannot be understood is named in the log and left out. A tenant can nest ``managedFields`` of a pod so deeply that no
JSON library follows; such a page is cut into its items without recursion (``split``).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Raw

from metrics_api.errors import KubeError
from metrics_api.kube.convert import Converter
from metrics_api.kube.documents import Identified, Identity, ListMetadata, ListPage, Node, Pod, Status, WatchEvent
from metrics_api.kube.split import split_items
from metrics_api.model import NodeInfo, PodInfo

logger = logging.getLogger(__name__)

_BAD = (ValueError, msgspec.MsgspecError, RecursionError)  # bad UTF-8 is a ValueError
_MOST_REPORTED = 100  # bad objects named in the log between two lists

W = TypeVar("W")
T = TypeVar("T")


class Page(NamedTuple, Generic[T]):
    """One page of a list."""

    items: Iterator[T]
    """Converted as they are taken, so that the taker decides how long it holds the event loop."""
    resource_version: str
    continue_token: str
    """Empty on the last page."""


class Event(NamedTuple, Generic[T]):
    """One event of a watch."""

    type: str
    """``ADDED``, ``MODIFIED``, ``DELETED``, ``BOOKMARK`` or ``ERROR``."""
    item: T | None
    """The object of ``ADDED`` and ``MODIFIED``; ``None`` for the others and for one that cannot be understood."""
    identity: Identity
    """What names the object; empty names when there is none."""
    status: Status | None
    """The object of ``ERROR``."""


class Decoder(Generic[T]):
    """Decodes one kind of object. Not for use by two lists at once.

    Args:
        noun: The resource's name in messages, ``pods``.
        page: A page whose items are typed documents.
        event: A watch event with such an object.
        item: One such document.
        convert: Makes the value of ours from a document; raises ``ValueError`` or ``msgspec.MsgspecError``.
    """

    def __init__(
        self,
        noun: str,
        page: msgspec.json.Decoder[ListPage[W]],
        event: msgspec.json.Decoder[WatchEvent[W]],
        item: msgspec.json.Decoder[W],
        convert: Callable[[W], T],
    ) -> None:
        # The document's type matters in here only; Any keeps it out of the type of those who hold a decoder.
        self._page: msgspec.json.Decoder[ListPage[Any]] = page
        self._event: msgspec.json.Decoder[WatchEvent[Any]] = event
        self._item: msgspec.json.Decoder[Any] = item
        self._convert: Callable[[Any], T] = convert
        self._noun = noun
        self._reported: set[str] = set()
        self.skipped = 0
        """Objects left out so far because they could not be understood."""

    def forget_reported(self) -> None:
        """Let bad objects be named in the log again; called when a list starts from the beginning."""
        self._reported.clear()

    def page(self, body: bytes) -> Page[T]:
        """Return one page.

        Raises:
            KubeError: The body is no list.
        """
        try:
            page = self._page.decode(body)
        except _BAD:
            return self._page_one_by_one(body)
        items = self._converted(page.items or ())
        return Page(items, page.metadata.resource_version, page.metadata.continue_token or "")

    def _converted(self, documents: Iterable[Any]) -> Iterator[T]:
        convert = self._convert
        for document in documents:
            try:
                item = convert(document)
            except _BAD as error:
                self._report(document.metadata, error)
            else:
                yield item

    def _page_one_by_one(self, body: bytes) -> Page[T]:
        metadata, encoded = self._encoded_items(body)
        items = (item for item in map(self._one, encoded) if item is not None)
        return Page(items, metadata.resource_version, metadata.continue_token or "")

    def _encoded_items(self, body: bytes) -> tuple[ListMetadata, list[Raw] | list[bytes]]:
        try:
            try:
                page = _RAW_PAGE.decode(body)
            except RecursionError:
                rest, items = split_items(body)
                return _RAW_PAGE.decode(rest).metadata, items
        except _BAD as error:
            raise KubeError(f"the answer to a list of {self._noun} is no list: {_cut(error)}") from error
        return page.metadata, page.items or []

    def event(self, line: bytes) -> Event[T]:
        """Return one event.

        Raises:
            KubeError: The line is no event.
        """
        try:
            event = self._event.decode(line)
        except _BAD:
            return self._event_in_steps(line)
        kind, metadata = event.type, event.object.metadata
        if kind == "ERROR":  # its object is a Status, which may pass for a Pod without anything in it
            return self._event_in_steps(line)
        if kind in ("ADDED", "MODIFIED"):
            try:
                return Event(kind, self._convert(event.object), metadata, None)
            except _BAD as error:
                self._report(metadata, error)
        return Event(kind, None, metadata or _NOBODY, None)

    def _event_in_steps(self, line: bytes) -> Event[T]:
        try:
            event = _RAW_EVENT.decode(line)
            if event.type == "ERROR":
                return Event(event.type, None, _NOBODY, _STATUS.decode(event.object))
        except RecursionError as error:
            self._report(None, error)
            return Event("", None, _NOBODY, None)
        except _BAD as error:
            raise KubeError(f"a line of the watch of {self._noun} is no event: {_cut(error)}") from error
        item = self._one(event.object) if event.type in ("ADDED", "MODIFIED") else None
        return Event(event.type, item, _identity(event.object), None)

    def _one(self, encoded: Raw | bytes) -> T | None:
        try:
            return self._convert(self._item.decode(encoded))
        except _BAD as error:
            self._report(_identity(encoded), error)
            return None

    def _report(self, metadata: Any, error: BaseException) -> None:
        self.skipped += 1
        name = f"{getattr(metadata, 'namespace', '')}/{getattr(metadata, 'name', '')}".strip("/")[:512]
        if name in self._reported or len(self._reported) >= _MOST_REPORTED:
            return
        self._reported.add(name)
        logger.warning("%s: %r is left out, it cannot be understood: %s", self._noun, name or "one", _cut(error))


_NOBODY = Identity()
_RAW_PAGE = msgspec.json.Decoder(ListPage[Raw])
_RAW_EVENT = msgspec.json.Decoder(WatchEvent[Raw])
_STATUS = msgspec.json.Decoder(Status)
_IDENTIFIED = msgspec.json.Decoder(Identified)


def _identity(encoded: Raw | bytes) -> Identity:
    try:
        return _IDENTIFIED.decode(encoded).metadata or _NOBODY
    except _BAD:
        return _NOBODY


def _cut(error: BaseException) -> str:
    return f"{error!r}"[:200]


def pod_decoder() -> Decoder[PodInfo]:
    """Return a decoder of Pods with tables of its own."""
    decoder = msgspec.json.Decoder
    return Decoder("pods", decoder(ListPage[Pod]), decoder(WatchEvent[Pod]), decoder(Pod), Converter().pod)


def node_decoder() -> Decoder[NodeInfo]:
    """Return a decoder of Nodes with tables of its own."""
    decoder = msgspec.json.Decoder
    return Decoder("nodes", decoder(ListPage[Node]), decoder(WatchEvent[Node]), decoder(Node), Converter().node)
