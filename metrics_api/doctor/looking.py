"""Asking for objects: read only, bounded, each within its time, and never a crash for what may not be looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import msgspec

from metrics_api.doctor.facts import Right, Unknown
from metrics_api.doctor.objects import AccessReview
from metrics_api.errors import KubeError, KubeStatusError

MOST_OBJECTS = 1000
"""Objects of one kind that are looked at."""
_PAGE = 500
_MOST_PAGES = 20
_AT_ONCE = 6
_REVIEWS = "/apis/authorization.k8s.io/v1"

T = TypeVar("T", bound=msgspec.Struct)


class Kube(Protocol):
    """Asks kube-apiserver, or the server itself."""

    async def get(
        self,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        timeout: float = 30.0,  # noqa: ASYNC109 - the client's own bound
    ) -> bytes:
        """Return the body of a successful answer, or raise ``KubeError``."""
        ...

    async def post(
        self,
        path: str,
        body: bytes,
        *,
        timeout: float = 10.0,  # noqa: ASYNC109 - as above
    ) -> bytes:
        """Return the answer to a document, or raise ``KubeError``."""
        ...


class _Meta(msgspec.Struct):
    continued: str = msgspec.field(name="continue", default="")


class _Page(msgspec.Struct):
    items: list[msgspec.Raw] | None = None
    metadata: _Meta = msgspec.field(default_factory=_Meta)


class Looking:
    """Looks at objects.

    Args:
        kube: The API server.
        timeout: Seconds for each request.
    """

    def __init__(self, kube: Kube, timeout: float) -> None:
        self._kube = kube
        self._timeout = timeout
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def raw(self, path: str, query: Sequence[tuple[str, str]] = ()) -> bytes:
        """Return a body, or raise ``KubeError``."""
        async with self._slots:
            return await self._kube.get(path, query=query, timeout=self._timeout)

    async def one(self, path: str, kind: type[T], query: Sequence[tuple[str, str]] = ()) -> T | Unknown | None:
        """Return an object, ``None`` when there is none."""
        found = await self.fetch(path, kind, query)
        return None if isinstance(found, Unknown) and found.code == 404 else found

    async def fetch(self, path: str, kind: type[T], query: Sequence[tuple[str, str]] = ()) -> T | Unknown:
        """Return a document that there should be."""
        try:
            return msgspec.json.decode(await self.raw(path, query), type=kind)
        except (KubeError, msgspec.MsgspecError, ValueError, RecursionError) as error:
            return _unknown(error, path)

    async def many(
        self, path: str, kind: type[T], query: Sequence[tuple[str, str]] = (), *, most: int = MOST_OBJECTS
    ) -> tuple[tuple[T, ...], bool] | Unknown:
        """Return objects, and whether there are more. One that cannot be understood is left out."""

        def to_be_continued(pages: Sequence[_Page]) -> str:
            seen = sum(len(page.items or ()) for page in pages)
            return pages[-1].metadata.continued if seen < most else ""

        pages = await self.pages(path, _Page, (*query, ("limit", str(min(_PAGE, most)))), to_be_continued)
        if isinstance(pages, Unknown):
            return pages
        items = [item for page in pages for raw in page.items or () if (item := _decoded(raw, kind)) is not None]
        return tuple(items[:most]), bool(pages[-1].metadata.continued)

    async def pages(
        self,
        path: str,
        kind: type[T],
        query: Sequence[tuple[str, str]],
        to_be_continued: Callable[[Sequence[T]], str],
    ) -> list[T] | Unknown:
        """Return a list's pages, all after the first within the time of one request.

        Args:
            path: Of the list.
            kind: What a page is.
            query: What each page is asked for with.
            to_be_continued: Takes the pages that there are, and returns what the next is asked for with; empty to stop.
        """
        page = await self.fetch(path, kind, query)
        pages: list[T] = []
        try:
            async with asyncio.timeout(self._timeout):
                while not isinstance(page, Unknown):
                    pages.append(page)
                    continued = to_be_continued(pages)
                    if not continued:
                        return pages
                    if len(pages) == _MOST_PAGES:
                        return Unknown(f"{path}: the list has no end after {_MOST_PAGES} pages")
                    page = await self.fetch(path, kind, (*query, ("continue", continued)))
        except TimeoutError:
            return Unknown(f"{path}: the list's {len(pages) + 1} pages took more than {self._timeout:g} s")
        return page

    async def may(self, right: Right, account: tuple[str, str] | None) -> bool | Unknown:
        """Return whether a service account (namespace, name), or who asks (``None``), has a right."""
        resource, _, subresource = right.resource.partition("/")
        attributes = {
            "verb": right.verb,
            "group": right.group,
            "resource": resource,
            "subresource": subresource,
            "namespace": right.namespace,
            "name": right.name,
        }
        spec: dict[str, object] = {"resourceAttributes": {key: value for key, value in attributes.items() if value}}
        kind = "SelfSubjectAccessReview"
        if account is not None:
            kind, namespace = "SubjectAccessReview", account[0]
            spec["user"] = f"system:serviceaccount:{namespace}:{account[1]}"
            spec["groups"] = [
                "system:serviceaccounts",
                f"system:serviceaccounts:{namespace}",
                "system:authenticated",
            ]
        body = {"kind": kind, "apiVersion": "authorization.k8s.io/v1", "metadata": {}, "spec": spec}
        path = f"{_REVIEWS}/{kind.lower()}s"
        try:
            async with self._slots:
                answer = await self._kube.post(path, msgspec.json.encode(body), timeout=self._timeout)
            status = msgspec.json.decode(answer, type=AccessReview).status
        except (KubeError, msgspec.MsgspecError) as error:
            return _unknown(error, path)
        return status.allowed and not status.denied


def _decoded(raw: msgspec.Raw, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, ValueError):
        return None


def _unknown(error: Exception, path: str) -> Unknown:
    if isinstance(error, KubeStatusError):
        return Unknown(str(error), error.code)
    if isinstance(error, KubeError):
        return Unknown(str(error))
    return Unknown(f"{path}: the answer is not the document asked for: {error}")
