"""NodeMetrics and PodMetrics: which rows a request means. How they are written is the business of ``answers``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from metrics_api.api.formats.listmeta import ListMeta
from metrics_api.api.group import NODES, PODS, RESOURCES, VERSIONS, Resource
from metrics_api.api.listoptions import ListOptions, check_get_options, parse_list_options
from metrics_api.api.pages import Pages, Scope
from metrics_api.api.requestinfo import RequestInfo
from metrics_api.api.resourceversion import parse_version
from metrics_api.api.selection import Selections
from metrics_api.api.status import (
    list_too_old,
    method_not_allowed,
    node_metrics_not_found,
    node_not_found,
    path_not_found,
    pod_metrics_not_found,
    pod_not_found,
    watch_not_supported,
)
from metrics_api.clock import Clock
from metrics_api.model import Row

_DEPTHS: dict[tuple[bool, bool], tuple[int, ...]] = {
    (False, False): (4, 5),  # /apis/<group>/<version>/nodes[/<name>]
    (False, True): (),
    (True, False): (4,),  # …/pods: the pods of all namespaces can be listed, not named
    (True, True): (6, 7),  # …/namespaces/<namespace>/pods[/<name>]
}
"""(the resource is namespaced, the path has a namespace) -> how many parts the paths have that exist."""


class MetricsView(Protocol):
    """What is served, now.

    A returned sequence keeps its rows in their order, for it is read over several turns of the event loop; a row in it
    may get a newer item. The same sequence is returned again only while no row has come, gone or changed its labels.
    """

    def node(self, name: str) -> Row | None:
        """Return the row of a node, ``None`` when nothing is served of it."""
        ...

    def knows_node(self, name: str) -> bool:
        """Tell whether there is such a Node object, served or not."""
        ...

    def nodes(self) -> Sequence[Row]:
        """Return all nodes that are served, sorted by name."""
        ...

    def pod(self, namespace: str, name: str) -> Row | None:
        """Return the row of a pod, ``None`` when nothing is served of it."""
        ...

    def knows_pod(self, namespace: str, name: str) -> bool:
        """Tell whether there is such a running Pod, served or not."""
        ...

    def pods(self, namespace: str | None) -> Sequence[Row]:
        """Return all pods that are served of a namespace, or of all (``None``), sorted by namespace and name."""
        ...


class Reasons(Protocol):
    """Says why there are no metrics of something that exists, and when they are expected: asked for a 404 only."""

    def node(self, name: str) -> str | None:
        """Return the reason for a Node, ``None`` when there is nothing to say."""
        ...

    def pod(self, namespace: str, name: str) -> str | None:
        """Return the reason for a running Pod, ``None`` when there is nothing to say."""
        ...


class Found(msgspec.Struct, frozen=True):
    """The answer to a request, before it has a format."""

    resource: Resource
    version: str
    rows: Sequence[Row]
    is_list: bool
    """Otherwise there is exactly one row, the object itself."""
    namespace: str = ""
    """The one that is asked for; empty for nodes and for all namespaces."""
    is_whole: bool = False
    """Whether it is all there is: a list without a selector, and not a page of it."""
    meta: ListMeta | None = None
    """Where the rest of the list is, unless this is the end of it, and its version, if it has one."""


class Resources:
    """Finds what requests to the group mean.

    Args:
        view: What is served.
        clock: Time, for the age of pages.
        reasons: Why something is not; ``None`` leaves it unsaid.
        version: Returns the number of the latest change; ``None`` when nobody may watch, and lists have no version.
    """

    def __init__(
        self,
        view: MetricsView,
        clock: Clock,
        reasons: Reasons | None = None,
        version: Callable[[], int] | None = None,
    ) -> None:
        self._view = view
        self._reasons = reasons
        self._version = version
        self._selections = Selections()
        self._pages = Pages(clock)

    async def find(self, resource: Resource, request: RequestInfo, query_string: bytes) -> Found:
        """Return the answer to a request.

        Args:
            resource: From ``resource_of``.
            request: What is asked for.
            query_string: As it came.

        Raises:
            StatusError: a parameter is wrong, or there is no such object.
        """
        if request.verb == "get":
            check_get_options(query_string)
            row = self._get(resource, request.namespace, request.name)
            return Found(resource, request.version, (row,), is_list=False)
        options = parse_list_options(query_string)
        if options.watch:
            raise watch_not_supported(resource)
        return await self._list(resource, request, query_string, options)

    async def _list(self, resource: Resource, request: RequestInfo, query_string: bytes, options: ListOptions) -> Found:
        token = self._pages.token(options)
        version = 0 if self._version is None else self._version()  # before the rows, which go on changing
        if version:
            _check_version(options, version)
        scope = Scope(resource, request.namespace, options.labels, options.fields)
        rows = None if token is None else self._pages.kept(token, scope)
        if rows is None:
            rows = self._view.nodes() if resource is NODES else self._view.pods(request.namespace or None)
            if not options.selects_all:
                rows = await self._selections.select(rows, request.namespace, query_string, options)
        page = self._pages.cut(rows, token, options.limit, scope, version)
        return Found(
            resource,
            request.version,
            page.rows,
            is_list=True,
            namespace=request.namespace,
            is_whole=options.selects_all and token is None and page.is_last,
            meta=page.meta,
        )

    def _get(self, resource: Resource, namespace: str, name: str) -> Row:
        view, reasons = self._view, self._reasons
        if resource is PODS:
            row = view.pod(namespace, name)
            if row is None:
                if not view.knows_pod(namespace, name):
                    raise pod_not_found(name)
                why = None if reasons is None else reasons.pod(namespace, name)
                raise pod_metrics_not_found(namespace, name, why)
        else:
            row = view.node(name)
            if row is None:
                if not view.knows_node(name):
                    raise node_not_found(name)
                raise node_metrics_not_found(name, None if reasons is None else reasons.node(name))
        return row


def _check_version(options: ListOptions, version: int) -> None:
    """Check which state of a list is wanted: there is the newest one, which is no older than any.

    Raises:
        StatusError: 400 for what is no version, 410 for just one that is not the newest.
    """
    parse_version(options.resource_version, of="invalid resource version: ")
    if options.exact and options.resource_version != str(version):
        raise list_too_old()


def resource_of(method: str, request: RequestInfo) -> Resource:
    """Return the resource that a request is for.

    Raises:
        StatusError: 404 when the path, whatever the method, is none of ours; 405 for another method than GET.
    """
    resource = RESOURCES.get(request.resource)
    if resource is None or request.version not in VERSIONS:
        raise path_not_found()
    if request.depth not in _DEPTHS[resource.namespaced, request.has_namespace]:
        raise path_not_found()
    if method != "GET":
        raise method_not_allowed()
    return resource
