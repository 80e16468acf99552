"""Answers written down whole, in every format: ``python -m tests.api.golden`` writes them anew, to be read before use.

A protobuf body is shown as JSON that an independent decoder made of it; everything else is shown as it is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

from metrics_api.api.continuetoken import ContinueToken, encode_token
from metrics_api.api.resources import MetricsView
from tests.api.protobuf import decode_object
from tests.api.views import V1, V1BETA1, FakeView, captured_row, connect, make_api, make_row
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

_EXPIRED = encode_token(ContinueToken("", 0, "default", "db-0"))

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
    "discovery-groups": ("/apis", _PLAIN),
    "discovery-group": ("/apis/metrics.k8s.io", _PLAIN),
    "discovery-version": (V1BETA1, _PLAIN),
}


def _view() -> FakeView:
    pods = [captured_row("pod.json"), make_row("default", "db-0", {}, cpu="1", memory="0"), make_row("shop", "é", {})]
    nodes = [captured_row("node.json"), make_row("", "n2", {"zone": "b"}, cpu="1500m", memory="1Gi")]
    return FakeView(nodes, pods, known=["default/young"])


async def render(path: str, accepts: Sequence[str], view: MetricsView | None = None) -> str:
    """Return the answers to a path, one after the other, by default over a small view of captured objects.

    A method other than GET stands before the path.
    """
    method, path = ("GET", path) if path.startswith("/") else path.split()
    async with connect(make_api(view or _view(), clock=FakeClock())) as client:
        answers = [_show(accept, await client.request(method, path, headers={"accept": accept})) for accept in accepts]
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
    text = response.text if content_type != _PB else json.dumps(decode_object(response.content), ensure_ascii=False)
    end = "" if text.endswith("\n") else "\n(no newline)\n"
    return f"\n=== Accept: {accept}\n{response.status_code} {content_type}\n\n{text}{end}"


def main() -> None:
    """Write all of them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, case in CASES.items():
        (FOLDER / f"{name}.txt").write_text(asyncio.run(render(*case)))
    for name, case in WATCHES.items():
        (FOLDER / f"{name}.txt").write_text(asyncio.run(render_watch(*case)))


if __name__ == "__main__":
    main()
