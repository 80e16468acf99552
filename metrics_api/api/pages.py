"""Lists in pages: ``limit`` and ``continue``.

The rows that a page was cut from are kept for a minute, so that the next pages fit to the first, whatever comes and
goes meanwhile. When they are gone, or another replica is asked, the list goes on in the current rows behind the last
name. Rows are sorted, so a page is found by bisection.
"""

from __future__ import annotations

import secrets
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from metrics_api.api.continuetoken import ContinueToken, decode_token, encode_token
from metrics_api.api.formats.listmeta import ListMeta
from metrics_api.api.group import Resource
from metrics_api.api.listoptions import ListOptions
from metrics_api.api.status import bad_request, continue_expired
from metrics_api.clock import Clock
from metrics_api.model import Row
from metrics_api.selectors import FieldSelector, LabelSelector

_KEPT_SECONDS = 60
"""From the first page. A client that pages through a large cluster is done in seconds."""
_TOKEN_SECONDS = 300
"""As long as etcd keeps a revision for kube-apiserver."""
_MOST_VIEWS = 64
_MOST_ROWS = 500_000
"""In all views that are kept; beyond it the oldest go."""


class Scope(NamedTuple):
    """Which list a page is of. A view is found again only from the very same list, for other rights may hold there."""

    resource: Resource
    namespace: str
    labels: LabelSelector
    fields: FieldSelector

    @property
    def is_selection(self) -> bool:
        """Whether objects may be left out."""
        return not (self.labels.is_empty and self.fields.is_empty)


@dataclass(frozen=True, slots=True)
class _View:
    """The rows of a list as they were when its first page was asked for."""

    name: str
    scope: Scope
    rows: Sequence[Row]
    begun: float


class Page(NamedTuple):
    """A part of a list."""

    rows: Sequence[Row]
    meta: ListMeta | None
    """What leads to the rest, and the version; ``None`` when there is neither."""

    @property
    def is_last(self) -> bool:
        """Whether nothing follows it."""
        return self.meta is None or not self.meta.continue_token


class Pages:
    """Cuts lists into pages.

    Args:
        clock: Wall time for tokens, which other replicas read; monotonic time for what is kept.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._views: OrderedDict[str, _View] = OrderedDict()  # the oldest first
        self._rows = 0

    def token(self, options: ListOptions) -> ContinueToken | None:
        """Return where a list is to go on, ``None`` for its beginning.

        Raises:
            StatusError: 400 when the token is none of ours or comes with a resourceVersion; 410 when it is too old,
                with another token for who takes the rest as it is now.
        """
        if not options.continue_token:
            return None
        token = decode_token(options.continue_token)
        if options.resource_version not in ("", "0"):
            raise bad_request("specifying resource version is not allowed when using continue")
        now = self._clock.now()
        if now - token.issued > _TOKEN_SECONDS:
            raise continue_expired(encode_token(ContinueToken("", int(now), token.namespace, token.name)))
        return token

    def kept(self, token: ContinueToken, scope: Scope) -> Sequence[Row] | None:
        """Return the rows that a token's page was cut from, ``None`` when this replica does not have them."""
        self._drop_old()
        view = self._views.get(token.view)
        return view.rows if view is not None and view.scope == scope else None

    def cut(self, rows: Sequence[Row], token: ContinueToken | None, limit: int, scope: Scope, version: int = 0) -> Page:
        """Return a page.

        Args:
            rows: The whole list, sorted by namespace and name.
            token: Behind which object to begin.
            limit: How many objects at most; 0 or less for all that are left.
            scope: Which list it is.
            version: Of the rows, 0 for none; later pages have that of the first, but for what goes on after a 410.
        """
        if token is not None and token.version:
            version = token.version
        start = 0 if token is None else bisect_right(rows, (token.namespace, token.name), key=_place)
        left = len(rows) - start
        if not 0 < limit < left:
            return Page(rows[start:] if start else rows, ListMeta(version=version) if version else None)
        page = rows[start : start + limit]
        issued = int(self._clock.now())
        following = ContinueToken(self._keep(rows, scope), issued, page[-1].namespace, page[-1].name, version)
        remaining = None if scope.is_selection else left - limit
        return Page(page, ListMeta(encode_token(following), remaining, version))

    def _keep(self, rows: Sequence[Row], scope: Scope) -> str:
        """Return the name under which these rows are kept from now on, if they are not already."""
        self._drop_old()
        for view in reversed(self._views.values()):
            if view.rows is rows and view.scope == scope:
                return view.name
        view = _View(secrets.token_hex(8), scope, rows, self._clock.monotonic())
        self._views[view.name] = view
        self._rows += len(rows)
        while self._rows > _MOST_ROWS or len(self._views) > _MOST_VIEWS:
            self._drop_oldest()
        return view.name

    def _drop_old(self) -> None:
        horizon = self._clock.monotonic() - _KEPT_SECONDS
        while self._views and next(iter(self._views.values())).begun <= horizon:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        _, view = self._views.popitem(last=False)
        self._rows -= len(view.rows)


def _place(row: Row) -> tuple[str, str]:
    return row.namespace, row.name
