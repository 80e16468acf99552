"""A small cluster that changes on command, and clients that watch it in-process."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from starlette.types import Message

from metrics_api.api.app import build_api
from metrics_api.api.probes import PING, Probes
from metrics_api.api.watch.watches import Watches
from metrics_api.model import PodInfo
from metrics_api.store.changes import Changes
from metrics_api.store.store import Store
from tests.api.protobuf import decode_object, fields
from tests.api.views import V1
from tests.fakes import settle
from tests.store.builders import MAX_AGE, PERIOD, HandClock, node_info, pod_of, sample, scrape

FIRST = 4_000_000_000_000_000_000
Event = tuple[str, dict[str, Any]]


class Cluster:
    """A store with a node, and the application over it."""

    def __init__(self, *, most: int = 1000, kept: int = 10_000) -> None:
        self.clock = HandClock()
        self.changes = Changes(FIRST, kept=kept)
        self.store = Store(self.clock, resolution=PERIOD, max_age=MAX_AGE, changes=self.changes)
        self.requests = Requests()
        self.watches = Watches(self.changes, self.store.rows, self.clock, most=most, requests=self.requests)
        probes = Probes((PING,), (PING,), (PING,))
        self.api = build_api(self.store, probes, version="0.1.0", clock=self.clock, watches=self.watches)
        self._pods: dict[tuple[str, str], PodInfo] = {}
        self.store.set_node(node_info())

    def pod(self, name: str, namespace: str = "shop", **labels: str) -> None:
        """Add a pod, or give it other labels; it is served from its next sample."""
        info = PodInfo(namespace, name, f"{namespace}-{name}", labels, "node-a", required=("app",))
        self._pods[namespace, name] = info
        self.store.set_pod(info)

    def remove(self, name: str, namespace: str = "shop") -> None:
        self.store.remove_pod(self._pods.pop((namespace, name)).key)

    def sampled(self, *names: str) -> None:
        """Take in a scrape of these pods, or of all, 15 seconds after the last one."""
        self.clock.forward(PERIOD)
        moment = self.clock.now() - 5
        pods = [
            pod_of({"app": sample(moment, rate=7)}, info.name, uid=info.uid)
            for info in self._pods.values()
            if not names or info.name in names
        ]
        self.store.record(node_info(), scrape(self.clock, *pods, node=sample(moment, rate=7)))

    def version(self) -> int:
        return self.changes.version


class Requests:
    """Lets requests last, and notes which are cut off."""

    def __init__(self) -> None:
        self.released = 0
        self.cut: list[str] = []

    def user(self, scope: Any) -> str | None:
        user: str | None = scope["state"].get("user")
        return user

    def release(self, scope: Any) -> None:
        self.released += 1

    def cut_off(self, scope: Any) -> None:
        self.cut.append(scope["query_string"].decode())
        scope["state"]["client"].hang_up()


class Client:
    """One request, most often a watch, and what has come of it."""

    def __init__(
        self,
        cluster: Cluster,
        path: str,
        *,
        accept: str = "application/json",
        reads: bool = True,
        user: str | None = None,
    ) -> None:
        path, _, query = path.partition("?")
        self._scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(b"accept", accept.encode())],
            "state": {"client": self, "user": user},
        }
        self._hung_up = asyncio.Event()
        self._may_send = asyncio.Event()
        self.reads(reads)
        self.messages: list[Message] = []
        self.task = asyncio.create_task(cluster.api(self._scope, self._receive, self._send))

    async def _receive(self) -> Message:
        await self._hung_up.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        await self._may_send.wait()
        if not self._hung_up.is_set():
            self.messages.append(message)

    def reads(self, reads: bool) -> None:
        """Begin or cease to take what is sent."""
        if reads:
            self._may_send.set()
        else:
            self._may_send.clear()

    def hang_up(self) -> None:
        self._hung_up.set()
        self._may_send.set()

    @property
    def code(self) -> int:
        code: int = self.messages[0]["status"]
        return code

    @property
    def content_type(self) -> str:
        content_type: bytes = dict(self.messages[0]["headers"])[b"content-type"]
        return content_type.decode()

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.messages[1:])

    @property
    def is_ended(self) -> bool:
        """Whether the answer has ended as it should."""
        return self.messages[-1]["type"] == "http.response.body" and not self.messages[-1].get("more_body")

    async def events(self) -> list[Event]:
        """Return what has come since this was last asked."""
        await settle(30)
        lines = self.body.splitlines()
        del self.messages[1:]
        return [(event["type"], event["object"]) for event in map(json.loads, lines)]

    async def seen(self) -> list[str]:
        """Return the same in short: type and name of each."""
        return [f"{kind} {shown['metadata'].get('name', '')}".rstrip() for kind, shown in await self.events()]


def watch(cluster: Cluster, path: str = f"{V1}/pods", query: str = "", **options: Any) -> Client:
    """Begin a watch."""
    return Client(cluster, f"{path}?watch=true{query and '&'}{query}", **options)


def frames(body: bytes) -> list[Event]:
    """Return the events of a watch in protobuf."""
    events: list[Event] = []
    while body:
        length = int.from_bytes(body[:4], "big")
        message = dict(fields(body[4 : 4 + length]))
        kind, extension = message[1], message[2]
        assert isinstance(kind, bytes)
        assert isinstance(extension, bytes)
        (_, document), *more = fields(extension)
        assert isinstance(document, bytes)
        assert not more
        events.append((kind.decode(), decode_object(document)))
        body = body[4 + length :]
    return events
