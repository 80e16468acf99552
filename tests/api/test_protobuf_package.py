"""What we write as protobuf, decoded by the ``protobuf`` package: as in JSON, and to the byte as it would write it."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from metrics_api.quantity import parse_quantity
from metrics_api.timetext import format_duration, format_rfc3339
from tests.api.published import parse
from tests.api.views import DATA, V1, V1BETA1, connect, make_api
from tests.api.watch.watching import Cluster, watch
from tests.fakes import settle

PROTOBUF = "application/vnd.kubernetes.protobuf"
PARTIAL = "as=PartialObjectMetadata{};v=v1;g=meta.k8s.io"


def opened(body: bytes) -> tuple[str, str, Any]:
    """Return API version, kind and message of an object in its envelope."""
    assert body[:4] == b"k8s\0"
    unknown = cast(Any, parse("Unknown", body[4:]))
    assert (unknown.contentEncoding, unknown.contentType) == ("", "")
    kind = unknown.typeMeta.kind
    return unknown.typeMeta.apiVersion, kind, parse(kind, unknown.raw)


def agrees(message: Any, value: Any) -> bool:
    """Tell whether a message, or what stands in one, says what JSON says."""
    if isinstance(value, dict):
        return all(agrees(_member(message, key), member) for key, member in value.items())
    if isinstance(value, list):
        message = message.items if hasattr(message, "DESCRIPTOR") else message  # a list of verbs is a message
        return len(message) == len(value) and all(map(agrees, message, value))
    name = message.DESCRIPTOR.name if hasattr(message, "DESCRIPTOR") else ""
    if name == "Time":
        return value is None if not message.HasField("seconds") else bool(format_rfc3339(message.seconds) == value)
    if name == "Duration":
        return bool(format_duration(message.duration / 10**9) == value)
    if name == "Quantity":
        return bool(message.string == value and parse_quantity(value) >= 0)
    return bool(message == value)


def _member(message: Any, key: str) -> Any:
    return getattr(message, key) if hasattr(message, "DESCRIPTOR") else message[key]


@pytest.mark.parametrize(
    "path",
    [
        f"{V1}/nodes",
        f"{V1}/nodes/n1",
        f"{V1BETA1}/pods",
        f"{V1BETA1}/pods?limit=2",
        f"{V1}/pods?labelSelector=no",
        f"{V1}/namespaces/default/pods/web-1",
        f"{V1}/namespaces/default/pods/young",
        f"{V1}/nodes/nope",
        f"{V1}/pods?resourceVersionMatch=X&sendInitialEvents=1",
        f"{V1}/pods?watch=1",
        f"{V1}/nope",
        "/apis",
        "/apis/metrics.k8s.io",
        V1,
        V1BETA1,
    ],
)
async def test_protobuf_says_what_json_says(path: str) -> None:
    async with connect(make_api()) as client:
        plain = (await client.get(path, headers={"accept": "application/json"})).json()
        response = await client.get(path, headers={"accept": PROTOBUF})
    assert response.headers["content-type"] == PROTOBUF
    version, kind, message = opened(response.content)
    assert (version, kind) == (plain.pop("apiVersion", version), plain.pop("kind"))
    plain.get("metadata", {}).pop("continue", None)  # it has the time in it
    assert agrees(message, plain)


@pytest.mark.parametrize(("path", "suffix"), [(f"{V1}/pods", "List"), (f"{V1}/nodes/n1", "")])
async def test_metadata_alone_is_what_it_is_in_json(path: str, suffix: str) -> None:
    async with connect(make_api()) as client:
        answers = [
            await client.get(path, headers={"accept": f"{media_type};{PARTIAL.format(suffix)}"})
            for media_type in ("application/json", PROTOBUF)
        ]
    plain = answers[0].json()
    version, kind, message = opened(answers[1].content)
    assert (version, kind) == (plain.pop("apiVersion"), plain.pop("kind"))
    for item in plain.get("items", ()):
        del item["apiVersion"], item["kind"]
    assert agrees(message, plain)


async def test_watch_events_are_messages_behind_their_lengths() -> None:
    cluster = Cluster()
    cluster.pod("a", app="web")
    cluster.sampled()
    query = "sendInitialEvents=1&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=1"
    clients = [watch(cluster, query=query, accept=each) for each in ("application/json", PROTOBUF)]
    await settle()
    cluster.remove("a")
    await settle()
    body, kinds = clients[1].body, []
    for line in clients[0].body.splitlines():
        expected = json.loads(line)
        length = int.from_bytes(body[:4], "big")
        event = cast(Any, parse("WatchEvent", body[4 : 4 + length]))
        body = body[4 + length :]
        _, kind, message = opened(event.object.raw)
        shown = expected["object"]
        assert (event.type, kind) == (expected["type"], shown.pop("kind"))
        del shown["apiVersion"]
        if shown.get("containers", ()) is None:
            shown["containers"] = []
        assert agrees(message, shown)
        kinds.append(event.type)
    assert (body, kinds) == (b"", ["ADDED", "BOOKMARK", "DELETED"])


@pytest.mark.parametrize("name", sorted(path.stem for path in DATA.glob("*.pb")))
def test_the_messages_are_those_that_metrics_server_writes(name: str) -> None:
    version, kind, _ = opened((DATA / f"{name}.pb").read_bytes())
    assert version
    assert kind


def test_a_difference_would_be_seen() -> None:
    _, _, message = opened((DATA / "node.pb").read_bytes())
    plain = json.loads((DATA / "node.json").read_text())
    del plain["kind"], plain["apiVersion"]
    assert agrees(message, plain)
    for path, wrong in ((("window",), "16s"), (("usage", "cpu"), "1n"), (("metadata", "name"), "other")):
        other = json.loads(json.dumps(plain))
        place = other
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = wrong
        assert not agrees(message, other)
