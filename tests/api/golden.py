"""Answers written down whole, in every format: ``python -m tests.api.golden`` writes them anew, to be read before use.

A protobuf body is shown as JSON that an independent decoder made of it; everything else is shown as it is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from metrics_api.api.continuetoken import ContinueToken, encode_token
from metrics_api.api.group import GROUP
from metrics_api.api.overload import answer_timeout
from metrics_api.api.requestinfo import RequestInfo
from metrics_api.api.resources import MetricsView
from metrics_api.auth.access import Attributes
from metrics_api.auth.gate import forbidden
from metrics_api.auth.identity import User
from metrics_api.errors import KubeUnreachableError, StatusError, TooManyRequestsError
from tests.api.protobuf import decode_object
from tests.api.views import V1, V1BETA1, FakeView, captured_row, make_api, make_row
from tests.api.watch.watching import Client, Cluster, frames, watch
from tests.fakes import FakeClock, settle

FOLDER = Path(__file__).parent.parent / "data/golden"

_PB = "application/vnd.kubernetes.protobuf"
_JSON, _YAML = "application/json", "application/yaml"
_PLAIN = (_JSON, f"{_JSON};pretty=1", _YAML, _PB)


def _meta(media_type: str, kind: str, version: str = "v1") -> str:
    return f"{media_type};as={kind};v={version};g=meta.k8s.io"


OBJECT = (
    *_PLAIN,
    _meta(_JSON, "Table"),
    _meta(_JSON, "PartialObjectMetadata"),
    _meta(_YAML, "PartialObjectMetadata"),
    _meta(_PB, "PartialObjectMetadata", "v1beta1"),
)
LIST = (
    *_PLAIN,
    _meta(_JSON, "Table"),
    _meta(_JSON, "Table", "v1beta1"),
    _meta(_YAML, "Table"),
    _meta(f"{_JSON};pretty=1", "Table"),
    _meta(_JSON, "PartialObjectMetadataList"),
    _meta(_YAML, "PartialObjectMetadataList"),
    _meta(_PB, "PartialObjectMetadataList"),
)
_TABLE = (_meta(_JSON, "Table"), _meta(_YAML, "Table"))

_READABLE = 2000
"""Bytes; OpenAPI documents that are longer are indented here."""
_EXPIRED = encode_token(ContinueToken("", 0, "default", "db-0"))

_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"

CASES: Mapping[str, tuple[str, Sequence[str]]] = {
    "node": (f"{V1BETA1}/nodes/n1", OBJECT),
    "nodes": (f"{V1}/nodes", LIST),
    "nodes-selected-none": (f"{V1}/nodes?labelSelector=no", LIST),
    "pod": (f"{V1BETA1}/namespaces/default/pods/web-1", OBJECT),
    "pods": (f"{V1BETA1}/pods", LIST),
    "pods-table-with-objects": (f"{V1}/namespaces/default/pods?includeObject=Object", _TABLE),
    "pods-table-without-objects": (f"{V1}/namespaces/default/pods?includeObject=None", _TABLE),
    "error-not-found": (f"{V1}/nodes/nope", (*_PLAIN, _meta(_JSON, "Table"), "text/html")),
    "error-bad-option": (f"{V1}/pods?resourceVersionMatch=X&sendInitialEvents=1", _PLAIN),
    "error-pod-not-found": (f"{V1}/namespaces/default/pods/nope", _PLAIN),
    "error-no-metrics-yet": (f"{V1}/namespaces/default/pods/young", _PLAIN),
    "error-path": (f"{V1}/nope", _PLAIN),
    "error-method": (f"DELETE {V1}/nodes/n1", _PLAIN),
    "error-label-selector": (f"{V1}/pods?labelSelector=a%3Db%3Dc", _PLAIN),
    "error-field-selector": (f"{V1}/pods?fieldSelector=spec.nodeName%3Dn1", _PLAIN),
    "error-limit": (f"{V1}/pods?limit=x", _PLAIN),
    "error-continue": (f"{V1}/pods?continue=x", _PLAIN),
    "error-continue-expired": (f"{V1}/pods?continue={_EXPIRED}", _PLAIN),
    "error-table-option": (f"{V1}/pods?includeObject=Foo", (f"{_meta(_JSON, 'Table')},{_YAML}",)),
    "error-watch": (f"{V1}/pods?watch=1", _PLAIN),
    "error-not-acceptable": (
        f"{V1}/pods",
        ("text/html", _meta(_PB, "Table"), _meta(_JSON, "PartialObjectMetadata"), f"{_YAML};stream=watch"),
    ),
    "error-export": (f"{V1}/nodes/n1?export=true", _PLAIN),
    "error-parameters": (f"{V1}/nodes?{'&' * 1000}", _PLAIN),
    "error-timeout-option": ("/apis?timeout=x", _PLAIN),
    "error-body-type": ("/apis", _PLAIN),
    "error-unauthorized": (f"{V1}/namespaces/locked/pods", (*_PLAIN, _meta(_JSON, "Table"), "text/html")),
    "error-forbidden": (f"{V1}/namespaces/secret/pods", (*_PLAIN, _meta(_JSON, "Table"), "text/html")),
    "error-too-many": (f"{V1}/namespaces/busy/pods", _PLAIN),
    "error-undecided": (f"{V1}/namespaces/adrift/pods", _PLAIN),
    "error-timeout": (f"{V1}/pods", (*_PLAIN, _meta(_JSON, "Table"), "text/html")),
    "error-path-elsewhere": ("/nope", (_JSON, _YAML)),
    "discovery-aggregated": ("/apis", (_DISCOVERY.format("v2"), _DISCOVERY.format("v2beta1"))),
    "openapi-v3": ("/openapi/v3/apis/metrics.k8s.io/v1", (_JSON, _PB)),
    "index": ("/", (_JSON,)),
    "probe": ("/readyz?verbose", (_JSON,)),
    "discovery-groups": ("/apis", _PLAIN),
    "discovery-group": ("/apis/metrics.k8s.io", _PLAIN),
    "discovery-version": (V1BETA1, _PLAIN),
}


HEADERS: Mapping[str, Mapping[str, str]] = {"error-body-type": {"content-type": "text/html"}}
"""What some of them send besides ``Accept``."""


async def _timed_out(scope: Scope, receive: Receive, send: Send) -> None:
    await answer_timeout(scope, send)


APPLICATIONS: Mapping[str, ASGIApp] = {"error-timeout": _timed_out}
"""What answers some of them instead of ours."""


class _Gate:
    """Lets nobody into some namespaces, for one reason each."""

    _SECRET = Attributes("list", group=GROUP, version="v1", namespace="secret", resource="pods")
    _REFUSALS: ClassVar[Mapping[str, Exception]] = {
        "locked": StatusError(401, "Unauthorized", "Unauthorized"),
        "secret": forbidden(User("alice"), _SECRET, "not today"),
        "busy": TooManyRequestsError("Too many requests, please try again later.", retry_after=1),
        "adrift": KubeUnreachableError("cannot reach kube-apiserver"),
    }

    async def __call__(self, scope: Scope, request: RequestInfo) -> None:
        if (refusal := self._REFUSALS.get(request.namespace)) is not None:
            raise refusal


def _view() -> FakeView:
    pods = [captured_row("pod.json"), make_row("default", "db-0", {}, cpu="1", memory="0"), make_row("shop", "é", {})]
    nodes = [captured_row("node.json"), make_row("", "n2", {"zone": "b"}, cpu="1500m", memory="1Gi")]
    return FakeView(nodes, pods, known=["default/young"])


async def render_case(name: str) -> str:
    """Return the answers to one of the cases."""
    return await render(*CASES[name], application=APPLICATIONS.get(name), headers=HEADERS.get(name, {}))


async def render(
    path: str,
    accepts: Sequence[str],
    view: MetricsView | None = None,
    *,
    application: ASGIApp | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Return the answers to a path, one after the other, by default over a small view of captured objects.

    A method other than GET stands before the path.
    """
    method, path = ("GET", path) if path.startswith("/") else path.split()
    application = application or make_api(view or _view(), gate=_Gate(), clock=FakeClock())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="https://metrics") as client:
        answers = [
            _show(accept, await client.request(method, path, headers={"accept": accept, **headers}))
            for accept in accepts
        ]
    path = path.replace("&" * 1000, "& (a thousand of them)")
    return f"{method} {path}\n" + "".join(answers)


WATCHES: Mapping[str, tuple[str, Sequence[str]]] = {
    f"watch-{resource}": (
        f"{V1}/{resource}?sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
        (_JSON, _PB, _meta(_JSON, "Table"), _meta(_JSON, "PartialObjectMetadata"), _meta(_PB, "PartialObjectMetadata")),
    )
    for resource in ("nodes", "pods")
} | {"watch-expired": (f"{V1}/pods?resourceVersion=1", (_JSON, _PB, _meta(_JSON, "Table")))}
"""What a watch sends from its beginning over a new sample to the end of what is watched."""


async def render_watch(path: str, accepts: Sequence[str]) -> str:
    """Return what watches in several formats send, each event on a line."""
    cluster = Cluster()
    cluster.pod("web-1", app="web")
    cluster.sampled()
    path, _, query = path.partition("?")
    clients = [watch(cluster, path, query, accept=accept) for accept in accepts]
    await settle()
    cluster.sampled()
    await settle()
    cluster.remove("web-1")
    cluster.store.remove_node("node-a")
    await settle()
    cluster.watches.end_all()
    await settle()
    shown = [_show_watch(accept, client) for accept, client in zip(accepts, clients, strict=True)]
    return f"GET {path}?watch=true&{query}\n" + "".join(shown)


def _show_watch(accept: str, client: Client) -> str:
    text = client.body.decode() if not client.content_type.startswith(_PB) else _lines(frames(client.body))
    return f"\n=== Accept: {accept}\n{client.code} {client.content_type}\n\n{text}"


def _lines(events: Sequence[tuple[str, object]]) -> str:
    return "".join(f"{json.dumps({'type': kind, 'object': shown})}\n" for kind, shown in events)


def _show(accept: str, response: httpx.Response) -> str:
    content_type = response.headers["content-type"]
    if content_type == _PB:
        text = json.dumps(decode_object(response.content), ensure_ascii=False)
    elif len(response.content) > _READABLE and response.request.url.path.startswith("/openapi/"):
        text = json.dumps(response.json(), indent=1)
    else:
        text = response.text
    end = "" if text.endswith("\n") else "\n(no newline)\n"
    return f"\n=== Accept: {accept}\n{response.status_code} {content_type}\n\n{text}{end}"


def main() -> None:
    """Write all of them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in CASES:
        (FOLDER / f"{name}.txt").write_text(asyncio.run(render_case(name)))
    for name, case in WATCHES.items():
        (FOLDER / f"{name}.txt").write_text(asyncio.run(render_watch(*case)))


if __name__ == "__main__":
    main()
